"""A ring of the latest values, and the quantiles of it that serve as thresholds."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass

import numpy as np

from tocsin.models.data.batch import Floats

PATIENCE = 8
"""After so many values without a question they are sorted anew at the next one, which then costs less."""


class SlidingQuantile:
    """The latest `window` values.

    While questions come between values, they are also kept in the order of their size, so that a question costs little.
    """

    def __init__(self, window: int) -> None:
        self.ring: Floats = np.zeros(window)
        self.count = 0
        """Values added so far."""
        self._ordered: _Ordered | None = None

    @property
    def values(self) -> Floats:
        """The values there are, in the order of the ring; a view."""
        return self.ring[: self.count]

    def latest(self, most: int) -> Floats:
        """At most `most` of the latest values, in any order."""
        held = min(self.count, len(self.ring))
        if most >= held:
            return self.values
        stop = self.count % len(self.ring)
        start = stop - most
        return self.ring[start:stop] if start >= 0 else np.concatenate([self.ring[start:], self.ring[:stop]])

    def add(self, value: float) -> None:
        """Add one value; in a full ring it replaces the oldest."""
        if self._ordered is not None:
            self._keep_in_order(self._ordered, value)
        self.ring[self.count % len(self.ring)] = value
        self.count += 1

    def _keep_in_order(self, ordered: _Ordered, value: float) -> None:
        if ordered.ring is not self.ring or ordered.count != self.count or value != value or not ordered.patience:
            self._ordered = None
            return
        if self.count >= ordered.most:
            leaves = float(self.ring[(self.count - ordered.most) % len(self.ring)])
            del ordered.values[bisect_left(ordered.values, leaves)]
        insort(ordered.values, value)
        ordered.count += 1
        ordered.patience -= 1

    def smallest(self, rank: int, most: int | None = None) -> float:
        """The value that so many others precede in order, of all or of the latest at `most`."""
        span = len(self.ring) if most is None else min(most, len(self.ring))
        ordered = self._ordered
        if ordered is None or ordered.ring is not self.ring or (ordered.count, ordered.most) != (self.count, span):
            values = self.latest(span)
            if np.isnan(values).any():  # it has no place in an order that is kept
                return float(np.partition(values, rank)[rank])
            ordered = self._ordered = _Ordered(np.sort(values).tolist(), span, self.count, self.ring)
        ordered.patience = PATIENCE
        return ordered.values[rank]

    def quantile(self, error: float, most: int | None = None) -> float:
        """The quantile of split conformal prediction at 1 - error; 1.0 where so few values cannot tell.

        It is that of all values, or of the latest at `most`. The ceiling of (n + 1)(1 - error) is what gives it its
        finite-sample guarantee.
        """
        held = min(self.count, len(self.ring))
        n = held if most is None else min(held, most)
        rank = math.ceil((n + 1) * (1.0 - error)) - 1
        return 1.0 if rank >= n else self.smallest(rank, most)


@dataclass(slots=True)
class _Ordered:
    """The latest values of a ring, in the order of their size."""

    values: list[float]
    most: int
    """How many of the latest they are at most."""
    count: int
    """How many values the ring had been given."""
    ring: Floats
    patience: int = 0
    """How many more values are put in their places before anybody asks."""


def selective(doubts: Floats, scores: Floats, error: float) -> float:
    """The greatest doubt up to which at most a share `error` of the answers was wrong; -1.0 where there is none.

    `doubts` [n] is 1 - BetP of the most probable class, infinite where several tie, `scores` [n] that of the true one:
    an answer was wrong where its score exceeds its doubt. One standard error is added to the share, since the greatest
    that passes is chosen among many (Geifman & El-Yaniv 2017 bound it likewise). At least 1 / error answers must pass.
    """
    order = np.argsort(doubts, kind="stable")
    sorted_doubts = doubts[order]
    wrong = np.cumsum(scores[order] > sorted_doubts)
    n = np.arange(1, len(doubts) + 1)
    passes = wrong + np.sqrt(error * (1.0 - error) * n) <= error * n
    # Equal doubts are decided alike: only the last of them is a place to cut.
    passes[:-1] &= sorted_doubts[1:] > sorted_doubts[:-1]
    passes &= (n * error >= 1.0) & np.isfinite(sorted_doubts)
    fit = np.flatnonzero(passes)
    return float(sorted_doubts[fit[-1]]) if len(fit) else -1.0
