"""Walks by Triton, one launch: a block of events and a tree a program."""

from __future__ import annotations

from typing import Any

from tocsin.kernels.common.backends import cuda_there, triton_runs
from tocsin.kernels.fusion.by_triton import device
from tocsin.kernels.hoeffding.layout import Floats, Ints
from tocsin.kernels.traversal.by_torch import on
from tocsin.kernels.traversal.flat import Flat
from tocsin.kernels.traversal.interface import registry

BLOCK = 128
"""Events a program."""


@registry.register("triton", runs=triton_runs, suits=cuda_there)
def traverse_triton(flat: Flat, X: Floats) -> Ints:
    """Arguments as `traverse` checked them."""
    import torch  # here, because it takes seconds to load

    place = device()
    result: Ints = traverse_tensors(on(flat, place), torch.from_numpy(X).to(place)).cpu().numpy()
    return result


def traverse_tensors(flat: Flat, X: Any) -> Any:
    """int32 [B, E]; `flat` as `on` gives it, X [B, F] float64, tensors of one device."""
    import torch

    from tocsin.kernels.traversal.triton_kernel import traverse_kernel

    (B, F), (E, N) = X.shape, flat.kind.shape
    out = torch.empty((B, E), dtype=torch.int32, device=X.device)
    if B:
        # A column where there is none: nothing is read of it, but it must have an address.
        rows = X.contiguous() if F else X.new_zeros((B, 1))
        traverse_kernel[((B + BLOCK - 1) // BLOCK, E)](
            *flat, rows, out, B, E, N, F, BLOCK=BLOCK, enable_fp_fusion=False
        )
    return out
