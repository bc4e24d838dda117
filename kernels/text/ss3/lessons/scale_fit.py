"""What one unit of SS3's confidence is worth as evidence: a scale for each class, fitted text by text."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]

STEP, LEAST_STEP, OWN_STEP = 0.5, 0.1, 0.3
"""The first step down the gradient, the least one, and the share of it that a class takes for itself."""
LEAST_LOG, MOST_LOG = math.log(1e-3), math.log(1e3)
"""Within which the logarithm of a scale stays."""


@kernel
def scale_confidence(confidence: Floats, log_scale: Floats, strength: float, out: Floats) -> None:
    """Write the evidence of one confidence vector [C], of at most `strength` pseudo-counts, to `out` [C]."""
    total = 0.0
    for c in range(len(out)):
        out[c] = confidence[c] * math.exp(log_scale[c])
        total += out[c]
    if total > strength:
        for c in range(len(out)):
            out[c] *= strength / total


@kernel
def scaled(confidence: Floats, log_scale: Floats, strength: float) -> Floats:
    """The evidence [B, C] of B confidence vectors [B, C], of at most `strength` pseudo-counts each."""
    out = np.empty_like(confidence)
    for b in range(len(confidence)):
        scale_confidence(confidence[b], log_scale, strength, out[b])
    return out


@kernel
def fit_scale(evidence: Floats, label: int, weight: float, strength: float, fitted: int, log_scale: Floats) -> None:
    """Take one step of `log_scale` [C], after `fitted` others, for a text with evidence [C] and the class `label`.

    The loss is that of the pignistic probability (e_y + 1) / (sum e + C). At the cap only proportions can change.
    """
    C = len(evidence)
    total, mean = 0.0, 0.0
    for c in range(C):
        total += evidence[c]
    right = evidence[label] / (evidence[label] + 1.0)
    at_cap = total >= strength * (1.0 - 1e-12)
    share = right / total if at_cap else 1.0 / (total + C)
    for c in range(C):
        mean += evidence[c] * share
    mean -= right
    together = mean
    mean /= C
    step = min(weight, 1.0) * max(STEP / math.sqrt(1.0 + fitted), LEAST_STEP)
    for c in range(C):
        gradient = evidence[c] * share - (right if c == label else 0.0)
        moved = log_scale[c] - step * (together + OWN_STEP * (gradient - mean))
        log_scale[c] = min(max(moved, LEAST_LOG), MOST_LOG)


def reference_fitted_scale(
    evidence: Floats, label: int, weight: float, strength: float, fitted: int, log_scale: Floats
) -> Floats:
    """`fit_scale` by numpy, as its definition reads: the new logarithms [C]."""
    total, right = evidence.sum(), evidence[label] / (evidence[label] + 1.0)
    at_cap = total >= strength * (1.0 - 1e-12)
    gradient = evidence * right / total if at_cap else evidence / (total + len(evidence))
    gradient[label] -= right
    move = gradient.sum() + OWN_STEP * (gradient - gradient.mean())
    step = min(weight, 1.0) * max(STEP / math.sqrt(1.0 + fitted), LEAST_STEP)
    result: Floats = np.clip(log_scale - step * move, LEAST_LOG, MOST_LOG)
    return result
