"""The launch of the Triton kernel of fusion on tensors, and what the launches of other kernels share with it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.fusion.interface import Rule
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.fusion.triton_block import fuse_kernel

CELLS = 1024
"""Numbers in the widest tile of a program: events times classes, or events times experts."""
LEAST_PRIOR = 1e-30
"""The least prior weight that float32 can tell from none."""


def fuse_tensors(evidence: Tensor, rho: Tensor, rule: Rule, prior: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Belief [B, K], uncertainty [B], conflict [B] of the evidence's type, and used [B] int64.

    Evidence [B, E, K], float64 or float32, and reliability [B, E], 0 where an expert is not engaged, are tensors of
    one device and are not checked.
    """
    B, E, K = evidence.shape
    belief = evidence.new_empty((B, K))
    rest = evidence.new_empty((2, B))
    used = torch.empty(B, dtype=torch.int64, device=evidence.device)
    if B:
        block, width, height = tiles(E, K)
        rho = rho.to(evidence.dtype).contiguous()
        with np.errstate(all="ignore"):  # the interpreter computes by numpy
            fuse_kernel[((B + block - 1) // block,)](
                evidence.contiguous(),
                rho,
                belief,
                rest,
                used,
                scalar(prior, evidence),
                B,
                E,
                K,
                RULE=CODES[rule],
                KP=width,
                EP=height,
                BLOCK=block,
                DOUBLE=evidence.dtype == torch.float64,
                enable_fp_fusion=False,
            )
    return belief, rest[0], rest[1], used


def scalar(value: float, like: Tensor) -> Tensor:
    """A number as a tensor [1] of the type and device of another. Triton would take a bare number for float32."""
    least = LEAST_PRIOR if like.dtype == torch.float32 else 0.0
    return torch.full((1,), max(value, least), dtype=like.dtype, device=like.device)


def tiles(E: int, K: int) -> tuple[int, int, int]:
    """Events for each program, and the least powers of two that hold K and E.

    They depend on E and K alone. If they depended on B, so would an event's bits.
    """
    width, height = power_of_two(K), power_of_two(E)
    return max(1, CELLS // max(width, height)), width, height


def power_of_two(n: int) -> int:
    """The least power of two that is at least n."""
    return 1 << (n - 1).bit_length()
