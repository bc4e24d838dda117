"""What `tocsin.kernels.inputs.imputation` does, in plain numpy, a row at a time."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.moments import LARGEST
from tocsin.kernels.inputs.imputation_state import (
    ENOUGH,
    EVERY,
    FADE,
    LIMIT,
    RIDGE,
    SCALE_MEMORY,
    UNKNOWN,
    Bools,
    Floats,
    Ints,
    Rules,
)


class ReferenceImputer:
    """Guesses by numpy's own sorts and inverses, from the whole history of rows."""

    def __init__(self, nominal: Bools, length: int, places: Ints, rules: Rules) -> None:
        self._nominal, self._length, self._places, self._rules = nominal, length, places, rules
        F, D = len(nominal), 2 * len(places)
        self._filled: list[Floats] = []
        self._known: list[Bools] = []
        self._count, self._mean, self._square = np.zeros(F), np.zeros(F), np.zeros(F)
        self._centre, self._spread, self._precision = np.zeros(D), np.zeros((D, D)), np.eye(D)
        self._mix = np.tile([0.5, 1.0], (F, 1))
        self._begun, self._due, self._learnt, self._turn = False, False, 0, 0

    def fill(self, x: Floats, before: Floats | None = None) -> tuple[Floats, Floats]:
        """The row x [F] with guesses in its gaps, and the variance of each guess [F]."""
        before = self._before(0) if before is None else before
        gaps = np.isnan(x) & ~self._nominal
        if len(self._filled) < ENOUGH or not gaps.any():
            return x.copy(), np.zeros(len(x))
        near, given, variance = self._guess(x, before)
        a = np.clip(self._mix[:, 0] / self._mix[:, 1], 0.0, 1.0)
        both = np.where(np.isnan(given), near, a * near + (1.0 - a) * given)
        return np.where(gaps, both, x), variance

    def learn(self, x: Floats, delay: int = 0) -> Floats:
        """Take in a row [F] that was scored `delay` rows ago; returns it with guesses in its gaps."""
        before = self._before(delay)
        filled, variance = self.fill(x, before)
        gap = bool((np.isnan(x) & ~self._nominal).any())
        if gap and len(self._filled) >= ENOUGH and not self._begun:
            self._begin(delay)
        if self._begun:
            if self._due:
                self._hide_one(x, before)
            self._due = gap
            self._learn_covariance(filled, before, variance)
            if self._learnt % EVERY == 0:
                self._make_precision()
        self._filled.append(filled)
        self._known.append(np.isfinite(x))
        known = np.isfinite(x)
        value = np.clip(np.where(known, x, self._mean), -LARGEST, LARGEST)
        self._count = np.minimum(self._count + known, SCALE_MEMORY)
        share, delta = known / np.maximum(self._count, 1.0), value - self._mean
        self._mean = self._mean + share * delta
        self._square = self._square + share * (delta * (value - self._mean) - self._square)
        return filled

    def _before(self, delay: int, stored: int | None = None) -> Floats:
        held = self._filled if stored is None else self._filled[:stored]
        there = delay < min(len(self._filled), self._length) and delay < len(held)
        return held[-1 - delay] if there else np.full(len(self._nominal), np.nan)

    def _scale(self) -> Floats:
        deviation = np.sqrt(self._square)
        varied = (deviation > 1e-12) & (self._count > 1)
        return np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varied)

    def _deviations(self) -> Floats:
        deviation = np.sqrt(np.maximum(np.diag(self._spread), 0.0))
        result: Floats = np.where(deviation > 1e-12, deviation, 0.0)
        return result

    def _guess(self, x: Floats, before: Floats) -> tuple[Floats, Floats, Floats]:
        F = len(x)
        near, given, variance = np.full(F, np.nan), np.full(F, np.nan), np.zeros(F)
        gaps = np.isnan(x) & ~self._nominal
        numbers = np.arange(max(0, len(self._filled) - self._length), len(self._filled))
        ring = numbers[np.argsort(numbers % self._length)]  # of equally near rows the first in the ring is taken
        rows, known = np.array(self._filled)[ring], np.array(self._known)[ring]
        squared, scale = np.zeros(len(rows)), self._scale()
        for f in np.flatnonzero(~np.isnan(x)):
            if self._nominal[f]:
                squared += np.where(rows[:, f] == x[f], 0.0, UNKNOWN)
            elif scale[f] > 0.0:
                apart = np.minimum(np.abs(rows[:, f] - x[f]) * scale[f], LIMIT) ** 2
                squared += np.where(np.isnan(apart), UNKNOWN, apart)
        for f in np.flatnonzero(gaps):
            some = np.flatnonzero(known[:, f])
            if len(some):
                near[f] = rows[some[np.argsort(squared[some], kind="stable")[: self._rules.k]], f].mean()
        if self._begun:
            self._condition(x, before, given, variance)
        return near, given, variance

    def _condition(self, x: Floats, before: Floats, given: Floats, variance: Floats) -> None:
        both = np.stack([x[self._places], before[self._places]], axis=1).ravel()
        scale = self._deviations()
        z = np.divide(both - self._centre, scale, out=np.zeros_like(both), where=np.isfinite(both) & (scale > 0.0))
        gone = 2 * np.flatnonzero(np.isnan(x[self._places]))
        rest = np.setdiff1d(np.arange(len(z)), gone)
        A = np.linalg.inv(self._precision[np.ix_(gone, gone)])
        places = self._places[gone // 2]
        given[places] = self._centre[gone] - scale[gone] * (A @ self._precision[np.ix_(gone, rest)] @ z[rest])
        variance[places] = scale[gone] ** 2 * np.diag(A)

    def _learn_covariance(self, x: Floats, before: Floats, variance: Floats) -> None:
        self._learnt += 1
        share = 1.0 / min(float(self._learnt), self._rules.memory)
        both = np.stack([x[self._places], before[self._places]], axis=1).ravel()
        delta = np.where(np.isfinite(both), both - self._centre, 0.0)
        self._centre = self._centre + share * delta
        self._spread = self._spread + share * (np.outer(delta, delta) * (1.0 - share) - self._spread)
        own = 2 * np.arange(len(self._places))
        self._spread[own, own] += share * variance[self._places]

    def _begin(self, delay: int) -> None:
        stored, none = len(self._filled), np.zeros(len(self._nominal))
        for age in range(min(stored, self._length) - 1, -1, -1):
            before = self._before(age + 1 + delay)
            self._learn_covariance(self._before(age), before, none)
        self._begun = True
        self._make_precision()

    def _make_precision(self) -> None:
        scale = self._deviations()
        inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0.0)
        correlation = self._spread * np.outer(inverse, inverse)
        np.fill_diagonal(correlation, 1.0 + RIDGE)
        self._precision = np.linalg.inv(correlation)

    def _hide_one(self, x: Floats, before: Floats) -> None:
        for _ in range(len(x)):
            f, self._turn = self._turn % len(x), self._turn + 1
            if self._nominal[f] or not np.isfinite(x[f]):
                continue
            hidden = x.copy()
            hidden[f] = np.nan
            near, given, _ = self._guess(hidden, before)
            scale = self._scale()[f]
            apart = (near[f] - given[f]) * scale
            if not np.isnan(apart):
                self._mix[f] = FADE * self._mix[f] + [(x[f] - given[f]) * scale * apart, apart**2]
            return
