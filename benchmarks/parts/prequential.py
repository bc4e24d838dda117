"""How well a model predicted a stream, each event before its label was learnt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
WINDOW, BEFORE, NEAR = 500, 5_000, 0.02


class Figures(NamedTuple):
    """Shares, not percents."""

    accuracy: float
    kappa_m: float
    """Errors avoided, as a share of those of the majority class so far."""
    kappa_t: float
    """Errors avoided, as a share of those of the last known label."""
    recovery: tuple[int, ...]
    """After each drift, the events until the accuracy of the last 500 is within 2 points of that of the 5,000 before
    the drift; the whole concept's length where it never is."""


def figures(predicted: Ints, y: Ints, drifts: tuple[int, ...], delay: int) -> Figures:
    """Figures of predictions [B]; the baselines know labels no earlier than the model did."""
    right = predicted == y
    accuracy = float(right.mean())
    return Figures(
        accuracy=accuracy,
        kappa_m=_avoided(accuracy, float((majority(y, delay) == y).mean())),
        kappa_t=_avoided(accuracy, float((last_label(y, delay) == y).mean())),
        recovery=tuple(recovery(right, at, end) for at, end in zip(drifts, (*drifts[1:], len(y)), strict=False)),
    )


def _avoided(accuracy: float, baseline: float) -> float:
    return (accuracy - baseline) / (1.0 - baseline)


def last_label(y: Ints, delay: int) -> Ints:
    """The last label known at each event; -1 while there is none."""
    result = np.full(len(y), -1, np.int64)
    result[1 + delay :] = y[: max(len(y) - 1 - delay, 0)]
    return result


def majority(y: Ints, delay: int) -> Ints:
    """The most frequent label known at each event; -1 while there is none."""
    counts = np.cumsum(np.eye(int(y.max()) + 1, dtype=np.int64)[y], axis=0)
    result = np.full(len(y), -1, np.int64)
    result[1 + delay :] = counts[: max(len(y) - 1 - delay, 0)].argmax(axis=1)
    return result


def recovery(right: NDArray[np.bool_], at: int, end: int) -> int:
    """See `Figures.recovery`."""
    target = float(right[max(at - BEFORE, 0) : at].mean()) - NEAR
    sums = np.concatenate([[0], np.cumsum(right)])
    stops = np.arange(at + WINDOW, end + 1)
    good = np.flatnonzero((sums[stops] - sums[stops - WINDOW]) / WINDOW >= target)
    return int(stops[good[0]] - at) if len(good) else end - at
