"""The launches of the Triton kernels of the discriminants: one program for a block of events and a discriminant."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tocsin.kernels.device.rare_class.torch_tensors import Gaussians
from tocsin.kernels.device.rare_class.triton_kernel import linear_kernel, solve_kernel
from tocsin.kernels.fusion.triton_launch import power_of_two

BLOCK = 128
"""Events for each program of a linear discriminant."""
CELLS = 2_048
"""Numbers that a program of a quadratic one holds: events times inputs."""


def solved(gaussians: Gaussians, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """As `tocsin.kernels.device.rare_class.torch_tensors.solved`."""
    D, V, B = offsets.shape
    R, _, L, _ = gaussians.slope.shape
    systems, width = len(gaussians.centre), power_of_two(D)
    linear, length = offsets.new_empty((V, R * L, B)), offsets.new_empty((systems, V, B))
    if B:
        slope = gaussians.slope.transpose(0, 1).reshape(V, R * L, D).contiguous()
        offset = gaussians.offset.transpose(0, 1).reshape(V, R * L).contiguous()
        block = max(1, CELLS // width)
        with np.errstate(all="ignore"):  # the interpreter computes by numpy
            linear_kernel[(-(-B // BLOCK), V * R * L)](
                offsets, slope, offset, linear, B, D, V, R * L, BLOCK=BLOCK, enable_fp_fusion=False
            )
            solve_kernel[(-(-B // block), systems * V)](
                offsets,
                gaussians.centre,
                gaussians.factor,
                length,
                B,
                D,
                V,
                BLOCK=block,
                DP=width,
                enable_fp_fusion=False,
            )
    return linear, length
