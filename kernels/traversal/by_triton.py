"""Walks by Triton, one launch for a batch. `triton_launch` launches the kernel, and imports PyTorch."""

from __future__ import annotations

from tocsin.kernels.hoeffding.pool.layout import Floats, Ints
from tocsin.kernels.traversal.flat import Flat
from tocsin.kernels.traversal.interface import registry


@registry.register("triton")
def traverse_triton(flat: Flat, X: Floats) -> Ints:
    """Arguments as `traverse` checked them."""
    import torch  # here, because it takes seconds and an extra, and only this back end needs it

    from tocsin.kernels.fusion.torch_tensors import device
    from tocsin.kernels.traversal.torch_tensors import as_tensors
    from tocsin.kernels.traversal.triton_launch import traverse_tensors

    ids = traverse_tensors(as_tensors(flat, device()), torch.from_numpy(X).to(device()))
    result: Ints = ids.cpu().numpy()
    return result
