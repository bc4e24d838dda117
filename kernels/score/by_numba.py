"""Scoring on the CPU, some hundred events at a time: what one stage leaves in the cache the next one finds there."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.fusion.by_numba import ALL_ENGAGED, fuse_rows
from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Fused,
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
    Terms,
    above_chance,
    registry,
)

CHUNK = 256
"""Events that go through all stages together."""


@registry.register("numba")
def score_numba(
    evidence: Evidence | Leaves,
    router: Logits | Network,
    engaged: Bools | None,
    terms: Terms,
) -> Scored:
    """Arguments as `score` checked them. Raises ValueError where evidence is out of its range."""
    B = len(evidence.ids if isinstance(evidence, Leaves) else evidence)
    E, K = sizes(evidence)
    out = Scored(
        np.empty(B, np.int64), np.empty((B, E)), np.empty((B, K)), np.empty(B), np.empty(B), np.empty(B, np.int64)
    )
    coded = CodedTerms(CODES[terms.rule], terms.prior, terms.least, terms.inverse_temperature)
    gathered = np.empty((min(B, CHUNK), E, K) if isinstance(evidence, Leaves) else (0, E, K))
    mask = ALL_ENGAGED if engaged is None else engaged
    skill = above_chance(router.accuracy if isinstance(router, Logits) else None, E, K)
    for start in range(0, B, CHUNK):
        part = slice(start, start + CHUNK)
        rows, views = evidence_of(evidence, part, gathered), Scored._make(column[part] for column in out)
        if isinstance(router, Network):
            everything = rows.astype(np.float64, copy=False)
            reliability_rows(router.state, router.X[part], everything, router.hidden, views.reliability)
        else:
            trust_rows(router.logits[part], skill, views.reliability)
        if not decide_rows(rows, mask[part], coded, views):
            check_values(rows, views.reliability)
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


class CodedTerms(NamedTuple):
    """`Terms` as compiled code takes them: the rule by its code."""

    rule: int
    prior: float
    least: float
    inverse_temperature: float


@kernel
def raise_top(belief: Floats, share: float, top: float, inverse_temperature: float) -> float:
    """The largest of the probabilities belief [K] + share, which is `top`, after all are raised to a power.

    See `tocsin.kernels.routing.inverse_temperature`.
    """
    total = 0.0
    for k in range(len(belief)):
        total += math.exp(inverse_temperature * (math.log(max(belief[k] + share, LEAST)) - math.log(max(top, LEAST))))
    return 1.0 / total


@kernel
def decide_rows(evidence: Evidence, engaged: Bools, terms: CodedTerms, out: Scored) -> bool:
    """Fuse and decide B events by the reliabilities in `out`, and fill the rest of it.

    `engaged` is empty where all experts are. Returns False where a number may be out of its range.
    """
    belief, uncertainty = out.belief, out.uncertainty
    fused = Fused(belief, uncertainty, out.conflict, out.used)
    in_range = fuse_rows(evidence, out.reliability, engaged, terms.rule, terms.prior, fused)
    K = belief.shape[1]
    for b in range(belief.shape[0]):
        best = 0
        for k in range(1, K):
            if belief[b, k] > belief[b, best]:
                best = k
        sure = belief[b, best] + uncertainty[b] / K
        if terms.inverse_temperature != 1.0:
            sure = raise_top(belief[b], uncertainty[b] / K, sure, terms.inverse_temperature)
        out.label[b] = best if sure >= terms.least else ABSTAINED
    return in_range
