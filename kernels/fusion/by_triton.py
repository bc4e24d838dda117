"""Fusion by Triton, one launch for a batch: on a CUDA device, or by Triton's interpreter (TRITON_INTERPRET=1) in tests.

Float64 evidence is fused in float64. Float32 evidence is fused in float32, and agrees with the reference to 1e-4
absolute. That is less exact than float32 itself, because P of a dozen certain experts is a large number and its
logarithm is what is summed. `triton_launch` launches the kernel, and imports PyTorch.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Fused,
    Rule,
    check_values,
    registry,
    trusted,
)


@registry.register("triton")
def fuse_triton(evidence: Evidence, reliability: Floats, engaged: Bools | None, rule: Rule, prior: float) -> Fused:
    """Arguments as `checked` gives them. Raises ValueError where a value is out of its range."""
    import torch  # here, because it takes seconds and an extra, and only this back end needs it

    from tocsin.kernels.fusion.torch_tensors import device
    from tocsin.kernels.fusion.triton_launch import fuse_tensors

    check_values(evidence, reliability)
    rho = trusted(reliability, engaged)
    parts = fuse_tensors(torch.from_numpy(evidence).to(device()), torch.from_numpy(rho).to(device()), rule, prior)
    belief, uncertainty, conflict, used = (part.cpu().numpy() for part in parts)
    return Fused(belief.astype(np.float64), uncertainty.astype(np.float64), conflict.astype(np.float64), used)
