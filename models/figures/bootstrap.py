"""The bootstrap of figures of a stream: between which values a figure, or the difference of two, may well lie.

Neighbouring events are alike, so that whole blocks of them are drawn, with replacement, from the stream closed to a
circle (Politis and Romano 1992). With n events a block holds n^(1/3) of them, the rate of Hall, Horowitz and Jing
(1995). The interval holds the middle of what the resampled streams give.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tocsin.models.data.batch import Ints
from tocsin.models.figures.noise import Interval

REPLICATES = 200
"""Resampled streams."""
CONFIDENCE = 0.95
"""The share of them that an interval holds."""


def resampled(events: int, replicates: int = REPLICATES, seed: int = 0) -> Iterator[Ints]:
    """How often each of n events stands in each resampled stream, int64 [n].

    >>> [int(counts.sum()) for counts in resampled(10, 2)]
    [10, 10]
    """
    if not events:
        return
    random, block = np.random.default_rng(seed), max(1, round(events ** (1 / 3)))
    blocks = -(-events // block)
    for _ in range(replicates):
        starts = random.integers(0, events, blocks)
        rows = (starts[:, None] + np.arange(block)).ravel()[:events] % events
        yield np.bincount(rows, minlength=events).astype(np.int64)


def interval(values: Sequence[float | None], confidence: float = CONFIDENCE) -> Interval | None:
    """Between which values the middle of the resampled figures lies; None without any.

    >>> interval([1.0, 2.0, None, 3.0], confidence=1.0)
    (1.0, 3.0)
    """
    known = np.array([value for value in values if value is not None], np.float64)
    if not len(known):
        return None
    low, high = np.quantile(known, [(1.0 - confidence) / 2, (1.0 + confidence) / 2])
    return float(low), float(high)
