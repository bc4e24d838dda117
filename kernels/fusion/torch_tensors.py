"""The formulae of fusion on PyTorch tensors, in the log domain, expert by expert.

An event's bits do not depend on its batch, for two reasons. Sums run over experts and classes in their order, by whole
columns of events. And the batch is padded to a multiple of `LANES`, because a library may compute a function otherwise
at the end of an array than inside it.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tocsin.kernels.fusion.interface import Rule
from tocsin.kernels.fusion.reference import HUGE, LEAST

SLACK = 1e-12
"""More than the rounding of the sums that the early stop compares."""
LANES = 64
"""Events come in whole multiples of this number, which is more than any vector loop takes at once."""


def device() -> torch.device:
    """The CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fuse_tensors(evidence: Tensor, rho: Tensor, rule: Rule, prior: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Belief [B, K], uncertainty [B], conflict [B] float64 and used [B] int64, on the device of the arguments.

    Evidence [B, E, K], float64 or float32, and reliability [B, E], 0 where an expert is not engaged, are not checked.
    """
    B = len(evidence)
    padding = -B % LANES
    # [E, K, B]: classes and experts are rows, and events lie side by side.
    e = torch.nn.functional.pad(evidence.to(torch.float64), (0, 0, 0, 0, 0, padding)).permute(1, 2, 0).contiguous()
    trust = torch.nn.functional.pad(rho.to(torch.float64), (0, 0, 0, padding)).T.contiguous()
    b, u = _discounted(e, trust, prior)
    belief, uncertainty = normalised(_log_p(b, u, rule))
    return belief.T[:B].contiguous(), uncertainty[:B], _conflict(b)[:B], _used(b, u, trust, rule)[:B]


def total_of(rows: Iterable[Tensor]) -> Tensor:
    """The sum of some tensors, added up in their order."""
    first, *others = rows
    total = torch.zeros_like(first) + first
    for row in others:
        total = total + row
    return total


def _discounted(e: Tensor, rho: Tensor, prior: float) -> tuple[Tensor, Tensor]:
    """Discounted belief [E, K, B] and uncertainty [E, B]."""
    largest = torch.clamp(e.amax(dim=1), min=prior)
    scale = torch.ones_like(largest).masked_fill(largest > HUGE, 2.0**-200)
    e = e * scale[:, None]
    s = prior * scale
    total = total_of(e.unbind(1)) + s
    u = torch.clamp(s / total, min=LEAST)
    return rho[:, None] * (e / total[:, None]), 1.0 - rho + rho * u


def _log_p(b: Tensor, u: Tensor, rule: Rule) -> Tensor:
    """Log P [K, B]."""
    E = len(b)
    if rule == "murphy":
        return E * torch.log1p(total_of(b) / E / (total_of(u) / E))
    r = b / u[:, None]
    if rule == "dempster":
        return total_of(torch.log1p(r))
    if rule == "cautious":
        return torch.log1p(r.amax(dim=0))
    return torch.log1p(total_of(r / E if rule == "averaging" else r))


def normalised(log_p: Tensor) -> tuple[Tensor, Tensor]:
    """Belief [K, B] and uncertainty [B] from log P [K, B]. A class that is not there has P = 1, and so no belief."""
    top = log_p.amax(dim=0)
    one = torch.exp(-top)
    small = one * torch.expm1(torch.clamp(log_p, max=1.0))
    excess = torch.where(log_p < 1.0, small, torch.exp(log_p - top) - one)
    z = total_of(excess) + one
    return excess / z, one / z


def _conflict(b: Tensor) -> Tensor:
    """The mean conflict of the pairs of experts [B]; see `reference`."""
    experts = len(b)
    if experts == 1:
        return torch.zeros_like(b[0, 0])
    s = total_of(b.unbind(1))
    pairs = total_of(s) ** 2 - total_of(s**2)
    agreeing = total_of(total_of(b) ** 2 - total_of(b**2))
    return torch.clamp((pairs - agreeing) / (experts * (experts - 1)), 0.0, 1.0)


def _used(b: Tensor, u: Tensor, rho: Tensor, rule: Rule) -> Tensor:
    """How many experts the decision needed, int64 [B]; see `reference`."""
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
