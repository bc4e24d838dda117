"""Between masses and probabilities: the pignistic transformation, its inverse, and how doubtful a decision is."""

from __future__ import annotations

import numpy as np

from tocsin.models.data.batch import Floats

TIE = 1e-9
"""Classes as close as this to the most probable one are as probable: nothing but their order tells them apart."""


def pignistic(belief: Floats, uncertainty: Floats) -> Floats:
    """BetP_k = b_k + u / K, [B, K] (Smets & Kennes 1994)."""
    result: Floats = belief + uncertainty[:, None] / belief.shape[1]
    return result


def masses(betp: Floats, uncertainty: Floats) -> tuple[Floats, Floats]:
    """Belief [B, K] and uncertainty [B] whose pignistic probabilities are these, with as much of the given uncertainty
    as they leave room for: that of no class can be less than its share of it."""
    K = betp.shape[1]
    least: Floats = np.minimum(uncertainty, K * betp.min(axis=1))
    return betp - least[:, None] / K, least


def doubts(betp: Floats) -> Floats:
    """1 - BetP of the most probable class, [B]; infinite where several classes tie, so that no limit lets them pass."""
    top = betp.max(axis=1, initial=0.0)
    result: Floats = np.where((betp >= top[:, None] - TIE).sum(axis=1) == 1, 1.0 - top, np.inf)
    return result
