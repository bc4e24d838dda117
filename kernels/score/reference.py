"""Scoring in plain numpy, made of the references of its parts."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Ints,
)
from tocsin.kernels.fusion.reference import fuse_reference
from tocsin.kernels.routing.inverse_temperature import reference_raise_rows
from tocsin.kernels.routing.reliability import LOGIT, MAX_RELIABILITY, reference_reliability
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


@registry.register("reference")
def score_reference(
    evidence: Evidence | Leaves,
    router: Logits | Network,
    engaged: Bools | None,
    terms: Terms,
) -> Scored:
    """Arguments as `score` checked them. Raises ValueError where evidence is out of its range."""
    if isinstance(evidence, Leaves):
        evidence = leaf_evidence(evidence)
    rho = reliabilities(evidence, router)
    fused = fuse_reference(evidence, rho, engaged, terms.rule, terms.prior)
    return Scored(decisions(fused.belief, fused.uncertainty, terms), rho, *fused)


def leaf_evidence(leaves: Leaves) -> Floats:
    """The evidence of leaves [B, E, K]."""
    known = leaves.ids >= 0
    found = leaves.weights[np.arange(len(leaves.weights)), np.where(known, leaves.ids, 0)] * known[:, :, None]
    total = found.sum(axis=2, keepdims=True)
    over = total > leaves.cap
    result: Floats = np.where(over, found * (leaves.cap / np.where(over, total, 1.0)), found)
    return result


def reliabilities(evidence: Evidence, router: Logits | Network) -> Floats:
    """Reliabilities [B, E]."""
    B, E, K = evidence.shape
    if isinstance(router, Network):
        rows = [
            reference_reliability(router.state, x, e, router.hidden) for x, e in zip(router.X, evidence, strict=True)
        ]
        return np.array(rows).reshape(B, E)
    q = 1.0 / (1.0 + np.exp(-np.clip(router.logits, -LOGIT, LOGIT)))
    nobody = q[:, E] if q.shape[1] > E else np.zeros(B)
    result: Floats = (1.0 - nobody)[:, None] * q[:, :E] * above_chance(router.accuracy, E, K)
    return np.minimum(result, MAX_RELIABILITY)


def decisions(belief: Floats, uncertainty: Floats, terms: Terms) -> Ints:
    """The most probable class of each event [B], -1 below the least probability."""
    betp = belief + uncertainty[:, None] / belief.shape[1]
    power = terms.inverse_temperature
    sure = betp if power == 1.0 else reference_raise_rows(betp, np.full(len(betp), power))
    result: Ints = np.where(sure.max(axis=1) >= terms.least, betp.argmax(axis=1), ABSTAINED)
    return result
