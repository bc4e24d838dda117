"""Fusion by PyTorch, on the GPU where there is one. `torch_tensors` holds the formulae, and imports PyTorch."""

from __future__ import annotations

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


@registry.register("torch")
def fuse_torch(evidence: Evidence, reliability: Floats, engaged: Bools | None, rule: Rule, prior: float) -> Fused:
    """Arguments as `checked` gives them. Raises ValueError where a value is out of its range."""
    import torch  # here, because it takes seconds and an extra, and only this back end needs it

    from tocsin.kernels.fusion.torch_tensors import device, fuse_tensors

    check_values(evidence, reliability)
    rho = trusted(reliability, engaged)
    parts = fuse_tensors(torch.from_numpy(evidence).to(device()), torch.from_numpy(rho).to(device()), rule, prior)
    return Fused(*(part.cpu().numpy() for part in parts))
