"""Fusion by Triton, one launch a batch: on a CUDA device, or by Triton's interpreter (TRITON_INTERPRET=1) in tests.

Evidence in float32 is fused in float32, and agrees with the reference to 1e-4 (absolute; what makes it less exact than
float32 itself is that P of a dozen certain experts is a large number, and its logarithm is what is summed). Evidence in
float64 is fused in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.common.backends import cuda_there, triton_runs
from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Fused,
    Rule,
    check_values,
    registry,
)
from tocsin.kernels.fusion.log_domain import CODES

CELLS = 1024
"""Numbers in the widest tile of a program: events times classes or experts."""
LEAST_PRIOR = 1e-30
"""The least prior weight that float32 can tell from none."""


@registry.register("triton", runs=triton_runs, suits=cuda_there)
def fuse_triton(evidence: Evidence, reliability: Floats, engaged: Bools | None, rule: Rule, prior: float) -> Fused:
    """Arguments as `checked` gives them. Raises ValueError where a value is out of its range."""
    import torch  # here, because it takes seconds to load

    check_values(evidence, reliability)
    rho = reliability if engaged is None else np.where(engaged, reliability, 0.0)
    place = device()
    parts = fuse_tensors(torch.from_numpy(evidence).to(place), torch.from_numpy(rho).to(place), rule, prior)
    belief, uncertainty, conflict, used = (part.cpu().numpy() for part in parts)
    return Fused(belief.astype(np.float64), uncertainty.astype(np.float64), conflict.astype(np.float64), used)


def device() -> Any:
    """Where tensors have to be for Triton."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fuse_tensors(evidence: Any, rho: Any, rule: Rule, prior: float) -> tuple[Any, Any, Any, Any]:
    """Belief [B, K], uncertainty [B], conflict [B] of the evidence's type, and used [B] int64.

    Evidence [B, E, K], float64 or float32, and reliability [B, E], 0 where an expert is not engaged, are tensors of
    `device()` and are not checked.
    """
    import torch

    from tocsin.kernels.fusion.triton_block import fuse_kernel

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


def scalar(value: float, like: Any) -> Any:
    """A number as a tensor [1] of a type: Triton would take a bare one for float32."""
    import torch

    least = LEAST_PRIOR if like.dtype == torch.float32 else 0.0
    return torch.full((1,), max(value, least), dtype=like.dtype, device=like.device)


def tiles(E: int, K: int) -> tuple[int, int, int]:
    """Events a program, and the powers of two that hold K and E; of these two alone, or bits would depend on B."""
    width, height = power_of_two(K), power_of_two(E)
    return max(1, CELLS // max(width, height)), width, height


def power_of_two(n: int) -> int:
    """The least that is at least n."""
    return 1 << (n - 1).bit_length()
