"""Scoring on the CPU, some hundred events at a time: what one stage leaves in the cache the next one finds there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.fusion.by_numba import fuse_rows, network, scratch
from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Ints,
    Rule,
    check_values,
)
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.routing.inverse_temperature import LEAST
from tocsin.kernels.routing.reliability import MAX_RELIABILITY, reliability_rows, sigmoid
from tocsin.kernels.score.interface import (
    ABSTAINED,
    Leaves,
    Logits,
    Network,
    Scored,
    above_chance,
    registry,
)

CHUNK = 256
"""Events that go through all stages together."""


@registry.register("numba")
def score_numba(
    evidence: Evidence | Leaves,
    gate: Logits | Network,
    engaged: Bools | None,
    rule: Rule,
    prior: float,
    least: float,
    inverse_temperature: float,
) -> Scored:
    """Arguments as `score` checked them. Raises ValueError where evidence is out of its range."""
    B = len(evidence.ids if isinstance(evidence, Leaves) else evidence)
    E, K = sizes(evidence)
    out = Scored(
        np.empty(B, np.int64), np.empty((B, E)), np.empty((B, K)), np.empty(B), np.empty(B), np.empty(B, np.int64)
    )
    room, order = scratch(E, K), network(E)
    gathered = np.empty((min(B, CHUNK), E, K) if isinstance(evidence, Leaves) else (0, E, K))
    mask = np.empty((0, 0), np.bool_) if engaged is None else engaged
    skill = above_chance(gate.accuracy if isinstance(gate, Logits) else None, E, K)
    for start in range(0, B, CHUNK):
        part = slice(start, start + CHUNK)
        views: Any = [column[part] for column in out]
        label, rho, belief, uncertainty, conflict, used = views
        rows = evidence_of(evidence, part, gathered)
        if isinstance(gate, Network):
            reliability_rows(gate.router, gate.X[part], rows.astype(np.float64, copy=False), gate.hidden, rho)
        else:
            trust_rows(gate.logits[part], skill, rho)
        if not decide_rows(
            rows, mask[part], CODES[rule], prior, least, inverse_temperature, room, order,
            label, rho, belief, uncertainty, conflict, used,
        ):  # fmt: skip
            check_values(rows, rho)
    return out


def sizes(evidence: Evidence | Leaves) -> tuple[int, int]:
    """E and K."""
    if isinstance(evidence, Leaves):
        return len(evidence.weights), evidence.weights.shape[2]
    return evidence.shape[1], evidence.shape[2]


def evidence_of(evidence: Evidence | Leaves, part: slice, gathered: Floats) -> Evidence:
    """The evidence of some events, leaves' into `gathered`."""
    if not isinstance(evidence, Leaves):
        return evidence[part]
    rows = gathered[: len(evidence.ids[part])]
    gather_rows(evidence.ids[part], evidence.weights, evidence.cap, rows)
    return rows


@kernel
def gather_rows(ids: Any, weights: Floats, cap: float, out: Floats) -> None:
    """The evidence of leaves into `out` [B, E, K]."""
    B, E, K = out.shape
    for b in range(B):
        for e in range(E):
            leaf = ids[b, e]
            total = 0.0
            for k in range(K):
                out[b, e, k] = weights[e, leaf, k] if leaf >= 0 else 0.0
                total += out[b, e, k]
            if total > cap:
                for k in range(K):
                    out[b, e, k] *= cap / total


@kernel
def trust_rows(logits: Floats, skill: Floats, rho: Floats) -> None:
    """Reliabilities [B, E] from logits [B, E] or [B, E + 1] and skill above chance [E]."""
    B, E = rho.shape
    for b in range(B):
        somebody = 1.0 - sigmoid(logits[b, E]) if logits.shape[1] > E else 1.0
        for e in range(E):
            rho[b, e] = min(somebody * sigmoid(logits[b, e]) * skill[e], MAX_RELIABILITY)


@kernel
def sharpened(belief: Floats, share: float, top: float, inverse_temperature: float) -> float:
    """The largest of probabilities belief [K] + share, which is `top`, to a power: see
    `tocsin.kernels.routing.inverse_temperature`."""
    total = 0.0
    for k in range(len(belief)):
        total += math.exp(inverse_temperature * (math.log(max(belief[k] + share, LEAST)) - math.log(max(top, LEAST))))
    return 1.0 / total


@kernel
def decide_rows(
    evidence: Evidence,
    engaged: Bools,
    rule: int,
    prior: float,
    least: float,
    inverse_temperature: float,
    room: Floats,
    order: Ints,
    label: Ints,
    rho: Floats,
    belief: Floats,
    uncertainty: Floats,
    conflict: Floats,
    used: Ints,
) -> bool:
    """Fuse and decide B events; `engaged` is empty where all are. False where a number is out of its range."""
    right = fuse_rows(evidence, rho, engaged, rule, prior, room, order, belief, uncertainty, conflict, used)
    K = belief.shape[1]
    for b in range(belief.shape[0]):
        best = 0
        for k in range(1, K):
            if belief[b, k] > belief[b, best]:
                best = k
        sure = belief[b, best] + uncertainty[b] / K
        if inverse_temperature != 1.0:
            sure = sharpened(belief[b], uncertainty[b] / K, sure, inverse_temperature)
        label[b] = best if sure >= least else ABSTAINED
    return right
