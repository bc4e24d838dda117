"""Walks by PyTorch. `torch_tensors` holds the walk, and imports PyTorch."""

from __future__ import annotations

from tocsin.kernels.hoeffding.pool.layout import Floats, Ints
from tocsin.kernels.traversal.flat import Flat
from tocsin.kernels.traversal.interface import registry


@registry.register("torch")
def traverse_torch(flat: Flat, X: Floats) -> Ints:
    """Arguments as `traverse` checked them."""
    import torch  # here, because it takes seconds and an extra, and only this back end needs it

    from tocsin.kernels.fusion.torch_tensors import device
    from tocsin.kernels.traversal.torch_tensors import as_tensors, traverse_tensors

    ids = traverse_tensors(as_tensors(flat, device()), torch.from_numpy(X).to(device()))
    result: Ints = ids.to(torch.int32).cpu().numpy()
    return result
