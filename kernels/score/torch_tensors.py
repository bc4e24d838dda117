"""Scoring on PyTorch tensors: reliabilities, fusion and the decision.

The router's network is summed input by input, with the events side by side. A matrix product would sum an event in
another order in another batch, and the event's bits would depend on its batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.fusion.interface import Bools, Evidence
from tocsin.kernels.fusion.torch_tensors import LANES, device, fuse_tensors, total_of
from tocsin.kernels.routing.inverse_temperature import LEAST
from tocsin.kernels.routing.reliability import CLIP, LEAK, LOGIT, MAX_RELIABILITY, Router, unpacked
from tocsin.kernels.score.interface import (
    ABSTAINED,
    Leaves,
    Logits,
    Network,
    Scored,
    Terms,
    above_chance,
)


def score_tensors(evidence: Evidence | Leaves, router: Logits | Network, engaged: Bools | None, terms: Terms) -> Scored:
    """Decide B events; nothing is checked."""
    place = device()
    e = leaf_evidence(evidence, place) if isinstance(evidence, Leaves) else torch.from_numpy(evidence)
    e = e.to(place, torch.float64)
    B, E, K = e.shape
    # Whole multiples of LANES, see `fuse_tensors`.
    e = torch.nn.functional.pad(e, (0, 0, 0, 0, 0, -B % LANES))
    rho = network_reliability(e, router) if isinstance(router, Network) else logit_reliability(router, E, K, place)
    rho = rho.T[: len(e)].contiguous()
    trusted = rho
    if engaged is not None:
        mask = torch.nn.functional.pad(torch.from_numpy(engaged), (0, 0, 0, len(e) - B)).to(place)
        trusted = torch.where(mask, rho, 0.0)
    belief, uncertainty, conflict, used = fuse_tensors(e, trusted, terms.rule, terms.prior)
    betp = belief + uncertainty[:, None] / K
    best = betp.max(dim=1)
    sure = best.values
    if terms.inverse_temperature != 1.0:
        sure = raise_top(betp, sure, terms.inverse_temperature)
    label = torch.where(sure >= terms.least, best.indices, ABSTAINED)
    return Scored(*(part[:B].cpu().numpy() for part in (label, rho, belief, uncertainty, conflict, used)))


def raise_top(betp: Tensor, top: Tensor, inverse_temperature: float) -> Tensor:
    """The largest of each event's probabilities [B, K], which is `top` [B], after all are raised to a power."""
    highest = top.clamp(min=LEAST).log()
    total = torch.zeros_like(top)
    for k in range(betp.shape[1]):
        total = total + torch.exp(inverse_temperature * (betp[:, k].clamp(min=LEAST).log() - highest))
    return 1.0 / total


def leaf_evidence(leaves: Leaves, place: torch.device) -> Tensor:
    """The evidence of leaves [B, E, K]."""
    leaf, table = torch.from_numpy(leaves.ids).to(place).long(), torch.from_numpy(leaves.weights).to(place)
    found = table[torch.arange(len(table), device=place), leaf.clamp(min=0)] * (leaf >= 0)[:, :, None]
    total = total_of(found.unbind(2))[:, :, None]
    return torch.where(total > leaves.cap, found * (leaves.cap / torch.where(total > leaves.cap, total, 1.0)), found)


def padded(values: Any, place: torch.device) -> Tensor:
    """An array [B, n] as a tensor [n, B], B a whole multiple of LANES."""
    rows = torch.from_numpy(np.ascontiguousarray(values)).to(place)
    return torch.nn.functional.pad(rows, (0, 0, 0, -len(values) % LANES)).T.contiguous()


def sigmoid(x: Tensor) -> Tensor:
    """As `tocsin.kernels.routing.reliability.sigmoid`."""
    return 1.0 / (1.0 + torch.exp(-x.clamp(-LOGIT, LOGIT)))


def reliability_of(logits: Tensor, skill: Tensor | float, E: int) -> Tensor:
    """Reliabilities [E, B] from logits [E, B] or [E + 1, B]."""
    q = sigmoid(logits)
    somebody = 1.0 - q[E] if len(q) > E else 1.0
    return (somebody * q[:E] * skill).clamp(max=MAX_RELIABILITY)


def logit_reliability(router: Logits, E: int, K: int, place: torch.device) -> Tensor:
    """Reliabilities [E, B] from given logits."""
    skill = torch.from_numpy(above_chance(router.accuracy, E, K)).to(place)
    return reliability_of(padded(router.logits, place), skill[:, None], E)


def network_reliability(e: Tensor, router: Network) -> Tensor:
    """Reliabilities [E, B] from the router's own network; evidence e [B, E, K]."""
    E = e.shape[1]
    columns = network_inputs(e.permute(1, 2, 0).contiguous(), router.state, padded(router.X, e.device))
    weights = unpacked(router.state.weights, router.X.shape[1], E, router.hidden)
    inner, bias, outer, outer_bias = (torch.from_numpy(part.copy()).to(e.device) for part in weights)
    hidden = bias[:, None].expand(-1, columns.shape[1])
    for column, w in zip(columns, inner, strict=True):
        hidden = hidden + w[:, None] * column
    active = torch.where(hidden > 0, hidden, LEAK * hidden)
    logits = outer_bias[:, None].expand(-1, columns.shape[1])
    for row, w in zip(active, outer, strict=True):
        logits = logits + w[:, None] * row
    return reliability_of(logits, 1.0, E)


def network_inputs(e: Tensor, state: Router, X: Tensor) -> Tensor:
    """The network's inputs [D, B]; evidence e [E, K, B], X [F, B]."""
    total = e[:, 0]
    for k in range(1, e.shape[1]):
        total = total + e[:, k]
    p = e / torch.where(total > 0, total, 1.0)[:, None]
    skill = torch.from_numpy(state.skill.copy()).to(e.device)
    mean = torch.zeros_like(p[0])
    for one, weight in zip(p, skill, strict=True):
        mean = mean + weight * one
    favourite = mean.argmax(dim=0)
    answered = total > 0
    confidence = torch.where(answered, 2.0 * (p.amax(dim=1) - 0.5), 0.0)
    chosen = torch.gather(p, 1, favourite.expand(len(p), 1, -1))[:, 0]
    support = torch.where(answered, 2.0 * (chosen - 0.5), 0.0)
    accuracy = (2.0 * (skill - 0.5))[:, None].expand_as(total)
    scale = np.sqrt(state.square)
    inverse = np.where((scale > 1e-12) & (state.rows > 1), 1.0 / np.where(scale > 1e-12, scale, 1.0), 0.0)
    centre, factor = (torch.from_numpy(a.copy()).to(e.device)[:, None] for a in (state.mean, inverse))
    z = torch.nan_to_num((X - centre) * factor, nan=0.0).clamp(-CLIP, CLIP)
    return torch.cat([accuracy, confidence, support, z])
