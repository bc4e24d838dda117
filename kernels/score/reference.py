"""Scoring as it is written, in plain numpy, of the references of its parts."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Ints,
    Rule,
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
    above_chance,
    registry,
)


@registry.register("reference")
def score_reference(
    evidence: Evidence | Leaves,
    gate: Logits | Network,
    engaged: Bools | None,
    rule: Rule,
    prior: float,
    least: float,
    inverse_temperature: float,
) -> Scored:
    """Arguments as `score` checked them. Raises ValueError where evidence is out of its range."""
    if isinstance(evidence, Leaves):
        evidence = leaf_evidence(evidence)
    rho = reliabilities(evidence, gate)
    fused = fuse_reference(evidence, rho, engaged, rule, prior)
    return Scored(decisions(fused.belief, fused.uncertainty, least, inverse_temperature), rho, *fused)


def leaf_evidence(leaves: Leaves) -> Floats:
    """[B, E, K]"""
    known = leaves.ids >= 0
    found = leaves.weights[np.arange(len(leaves.weights)), np.where(known, leaves.ids, 0)] * known[:, :, None]
    total = found.sum(axis=2, keepdims=True)
    over = total > leaves.cap
    result: Floats = np.where(over, found * (leaves.cap / np.where(over, total, 1.0)), found)
    return result


def reliabilities(evidence: Evidence, gate: Logits | Network) -> Floats:
    """[B, E]"""
    B, E, K = evidence.shape
    if isinstance(gate, Network):
        rows = [reference_reliability(gate.router, x, e, gate.hidden) for x, e in zip(gate.X, evidence, strict=True)]
        return np.array(rows).reshape(B, E)
    q = 1.0 / (1.0 + np.exp(-np.clip(gate.logits, -LOGIT, LOGIT)))
    nobody = q[:, E] if q.shape[1] > E else np.zeros(B)
    result: Floats = (1.0 - nobody)[:, None] * q[:, :E] * above_chance(gate.accuracy, E, K)
    return np.minimum(result, MAX_RELIABILITY)


def decisions(belief: Floats, uncertainty: Floats, least: float, inverse_temperature: float) -> Ints:
    """[B]"""
    betp = belief + uncertainty[:, None] / belief.shape[1]
    sure = betp if inverse_temperature == 1.0 else reference_raise_rows(betp, np.full(len(betp), inverse_temperature))
    result: Ints = np.where(sure.max(axis=1) >= least, betp.argmax(axis=1), ABSTAINED)
    return result
