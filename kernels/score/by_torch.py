"""Scoring by torch. The network is summed input by input, events side by side: a matrix product would sum an event
otherwise in another batch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.fusion.by_torch import LANES, fuse_tensors
from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Rule,
    check_values,
)
from tocsin.kernels.routing.inverse_temperature import LEAST
from tocsin.kernels.routing.reliability import (
    CLIP,
    LEAK,
    LOGIT,
    MAX_RELIABILITY,
    Router,
    unpacked,
)
from tocsin.kernels.score.interface import (
    ABSTAINED,
    Leaves,
    Logits,
    Network,
    Scored,
    above_chance,
    registry,
)


@registry.register("torch")
def score_torch(
    evidence: Evidence | Leaves,
    gate: Logits | Network,
    engaged: Bools | None,
    rule: Rule,
    prior: float,
    least: float,
    inverse_temperature: float,
) -> Scored:
    """Arguments as `score` checked them. Raises ValueError where evidence is out of its range."""
    import torch  # here, because it takes seconds to load

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    e = on(device, *evidence[:2], evidence.cap) if isinstance(evidence, Leaves) else torch.from_numpy(evidence)
    e = e.to(device, torch.float64)
    if not isinstance(evidence, Leaves):
        check_values(evidence, np.zeros(1))
    B, E, K = e.shape
    # Whole multiples of LANES, see `fuse_tensors`.
    e = torch.nn.functional.pad(e, (0, 0, 0, 0, 0, -B % LANES))
    rho = network(e, gate, device) if isinstance(gate, Network) else trust(gate, E, K, device)
    rho = rho.T[: len(e)].contiguous()
    heard = rho
    if engaged is not None:
        mask = torch.nn.functional.pad(torch.from_numpy(engaged), (0, 0, 0, len(e) - B)).to(device)
        heard = torch.where(mask, rho, 0.0)
    belief, uncertainty, conflict, used = fuse_tensors(e, heard, rule, prior)
    betp = belief + uncertainty[:, None] / K
    best = betp.max(dim=1)
    sure = best.values if inverse_temperature == 1.0 else sharpened(betp, best.values, inverse_temperature)
    label = torch.where(sure >= least, best.indices, ABSTAINED)
    return Scored(*(part[:B].cpu().numpy() for part in (label, rho, belief, uncertainty, conflict, used)))


def sharpened(betp: Any, top: Any, inverse_temperature: float) -> Any:
    """The largest of each event's probabilities [B, K], which is `top` [B], to a power."""
    import torch

    highest = top.clamp(min=LEAST).log()
    total = torch.zeros_like(top)
    for k in range(betp.shape[1]):
        total = total + torch.exp(inverse_temperature * (betp[:, k].clamp(min=LEAST).log() - highest))
    return 1.0 / total


def on(device: Any, ids: Any, weights: Any, cap: float) -> Any:
    """The evidence of leaves as a tensor [B, E, K]."""
    import torch

    leaf, table = torch.from_numpy(ids).to(device).long(), torch.from_numpy(weights).to(device)
    found = table[torch.arange(len(table), device=device), leaf.clamp(min=0)] * (leaf >= 0)[:, :, None]
    total = torch.zeros_like(found[:, :, 0])
    for k in range(found.shape[2]):
        total = total + found[:, :, k]
    over = (total > cap)[:, :, None]
    return torch.where(over, found * (cap / torch.where(over[:, :, 0], total, 1.0))[:, :, None], found)


def padded(values: Any, device: Any) -> Any:
    """[B, n] as [n, B] on the device, B a whole multiple of LANES."""
    import torch

    rows = torch.from_numpy(np.ascontiguousarray(values)).to(device)
    return torch.nn.functional.pad(rows, (0, 0, 0, -len(values) % LANES)).T.contiguous()


def sigmoid(x: Any) -> Any:
    """As `tocsin.kernels.routing.reliability.sigmoid`."""
    import torch

    return 1.0 / (1.0 + torch.exp(-x.clamp(-LOGIT, LOGIT)))


def shared(logits: Any, skill: Any, E: int) -> Any:
    """Reliabilities [E, B] from logits [E, B] or [E + 1, B]."""
    q = sigmoid(logits)
    somebody = 1.0 - q[E] if len(q) > E else 1.0
    return (somebody * q[:E] * skill).clamp(max=MAX_RELIABILITY)


def trust(gate: Logits, E: int, K: int, device: Any) -> Any:
    """Reliabilities [E, B] from given logits."""
    import torch

    skill = torch.from_numpy(above_chance(gate.accuracy, E, K)).to(device)
    return shared(padded(gate.logits, device), skill[:, None], E)


def network(e: Any, gate: Network, device: Any) -> Any:
    """Reliabilities [E, B] from the router's own network; evidence e [B, E, K]."""
    import torch

    E = e.shape[1]
    columns = inputs(e.permute(1, 2, 0).contiguous(), gate.router, padded(gate.X, device))
    weights = unpacked(gate.router.weights, gate.X.shape[1], E, gate.hidden)
    inner, bias, outer, outer_bias = (torch.from_numpy(part.copy()).to(device) for part in weights)
    hidden = bias[:, None].expand(-1, columns.shape[1])
    for column, w in zip(columns, inner, strict=True):
        hidden = hidden + w[:, None] * column
    active = torch.where(hidden > 0, hidden, LEAK * hidden)
    logits = outer_bias[:, None].expand(-1, columns.shape[1])
    for row, w in zip(active, outer, strict=True):
        logits = logits + w[:, None] * row
    return shared(logits, 1.0, E)


def inputs(e: Any, router: Router, X: Any) -> Any:
    """The network's inputs [D, B]; evidence e [E, K, B], X [F, B]."""
    import torch

    total = e[:, 0]
    for k in range(1, e.shape[1]):
        total = total + e[:, k]
    p = e / torch.where(total > 0, total, 1.0)[:, None]
    skill = torch.from_numpy(router.skill.copy()).to(e.device)
    mean = torch.zeros_like(p[0])
    for one, weight in zip(p, skill, strict=True):
        mean = mean + weight * one
    favourite = mean.argmax(dim=0)
    spoke = total > 0
    confidence = torch.where(spoke, 2.0 * (p.amax(dim=1) - 0.5), 0.0)
    chosen = torch.gather(p, 1, favourite.expand(len(p), 1, -1))[:, 0]
    support = torch.where(spoke, 2.0 * (chosen - 0.5), 0.0)
    record = (2.0 * (skill - 0.5))[:, None].expand_as(total)
    scale = np.sqrt(router.square)
    inverse = np.where((scale > 1e-12) & (router.rows > 1), 1.0 / np.where(scale > 1e-12, scale, 1.0), 0.0)
    centre, factor = (torch.from_numpy(a.copy()).to(e.device)[:, None] for a in (router.mean, inverse))
    z = torch.nan_to_num((X - centre) * factor, nan=0.0).clamp(-CLIP, CLIP)
    return torch.cat([record, confidence, support, z])
