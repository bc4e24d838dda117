"""Extreme values of a column are clipped to what is usual in it, one row after the other.

From the first `FIRST` values of a column its centre m (their median) and spread q are taken, where q is the 90th
percentile of |x - m| over that of a normal distribution. After them a running mean and variance are learnt from the
clipped values themselves, so that an extreme value moves them little, and a true change of scale is followed within
some thousand values. The bounds are mean +- `deviations` standard deviations.

A column that is nearly always m (a count, an indicator, a constant: `OFTEN` of its values of late) has hardly a spread.
Its other values are judged by their own size: the bounds are m +- `RARE_FACTOR` times the running geometric mean of
|x - m| over the values that are not m.

`ReferenceColumn` is the same in plain numpy, and a test holds the two together. The method is Huber's idea of a
winsorised estimate (Robust Statistics, 1981), applied online.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import LARGEST
from tocsin.kernels.common.sorting import stable_order

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FIRST = 100
"""Values of a column that its centre and spread are taken from."""
ENOUGH = 20
"""From so many values on, the bounds are those of the values so far."""
NORMAL_90 = 1.645
"""The 90th percentile of |x| of a standard normal distribution."""
RARE_FACTOR = 32.0
"""How many times its usual size a value may have in a column that is nearly always the same."""
OFTEN = 0.9
"""The share of values at the centre from which on a column is nearly always the same."""
MOSTLY = 0.8
"""The share of the first values at the centre from which on nothing is clipped among them."""
RARE_SHARE = 0.01
"""The least share that one such value has in the running mean of log sizes."""
FARTHEST = 16.0
"""How many times as far from the middle as its bound a stretched value is at the most."""


class Clipped(NamedTuple):
    """B events with their extreme values clipped, and with them stretched: drawn near, in their order."""

    hard: Floats
    """[B, F]"""
    soft: Floats
    """[B, F]; [0, F] where nobody asks."""


class Limits(NamedTuple):
    """What is extreme."""

    deviations: float
    """Standard deviations from the running mean."""
    memory: float
    """How many values of a column are remembered, at least `FIRST`."""


class Usual(NamedTuple):
    """What is usual in F columns, changed in place."""

    first: Floats
    """[F, FIRST], the first values of each column."""
    known: Floats
    """[F], values that were known, up to `FIRST` and the memory."""
    centre: Floats
    """[F], the median of the first values."""
    mean: Floats
    """[F], the running mean of the values as they were clipped."""
    square: Floats
    """[F], the mean squared deviation of the same values."""
    at_centre: Floats
    """[F], the share of the values of late that were the centre."""
    others: Floats
    """[F], values that were not the centre, up to 1 / RARE_SHARE."""
    log_size: Floats
    """[F], the running mean of log |x - centre| over those."""


def new(columns: int) -> Usual:
    """No column has a value yet."""
    F = columns
    return Usual(
        np.zeros((F, FIRST)),
        np.zeros(F),
        np.zeros(F),
        np.zeros(F),
        np.zeros(F),
        np.zeros(F),
        np.zeros(F),
        np.zeros(F),
    )


def widened(usual: Usual, columns: int) -> Usual:
    """The same with room for more columns."""
    more = columns - len(usual.known)
    if more <= 0:
        return usual
    padded: list[Any] = [np.pad(array, ((0, more), *((0, 0),) * (array.ndim - 1))) for array in usual]
    return Usual(*padded)


@kernel
def quantile(ordered: Floats, order: NDArray[np.int64], share: float) -> float:
    """The quantile of values [n] of which `order` is the ascending order, between neighbours in proportion."""
    place = share * (order.size - 1)
    low = math.floor(place)
    lower: float = ordered[order[low]]
    if place > low:
        lower += (place - low) * (ordered[order[low + 1]] - lower)
    return lower


@kernel
def centre_and_spread(values: Floats) -> tuple[float, float]:
    """The median m of values [n], and the 90th percentile of |x - m| as a standard deviation.

    It is 0 where `MOSTLY` of the values are m: the percentile would lie between m and the few others.
    """
    centre = quantile(values, stable_order(values), 0.5)
    distances = np.abs(values - centre)
    if (distances == 0.0).sum() >= MOSTLY * distances.size:
        return centre, 0.0
    return centre, quantile(distances, stable_order(distances), 0.9) / NORMAL_90


@kernel
def around(middle: float, reach: float) -> tuple[float, float]:
    """The bounds around a middle, whose squares are finite."""
    return max(middle - reach, -LARGEST), min(middle + reach, LARGEST)


@kernel
def rare_bounds(centre: float, others: float, log_size: float) -> tuple[float, float]:
    """The bounds of a column that is nearly always its centre; there are none before another value came."""
    if others == 0.0:
        return -LARGEST, LARGEST
    return around(centre, RARE_FACTOR * math.exp(log_size))


@kernel
def bounds(usual: Usual, f: int, deviations: float) -> tuple[float, float]:
    """The least and the greatest value that column f may have now."""
    n = int(usual.known[f])
    if n < ENOUGH:
        return -LARGEST, LARGEST
    if n < FIRST:
        centre, spread = centre_and_spread(usual.first[f, :n])
        if spread == 0.0:
            return -LARGEST, LARGEST
        return around(centre, deviations * spread)
    if usual.at_centre[f] >= OFTEN:
        return rare_bounds(usual.centre[f], usual.others[f], usual.log_size[f])
    return around(usual.mean[f], deviations * math.sqrt(usual.square[f]))


@kernel
def learn_value(usual: Usual, f: int, x: float, memory: float) -> None:
    """Take in one value of a column whose centre is known; it is clipped already."""
    usual.known[f] = min(usual.known[f] + 1.0, memory)
    share = 1.0 / usual.known[f]
    size = abs(x - usual.centre[f])
    usual.at_centre[f] += share * ((1.0 if size == 0.0 else 0.0) - usual.at_centre[f])
    if size > 0.0:
        usual.others[f] = min(usual.others[f] + 1.0, 1.0 / RARE_SHARE)
        usual.log_size[f] += (math.log(size) - usual.log_size[f]) / usual.others[f]
    delta = x - usual.mean[f]
    usual.mean[f] += share * delta
    usual.square[f] += share * (delta * (x - usual.mean[f]) - usual.square[f])


@kernel
def settle(usual: Usual, f: int, deviations: float) -> None:
    """Take a column's centre and spread from its first values, and learn these, clipped."""
    centre, spread = centre_and_spread(usual.first[f])
    usual.centre[f] = centre
    usual.known[f] = 0.0
    reach = deviations * spread
    for i in range(FIRST):
        x = usual.first[f, i]
        if spread > 0.0:
            x = min(max(x, centre - reach), centre + reach)
        learn_value(usual, f, x, float(FIRST))
    usual.known[f] = FIRST


@kernel
def stretched(x: float, low: float, high: float) -> float:
    """A value x in a column with these bounds: d beyond a bound that is c from the middle, it is shown c log(1 + d / c)
    beyond it, and at most `FARTHEST` c from the middle."""
    reach = 0.5 * (high - low)
    if reach <= 0.0 or low <= x <= high:
        return min(max(x, low), high)
    beyond = x - high if x > high else low - x
    d = reach * min(math.log1p(beyond / reach), FARTHEST - 1.0)
    return high + d if x > high else low - d


@kernel
def clip(usual: Usual, nominal: Bools, X: Floats, deviations: float, out: Clipped) -> None:
    """Write X [B, F] with its extreme values clipped into `out`; categories and what is not finite stay as they are."""
    for f in range(X.shape[1]):
        low, high = bounds(usual, f, deviations)
        for b in range(X.shape[0]):
            x = X[b, f]
            left = nominal[f] or not math.isfinite(x)
            out.hard[b, f] = x if left else min(max(x, low), high)
            if len(out.soft):
                out.soft[b, f] = x if left else stretched(x, low, high)


@kernel
def learn_first(usual: Usual, f: int, x: float, deviations: float, out: Clipped, b: int) -> None:
    """Clip one of the first values of column f into row b of `out`, and learn it.

    What is learnt is the value itself: a centre of clipped values could not tell what is usual.
    """
    low, high = bounds(usual, f, deviations)
    out.hard[b, f] = min(max(x, low), high)
    if len(out.soft):
        out.soft[b, f] = stretched(x, low, high)
    n = int(usual.known[f])
    usual.first[f, n] = min(max(x, -LARGEST), LARGEST)
    usual.known[f] = n + 1.0
    if n + 1 == FIRST:
        settle(usual, f, deviations)


@kernel
def learn(usual: Usual, nominal: Bools, X: Floats, limits: Limits, out: Clipped) -> None:
    """Write each row of X [B, F], clipped by the rows before it, into `out`, and learn it, in order."""
    # Written out for a column whose centre is known: to hand all arrays to another kernel for each value takes longer
    # than what is done with it. The operations are those of `bounds` and `learn_value`, in their order.
    _, known, centre, mean, square, at_centre, others, log_size = usual
    (deviations, memory), (hard, soft), both = limits, out, len(out.soft) > 0
    for b in range(X.shape[0]):
        for f in range(X.shape[1]):
            x = X[b, f]
            hard[b, f] = x
            if both:
                soft[b, f] = x
            if nominal[f] or not math.isfinite(x):
                continue
            if known[f] < FIRST:
                learn_first(usual, f, x, deviations, out, b)
                continue
            if at_centre[f] >= OFTEN:
                low, high = rare_bounds(centre[f], others[f], log_size[f])
            else:
                low, high = around(mean[f], deviations * math.sqrt(square[f]))
            if both:
                soft[b, f] = stretched(x, low, high)
            x = hard[b, f] = min(max(x, low), high)
            known[f] = min(known[f] + 1.0, memory)
            share = 1.0 / known[f]
            size = abs(x - centre[f])
            at_centre[f] += share * ((1.0 if size == 0.0 else 0.0) - at_centre[f])
            if size > 0.0:
                others[f] = min(others[f] + 1.0, 1.0 / RARE_SHARE)
                log_size[f] += (math.log(size) - log_size[f]) / others[f]
            delta = x - mean[f]
            mean[f] += share * delta
            square[f] += share * (delta * (x - mean[f]) - square[f])


# ------------------------------------------------------------ reference


class ReferenceColumn:
    """One column, a value at a time, by numpy's own medians and percentiles."""

    def __init__(self, deviations: float, memory: float) -> None:
        self._deviations, self._memory = deviations, memory
        self._first: list[float] = []
        self._known: list[float] = []
        self._mean = self._square = self._count = 0.0
        self._logs = self._others = 0.0
        self._centre = self._spread = self._at_centre = 0.0

    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that the column may have now."""
        low, high = self._bounds()
        return max(low, -LARGEST), min(high, LARGEST)

    def _bounds(self) -> tuple[float, float]:
        everything = -LARGEST, LARGEST
        if len(self._first) < ENOUGH:
            return everything
        if len(self._first) < FIRST:
            centre, spread = self._of_first()
            reach = self._deviations * spread
            return (centre - reach, centre + reach) if reach > 0.0 else everything
        if self._at_centre >= OFTEN:
            reach = RARE_FACTOR * np.exp(self._logs)
            if not self._others:
                return everything
            return self._centre - reach, self._centre + reach
        reach = self._deviations * np.sqrt(self._square)
        return self._mean - reach, self._mean + reach

    def _of_first(self) -> tuple[float, float]:
        centre = float(np.quantile(self._first, 0.5))
        distances = np.abs(np.array(self._first) - centre)
        mostly = bool((distances == 0.0).mean() >= MOSTLY)
        return centre, 0.0 if mostly else float(np.quantile(distances, 0.9)) / NORMAL_90

    def learn(self, x: float) -> float:
        """Take in one finite value; returns it as it is clipped."""
        clipped = float(np.clip(x, *self.bounds()))
        if len(self._first) == FIRST:
            self._learn(clipped, self._memory)
            return clipped
        self._first.append(float(np.clip(x, -LARGEST, LARGEST)))
        if len(self._first) == FIRST:
            self._centre, self._spread = self._of_first()
            reach = self._deviations * self._spread if self._spread > 0.0 else np.inf
            for value in self._first:
                self._learn(float(np.clip(value, self._centre - reach, self._centre + reach)), float(FIRST))
        return clipped

    def _learn(self, x: float, memory: float) -> None:
        self._count = min(self._count + 1.0, memory)
        size = abs(x - self._centre)
        self._at_centre += ((size == 0.0) - self._at_centre) / self._count
        if size > 0.0:
            self._others = min(self._others + 1.0, 1.0 / RARE_SHARE)
            self._logs += (np.log(size) - self._logs) / self._others
        delta = x - self._mean
        self._mean += delta / self._count
        self._square += (delta * (x - self._mean) - self._square) / self._count
