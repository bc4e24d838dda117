"""How far probabilities can be taken at their word, and how good they are as probabilities."""

from __future__ import annotations

import numpy as np

from parts.generators import Floats, Ints

BINS = 15
LEAST = 1e-12
"""A probability below it counts as it, so that one sure mistake does not make the mean infinite."""


def ece(p: Floats, y: Ints, bins: int = BINS) -> float:
    """Expected calibration error of the most probable class (Naeini et al. 2015, Guo et al. 2017).

    p [B, K], y [B]. Bins of equal width, open below and closed above (the first holds 0 as well): the mean over events
    of the gap between a bin's confidence and its accuracy.
    """
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    at = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(at, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(y))


def brier(p: Floats, y: Ints) -> float:
    """The mean squared distance to the truth, summed over classes: 0 .. 2 (Brier 1950)."""
    truth = np.eye(p.shape[1])[y]
    return float(((p - truth) ** 2).sum(axis=1).mean())


def nll(p: Floats, y: Ints) -> float:
    """The mean of -log p of the true class, in nats; p below 1e-12 counts as that."""
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], LEAST)).mean())


def macro_f1(predicted: Ints, y: Ints, classes: Ints) -> float:
    """The mean F1 over the classes given; a class that neither occurs nor is predicted counts 0."""
    scores = []
    for k in classes.tolist():
        hits = int(((predicted == k) & (y == k)).sum())
        both = int((predicted == k).sum() + (y == k).sum())
        scores.append(2.0 * hits / both if both else 0.0)
    return float(np.mean(scores))


def tail(y: Ints, classes: int) -> Ints:
    """The long tail: the rarer half of the classes, at least one, by how often they occur in y."""
    counts = np.bincount(y, minlength=classes)
    return np.sort(np.argsort(counts, kind="stable")[: max(classes // 2, 1)])
