"""The launch of the Triton kernel of the walk: one program for a block of events and a tree."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tocsin.kernels.traversal.flat import Flat
from tocsin.kernels.traversal.triton_kernel import traverse_kernel

BLOCK = 128
"""Events for each program."""


def traverse_tensors(flat: Flat, X: Tensor) -> Tensor:
    """int32 [B, E]; `flat` as `as_tensors` gives it, X [B, F] float64, tensors of one device."""
    trees: Any = flat
    (B, F), (E, N) = X.shape, trees.kind.shape
    out = torch.empty((B, E), dtype=torch.int32, device=X.device)
    if B:
        # Without features one column is passed: nothing is read of it, but it must have an address.
        rows = X.contiguous() if F else X.new_zeros((B, 1))
        traverse_kernel[((B + BLOCK - 1) // BLOCK, E)](
            *trees, rows, out, B, E, N, F, BLOCK=BLOCK, enable_fp_fusion=False
        )
    return out
