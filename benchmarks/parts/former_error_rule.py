"""The rule of `controls: error` in the releases before: a threshold by what was said when events came.

Its level follows adaptive conformal inference: every late label of a decision moves it, less where labels are late.
"""

from __future__ import annotations

import math

from tocsin.models.decision.abstention import haste
from tocsin.models.decision.quantile import SlidingQuantile, selective

GAIN, LEAST_LEVEL = 0.0025, 0.001


class FormerRule:
    """The greatest doubt that is decided."""

    def __init__(self, error: float, window: int, cold_start: int) -> None:
        self._error, self._cold_start = error, cold_start
        self._scores, self._doubts = SlidingQuantile(window), SlidingQuantile(window)
        self._level = error
        self.count = 0

    def threshold(self) -> float:
        """Infinite while too few labels are known, -1 where nothing is decided."""
        if self._scores.count < self._cold_start:
            return math.inf
        return selective(self._doubts.values, self._scores.values, self._level)

    def learn(self, score: float, judged_by: float, delay: int, doubt: float) -> None:
        """One late label, see `tocsin.models.decision.abstention.Abstention.learn`."""
        if math.isfinite(judged_by):
            step = (self._error - (score > doubt)) if doubt <= judged_by else (self._error - self._level)
            self._level = min(max(self._level + GAIN * haste(delay) * step, LEAST_LEVEL), self._error)
        learnt = self.count - delay
        if learnt < 0 or learnt >= min(delay, self._cold_start):
            self._scores.add(score)
            self._doubts.add(doubt)
        self.count += 1
