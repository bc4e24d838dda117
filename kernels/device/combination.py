"""From the experts' evidence to probabilities, on tensors: discounts, reliabilities, engagement, fusion, sharpness.

Each function is the formula of the compiled kernel that it names, in float64. Sums over experts and classes run in
their order, by whole columns of events, so that an event's bits do not depend on its batch. Those of a matrix product
may: there is one in the router's network where it has very many inputs, and in the linear and logistic experts.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tocsin.kernels.fusion.interface import Rule
from tocsin.kernels.fusion.torch_tensors import fuse_tensors, total_of
from tocsin.kernels.routing.class_discount import MOST
from tocsin.kernels.routing.inverse_temperature import LEAST
from tocsin.kernels.routing.reliability import CLIP, LEAK, LOGIT, MAX_RELIABILITY

WIDE = 512
"""From so many inputs on the router's network is one matrix product: column by column it would be thousands of
launches."""


class RouterTensors(NamedTuple):
    """The network of a router of reliabilities, see `tocsin.kernels.routing.reliability_state.Router`."""

    inner: Tensor
    """[D, H]"""
    bias: Tensor
    """[H]"""
    outer: Tensor
    """[H, E + 1]"""
    outer_bias: Tensor
    """[E + 1]"""
    skill: Tensor
    """[E]"""
    mean: Tensor
    """[F]"""
    inverse: Tensor
    """[F], one over the standard deviation; 0 for a column that never varied, and for categories."""


def class_discounted(evidence: Tensor, precision: Tensor, answers: Tensor, prior: float) -> Tensor:
    """Evidence [B, E, K] discounted class by class by precision and answers [E, K]; see
    `tocsin.kernels.routing.class_discount`."""
    chance = 1.0 / max(evidence.shape[2], 2)
    factor = torch.where(answers > 0.0, ((precision - chance) / (1.0 - chance)).clamp(0.0, MOST), 0.5)
    out = factor * evidence
    total, left = total_of(evidence.unbind(2)) + prior, total_of(out.unbind(2))
    return out * (prior / (total - left))[:, :, None]


def corrected(evidence: Tensor, learnt: Tensor) -> Tensor:
    """Evidence [B, K] of an expert that learnt the share [K] of each class, as if it had learnt all; its sum stays.

    See `tocsin.kernels.experts.rare_class.undersampling`.
    """
    out = evidence / learnt
    total, scaled = total_of(evidence.unbind(1)), total_of(out.unbind(1))
    known = scaled > 0.0
    return torch.where(known[:, None], out * (total / torch.where(known, scaled, 1.0))[:, None], out)


def reliabilities(evidence: Tensor, X: Tensor, router: RouterTensors) -> Tensor:
    """Reliabilities [B, E] from evidence [B, E, K] and X [B, F]; see `tocsin.kernels.routing.reliability`."""
    inputs = router_inputs(evidence, X, router)
    hidden = _affine(inputs, router.inner, router.bias)
    active = torch.where(hidden > 0.0, hidden, LEAK * hidden)
    q = _sigmoid(_affine(active.unbind(0), router.outer, router.outer_bias))
    return ((1.0 - q[-1]) * q[:-1]).clamp(max=MAX_RELIABILITY).T.contiguous()


def router_inputs(evidence: Tensor, X: Tensor, router: RouterTensors) -> list[Tensor]:
    """The inputs of the network, D tensors [B]."""
    e = evidence.permute(1, 2, 0)
    total = total_of(e.unbind(1))
    answered = total > 0.0
    p = e / torch.where(answered, total, 1.0)[:, None]
    favourite = total_of([weight * one for weight, one in zip(router.skill, p, strict=True)]).argmax(dim=0)
    confidence = torch.where(answered, 2.0 * (p.amax(dim=1) - 0.5), 0.0)
    chosen = torch.gather(p, 1, favourite.expand(len(p), 1, -1))[:, 0]
    support = torch.where(answered, 2.0 * (chosen - 0.5), 0.0)
    accuracy = (2.0 * (router.skill - 0.5))[:, None].expand_as(total)
    z = (X - router.mean) * router.inverse
    # What is not known is taken to be at the mean.
    z = torch.where(torch.isnan(z), 0.0, z.clamp(-CLIP, CLIP)).T
    return [*accuracy, *confidence, *support, *z]


def _affine(columns: list[Tensor] | tuple[Tensor, ...], weights: Tensor, bias: Tensor) -> Tensor:
    """Columns [B] times weights [D, n], plus a bias [n]: [n, B]."""
    if len(columns) > WIDE:
        return torch.addmm(bias[:, None], weights.T, torch.stack(list(columns)))
    out = bias[:, None].expand(-1, len(columns[0]))
    for column, weight in zip(columns, weights, strict=True):
        out = out + weight[:, None] * column
    return out


def _sigmoid(x: Tensor) -> Tensor:
    return 1.0 / (1.0 + torch.exp(-x.clamp(-LOGIT, LOGIT)))


def top_gains(reliability: Tensor, evidence: Tensor, share: float, prior: float) -> Tensor:
    """The fewest experts [B, E] that hold this share of what all can add to log P."""
    total = total_of(evidence.unbind(2)) + prior
    gain = torch.log1p(reliability * evidence.amax(dim=2) / (total - reliability * (total - prior)))
    return _until(gain, share)


def top_reliable(reliability: Tensor, share: float) -> Tensor:
    """The most reliable experts [B, E] whose reliabilities reach this share of all; at least one."""
    order = torch.argsort(-reliability, dim=1, stable=True)
    chosen = _until(reliability, share, least=1e-12)
    return chosen.scatter(1, order[:, :1], True)


def _until(values: Tensor, share: float, least: float = 0.0) -> Tensor:
    """The largest values of each row [B, E], until those before hold this share of all."""
    order = torch.argsort(-values, dim=1, stable=True)
    ranked = torch.gather(values, 1, order)
    whole = ranked.sum(dim=1, keepdim=True).clamp(min=least)
    before = ranked.cumsum(dim=1) - ranked
    return torch.zeros_like(order, dtype=torch.bool).scatter(1, order, before < share * whole)


def fused(evidence: Tensor, trust: Tensor, rule: Rule, prior: float, triton: bool) -> tuple[Tensor, ...]:
    """Belief [B, K], uncertainty [B], conflict [B] and used int64 [B]; `trust` [B, E] is 0 for those not engaged."""
    if triton:
        from tocsin.kernels.fusion.triton_launch import fuse_tensors as launch  # here, because Triton is not everywhere

        return launch(evidence, trust, rule, prior)
    return fuse_tensors(evidence, trust, rule, prior)


def pignistic(belief: Tensor, uncertainty: Tensor) -> Tensor:
    """BetP [B, K]: the belief, and the uncertainty divided among all classes."""
    return belief + uncertainty[:, None] / belief.shape[1]


def raised(betp: Tensor, log_power: Tensor) -> Tensor:
    """BetP [B, K] raised to a power, whose logarithm is a tensor, made to add up to 1 again; see
    `tocsin.kernels.routing.inverse_temperature`."""
    power = torch.exp(log_power)
    top = betp.amax(dim=1, keepdim=True).clamp(min=LEAST)
    out = torch.exp(power * (torch.log(betp.clamp(min=LEAST)) - torch.log(top)))
    return out / total_of(out.unbind(1))[:, None]


def rare_read(betp: Tensor, said: Tensor, rare: Tensor) -> tuple[Tensor, Tensor]:
    """BetP [B, K] with the `rare` [K] classes as said [B, K] of them, and which events that moved [B].

    See `tocsin.models.decision.rare_reading.RareReading.read`.
    """
    total = total_of(said.unbind(1))
    moved = (total > 0.0) & rare.any()
    p = said / torch.where(total > 0.0, total, 1.0)[:, None]
    of_rare, others = torch.where(rare, p, 0.0), torch.where(rare, 0.0, betp)
    whole = total_of(others.unbind(1))
    others = torch.where((whole > 0.0)[:, None], others, torch.where(rare, 0.0, p))
    whole = torch.where(whole > 0.0, whole, total_of(others.unbind(1)))
    rest = (1.0 - total_of(of_rare.unbind(1))) / torch.where(whole > 0.0, whole, 1.0)
    return torch.where(moved[:, None], of_rare + rest[:, None] * others, betp), moved
