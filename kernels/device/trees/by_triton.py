"""The launch of the Triton kernel that asks trees: one program for a block of events and a tree."""

from __future__ import annotations

import torch
from torch import Tensor

from tocsin.kernels.device.trees.tensors import Answers, Shape, Trees
from tocsin.kernels.device.trees.triton_kernel import trees_kernel

BLOCK = 32
"""Events for each program."""
WARPS = 2
MOST_FEATURES = 16
"""Features whose densities a program works out at a time: observers lie feature by feature, so that threads that stand
side by side read side by side."""


def ask(trees: Trees, shape: Shape, X: Tensor) -> Answers:
    """Arguments as `tocsin.kernels.device.trees.answers.ask` checked them."""
    B, T, K = len(X), shape.trees, shape.classes
    leaves = torch.empty((B, T), dtype=torch.int64, device=X.device)
    p = torch.empty((B, T, K), dtype=torch.float64, device=X.device)
    support = torch.empty((B, T), dtype=torch.float64, device=X.device)
    if B and T:
        # Without features one column is passed: nothing is read of it, but it must have an address.
        rows = X.contiguous() if shape.features else X.new_zeros((B, 1))
        trees_kernel[((B + BLOCK - 1) // BLOCK, T)](
            *(part if part.numel() else part.new_zeros(1) for part in trees),
            rows,
            leaves,
            p,
            support,
            B,
            T,
            shape.nodes,
            shape.features,
            K,
            shape.nominal,
            len(trees.cells),
            BAYES=shape.bayes,
            NOMINAL=shape.nominal > 0 and shape.probes > 0,
            BLOCK=BLOCK,
            TILE=min(MOST_FEATURES, 1 << (max(shape.features, 1) - 1).bit_length()),
            num_warps=WARPS,
            enable_fp_fusion=False,
        )
    return Answers(leaves, p, support)
