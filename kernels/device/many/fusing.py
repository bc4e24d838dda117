"""Fusion and decision of events whose models differ in experts, classes and terms, on PyTorch tensors.

The formulae are those of `tocsin.kernels.fusion.torch_tensors`. An expert or a class that an event's model has not has
no belief, and such an expert is in no doubt either: both add 0 to every sum.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tocsin.kernels.device.many import layout
from tocsin.kernels.fusion.log_domain import AVERAGING, CAUTIOUS, CUMULATIVE, DEMPSTER
from tocsin.kernels.fusion.torch_tensors import SLACK, normalised, total_of
from tocsin.kernels.routing.inverse_temperature import LEAST
from tocsin.kernels.score.interface import ABSTAINED


class Opinions(NamedTuple):
    """The discounted opinions on B events, and how they are fused."""

    belief: Tensor
    """[E, K, B]"""
    doubt: Tensor
    """[E, B], 1 for an expert that is not there."""
    rho: Tensor
    """[E, B], reliabilities, 0 for an expert that is not there."""
    experts: Tensor
    """int64 [B], how many experts each event's model has."""
    classes: Tensor
    """int64 [B]"""
    rule: Tensor
    """int64 [B], codes."""
    rules: tuple[int, ...]
    """The codes that occur."""


class Fusion(NamedTuple):
    """What B events' opinions are together."""

    belief: Tensor
    """[K, B]"""
    uncertainty: Tensor
    """[B]"""
    conflict: Tensor
    """[B]"""
    used: Tensor
    """int64 [B]"""


def fuse_opinions(opinions: Opinions) -> Fusion:
    """Each event by the rule of its model."""
    ratio = opinions.belief / opinions.doubt[:, None]
    gains = torch.log1p(ratio) if DEMPSTER in opinions.rules else None
    log_p = None
    for rule in opinions.rules:
        its = total_of(gains) if rule == DEMPSTER and gains is not None else log_p_of(opinions, ratio, rule)
        log_p = its if log_p is None else torch.where(opinions.rule == rule, its, log_p)
    assert log_p is not None
    return Fusion(*normalised(log_p), conflict_of(opinions), used_of(opinions, gains))


def log_p_of(opinions: Opinions, ratio: Tensor, rule: int) -> Tensor:
    """Log P [K, B] by a rule that is not Dempster's; ratio b / u [E, K, B]."""
    E = opinions.experts
    if rule == CAUTIOUS:
        return torch.log1p(ratio.amax(dim=0))
    if rule == CUMULATIVE:
        return torch.log1p(total_of(ratio))
    if rule == AVERAGING:
        return torch.log1p(total_of(ratio / E))
    there = torch.arange(len(ratio), device=E.device)[:, None] < E
    doubt = total_of(torch.where(there, opinions.doubt, 0.0)) / E
    return E * torch.log1p(total_of(opinions.belief) / E / doubt)


def conflict_of(opinions: Opinions) -> Tensor:
    """The mean conflict of the pairs of experts [B]."""
    b, E = opinions.belief, opinions.experts
    masses = total_of(b.unbind(1))
    pairs = total_of(masses) ** 2 - total_of(masses**2)
    agreeing = total_of(total_of(b) ** 2 - total_of(b**2))
    conflict = torch.clamp((pairs - agreeing) / (E * (E - 1)).clamp(min=1), 0.0, 1.0)
    return torch.where(E > 1, conflict, 0.0)


def used_of(opinions: Opinions, gains: Tensor | None) -> Tensor:
    """How many experts the decision needed, int64 [B]; `tocsin.kernels.fusion.reference` explains the bound.

    `gains` [E, K, B], K >= 2: by how much each expert raises log P; None where no rule is Dempster's.
    """
    rho = opinions.rho
    use = (rho > 0).sum(dim=0)
    if gains is None:
        return use
    E, K, B = gains.shape
    may_stop = (opinions.rule == DEMPSTER) & (opinions.classes > 1)
    order = torch.argsort(rho, dim=0, descending=True, stable=True)
    most = -torch.log1p(-torch.gather(rho, 0, order))
    left = torch.zeros_like(rho[0])
    remaining = [left]
    for r in range(E - 1, 0, -1):
        left = left + most[r]
        remaining.append(left)
    total = torch.zeros_like(gains[0])
    for r in range(E):
        total = total + torch.gather(gains, 0, order[r].expand(1, K, B))[0]
        best = torch.topk(total, 2, dim=0).values
        bound = remaining[E - 1 - r]
        enough = may_stop & (best[0] - best[1] > bound + SLACK * (best[0] + bound))
        use = torch.where(enough & (use > r + 1), r + 1, use)
    return use


def decide(fused: Fusion, classes: Tensor, terms: Tensor) -> Tensor:
    """The labels [B] on the terms of each event's model, terms [2, B]."""
    share, power = fused.uncertainty / classes, terms[layout.POWER]
    there = torch.arange(len(fused.belief), device=classes.device)[:, None] < classes
    betp = torch.where(there, fused.belief + share, 0.0)
    best = betp.max(dim=0)
    highest = best.values.clamp(min=LEAST).log()
    ratios = torch.where(there, torch.exp(power * (betp.clamp(min=LEAST).log() - highest)), 0.0)
    sure = torch.where(power == 1.0, best.values, 1.0 / total_of(ratios))
    return torch.where(sure >= terms[layout.LEAST], best.indices, ABSTAINED)
