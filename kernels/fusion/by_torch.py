"""Fusion by torch, on the GPU where there is one: the reference's formulae in the log domain, expert by expert.

Sums run over experts and classes in their order, by whole columns of events, and functions that a library computes
otherwise at the end of an array than in its midst get arrays that have no such end: so an event's bits do not depend
on its batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Fused,
    Rule,
    check_values,
    registry,
)
from tocsin.kernels.fusion.reference import HUGE, LEAST

SLACK = 1e-12
LANES = 64
"""Events come in whole multiples of so many: more than any vector loop takes at once."""


@registry.register("torch")
def fuse_torch(evidence: Evidence, reliability: Floats, engaged: Bools | None, rule: Rule, prior: float) -> Fused:
    """Arguments as `checked` gives them. Raises ValueError where a value is out of its range."""
    import torch  # here, because it takes seconds to load and `auto` does without it

    check_values(evidence, reliability)
    rho = reliability if engaged is None else np.where(engaged, reliability, 0.0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    parts = fuse_tensors(torch.from_numpy(evidence).to(device), torch.from_numpy(rho).to(device), rule, prior)
    return Fused(*(part.cpu().numpy() for part in parts))


def fuse_tensors(evidence: Any, rho: Any, rule: Rule, prior: float) -> tuple[Any, Any, Any, Any]:
    """Belief [B, K], uncertainty, conflict [B] float64 and used [B] int64, tensors of the arguments' device.

    Evidence [B, E, K], float64 or float32, and reliability [B, E], 0 where an expert is not engaged, are not checked.
    """
    import torch

    B = len(evidence)
    more = -B % LANES
    # [E, K, B]: classes and experts are rows, and events lie side by side.
    e = torch.nn.functional.pad(evidence.to(torch.float64), (0, 0, 0, 0, 0, more)).permute(1, 2, 0).contiguous()
    trust = torch.nn.functional.pad(rho.to(torch.float64), (0, 0, 0, more)).T.contiguous()
    b, u = _discounted(e, trust, prior)
    belief, uncertainty = _normalise(_log_p(b, u, rule))
    return belief.T[:B].contiguous(), uncertainty[:B], _conflict(b)[:B], _used(b, u, trust, rule)[:B]


def _total(rows: Any) -> Any:
    """The sum of the first dimension, in its order."""
    import torch

    total = torch.zeros_like(rows[0])
    for row in rows:
        total = total + row
    return total


def _discounted(e: Any, rho: Any, prior: float) -> tuple[Any, Any]:
    """Belief [E, K, B] and uncertainty [E, B], discounted."""
    import torch

    largest = torch.clamp(e.amax(dim=1), min=prior)
    scale = torch.ones_like(largest).masked_fill(largest > HUGE, 2.0**-200)
    e = e * scale[:, None]
    s = prior * scale
    total = _total(e.unbind(1)) + s
    u = torch.clamp(s / total, min=LEAST)
    return rho[:, None] * (e / total[:, None]), 1.0 - rho + rho * u


def _log_p(b: Any, u: Any, rule: Rule) -> Any:
    """Log P [K, B]."""
    import torch

    E = len(b)
    if rule == "murphy":
        return E * torch.log1p(_total(b) / E / (_total(u) / E))
    r = b / u[:, None]
    if rule == "dempster":
        return _total(torch.log1p(r))
    if rule == "cautious":
        return torch.log1p(r.amax(dim=0))
    return torch.log1p(_total(r / E if rule == "averaging" else r))


def _normalise(log_p: Any) -> tuple[Any, Any]:
    """Belief [K, B] and uncertainty [B]."""
    import torch

    top = log_p.amax(dim=0)
    one = torch.exp(-top)
    small = one * torch.expm1(torch.clamp(log_p, max=1.0))
    excess = torch.where(log_p < 1.0, small, torch.exp(log_p - top) - one)
    z = _total(excess) + one
    return excess / z, one / z


def _conflict(b: Any) -> Any:
    """[B], see `reference`."""
    import torch

    experts = len(b)
    if experts == 1:
        return torch.zeros_like(b[0, 0])
    s = _total(b.unbind(1))
    pairs = _total(s) ** 2 - _total(s**2)
    agreeing = _total(_total(b) ** 2 - _total(b**2))
    return torch.clamp((pairs - agreeing) / (experts * (experts - 1)), 0.0, 1.0)


def _used(b: Any, u: Any, rho: Any, rule: Rule) -> Any:
    """int64 [B], see `reference`."""
    import torch

    use = (rho > 0).sum(dim=0)
    E, K, B = b.shape
    if rule != "dempster" or K == 1:
        return use
    order = torch.argsort(rho, dim=0, descending=True, stable=True)
    gains = torch.log1p(b / u[:, None])
    most = -torch.log1p(-torch.gather(rho, 0, order))
    left = torch.zeros_like(rho[0])
    remaining = [left]
    for r in range(E - 1, 0, -1):
        left = left + most[r]
        remaining.append(left)
    total = torch.zeros_like(b[0])
    for r in range(E):
        total = total + torch.gather(gains, 0, order[r].expand(1, K, B))[0]
        best = torch.topk(total, 2, dim=0).values
        bound = remaining[E - 1 - r]
        enough = best[0] - best[1] > bound + SLACK * (best[0] + bound)
        use = torch.where(enough & (use > r + 1), r + 1, use)
    return use
