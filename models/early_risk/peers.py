"""Median and median absolute deviation of a value over all live subjects, at the cost of a histogram."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

UNIT, RATIO, SIDE = 0.01, 1.05, 400
"""Bins grow by 5% from 0.01 on, 400 of them to each side of 0: to three million."""
_STEP = math.log(RATIO)
_EDGES = UNIT * (RATIO ** np.arange(SIDE + 2) - 1.0)
_CENTRES = np.concatenate([-_EDGES[SIDE:0:-1], [0.0], _EDGES[1 : SIDE + 1]])


def bin_of(value: float) -> int:
    """The bin of a value, from 0 to 2 SIDE; the last ones take what lies beyond."""
    side = min(round(math.log1p(abs(value) / UNIT) / _STEP), SIDE)
    return SIDE + (side if value >= 0 else -side)


def empty() -> Counts:
    """No subject yet: int64 [2 SIDE + 1]."""
    return np.zeros(2 * SIDE + 1, np.int64)


def median_and_deviation(counts: Counts) -> tuple[float, float]:
    """The lower median and the median absolute deviation from it, each within a bin (5%); NaN for no subjects.

    >>> counts = empty()
    >>> for value in (0.0, 1.0, 2.0, 3.0, 100.0):
    ...     counts[bin_of(value)] += 1
    >>> [round(v, 1) for v in median_and_deviation(counts)]
    [2.0, 1.0]
    """
    if not counts.any():
        return math.nan, math.nan
    median = _median(_CENTRES, counts)
    deviation = np.abs(_CENTRES - median)
    order = np.argsort(deviation, kind="stable")
    return median, _median(deviation[order], counts[order])


def _median(values: NDArray[np.float64], counts: Counts) -> float:
    below = np.cumsum(counts)
    return float(values[int(np.searchsorted(below, (below[-1] + 1) // 2))])
