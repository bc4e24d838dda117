"""Columns of heavy tails by rank, all others shifted and scaled, one row after the other.

A column whose largest values are many times its usual ones (incomes, durations, counts of bytes) has a standard
deviation that hangs on a few of them: whatever standardises it sees one lump near 0. Its ranks have no such lump.

- The value x of rank r among the last `JUDGED` values becomes logit(r) / log 9, so that the quartiles are at -.5 and .5
  and the ninth decile at 1. (Ranks among 200 values are noisier: exp(2 z) on RandomRBF lost half a point more.)
- So begins every column, because a scale that was learnt from raw values of a heavy tail is spoilt for thousands of
  events. After `FIRST` values its middle and its interquartile range are taken, for good, and from then on x becomes
  (x - middle) / range: the quartiles stay where they were.
- A column has heavy tails where the 99th percentile of its last `JUDGED` values lies more than `heavy` interquartile
  ranges above their median, or the first percentile as far below; it goes by rank until both are within `light`. A
  normal distribution has 1.7, an exponential one 3.6, exp(2 z) of a normal z 29. Kurtosis would take a few wrong values
  for a tail.
- Experts on time, which see how far a value is from those before it, lose by ranks: the price of electricity has heavy
  tails, and its ranks cost them two points. They see values as they are, or by their logarithms. Where a column is
  first found to have heavy tails, it goes by logarithm for good if all its latest values are above 0 and the tails of
  their logarithms reach at most `SHORTER` as far. The logarithms are shifted and scaled so that they have the middle
  and the range of the values: what was learnt of the column before stays of use. Below the least value of then, the
  logarithm goes on as a straight line.
- Where a class is rare, what sets it apart is often how far out a value is, and ranks hide that: there those who
  standardise see a column as experts on time do, shifted and scaled.

`ReferenceColumn` is the same in plain numpy, and a test holds the two together. Ranks by logit are van der Waerden's
normal scores with the logistic distribution in place of the normal one (Conover 1999, Practical Nonparametric
Statistics).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.sorting import stable_order
from tocsin.kernels.inputs.clipping import quantile

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

FIRST = 200
"""Values that the middle and the range of a column are taken from."""
JUDGED = 1_000
"""Values that a rank is taken among and that tails are judged by, and after how many values they are judged again."""
UNIT = math.log(9.0)
"""The logit of the ninth decile."""
SHORTER = 1 / 3
"""How much shorter the tails of logarithms are at most, for a column to go by logarithm."""
NOT_YET, AS_IT_IS, BY_LOG = range(3)
"""What stands in `Tails.chosen`."""


class Tails(NamedTuple):
    """What is known of the tails of F columns, changed in place."""

    latest: Floats
    """[F, JUDGED], the latest values of each column, in a ring."""
    known: Floats
    """[F], values that were known."""
    middle: Floats
    """[F], half-way between the quartiles of the first values."""
    range: Floats
    """[F], the interquartile range of the first values."""
    heavy: Bools
    """[F], whether the column goes by rank."""
    chosen: Ints
    """[F], how experts on time see the column: see `NOT_YET`."""
    logs: Floats
    """[F, 3], of a column by logarithm: its least value when that was chosen, and the shift and the scale of the
    logarithms."""


class Seen(NamedTuple):
    """The same values as two kinds of experts see them, [B, F]."""

    by_rank: Floats
    """As those see them who standardise."""
    by_size: Floats
    """As those see them who standardise, where a class is rare: what is far out stays far out."""
    on_time: Floats
    """As experts on time see them."""


class Gate(NamedTuple):
    """When a column goes by rank, in interquartile ranges from the median to the 99th percentile."""

    heavy: float
    """From more than this on."""
    light: float
    """Until less than this."""


def new(columns: int) -> Tails:
    """No column has a value yet."""
    F = columns
    heavy, chosen, logs = np.zeros(F, np.bool_), np.zeros(F, np.int64), np.ones((F, 3))
    return Tails(np.zeros((F, JUDGED)), np.zeros(F), np.zeros(F), np.ones(F), heavy, chosen, logs)


def widened(tails: Tails, columns: int) -> Tails:
    """The same with room for more columns."""
    more = columns - len(tails.known)
    if more <= 0:
        return tails
    padded: list[Any] = [np.pad(old, ((0, more), *((0, 0),) * (old.ndim - 1))) for old in tails]
    wider = Tails(*padded)
    wider.range[-more:] = 1.0
    wider.logs[-more:] = 1.0
    return wider


@kernel
def rank_score(tails: Tails, f: int, x: float) -> float:
    """logit(r) / log 9 of the rank r of x among the latest values of column f; 0 where there is none yet."""
    n = min(int(tails.known[f]), JUDGED)
    row = tails.latest[f]
    below, same = 0, 0
    for i in range(n):
        below += row[i] < x
        same += row[i] == x
    r = (below + 0.5 * same + 0.5) / (n + 1.0)
    return math.log(r / (1.0 - r)) / UNIT


@kernel
def score(tails: Tails, f: int, x: float) -> float:
    """The value x of column f, as those see it who standardise."""
    if tails.heavy[f] or tails.known[f] < FIRST:
        return rank_score(tails, f, x)
    return float((x - tails.middle[f]) / tails.range[f])


@kernel
def reach(ordered: Floats) -> float:
    """How many interquartile ranges the first or the 99th percentile of values [n] lies from the median; 0 where
    the quartiles are equal."""
    order = stable_order(ordered)
    between = quantile(ordered, order, 0.75) - quantile(ordered, order, 0.25)
    median = quantile(ordered, order, 0.5)
    if between <= 0.0:
        return 0.0
    return max(quantile(ordered, order, 0.99) - median, median - quantile(ordered, order, 0.01)) / between


@kernel
def settle(tails: Tails, f: int) -> None:
    """Take the middle and the range of a column from its first values.

    Where the quartiles are equal, twice the mean distance of the values that are not the median is the range.
    """
    first = tails.latest[f, :FIRST]
    order = stable_order(first)
    low, high = quantile(first, order, 0.25), quantile(first, order, 0.75)
    tails.middle[f] = low + 0.5 * (high - low)
    tails.range[f] = high - low
    if high > low:
        return
    total, others = 0.0, 0
    for i in range(FIRST):
        distance = abs(first[i] - low)
        total += distance
        others += distance > 0.0
    tails.range[f] = 2.0 * total / others if others > 0 else 1.0


@kernel
def judge(tails: Tails, f: int, gate: Gate) -> None:
    """Say whether a column goes by rank."""
    n = min(int(tails.known[f]), JUDGED)
    far = reach(tails.latest[f, :n])
    tails.heavy[f] = far > gate.heavy or (tails.heavy[f] and far >= gate.light)
    if tails.heavy[f] and tails.chosen[f] == NOT_YET:
        choose(tails, f, far)


@kernel
def choose(tails: Tails, f: int, far: float) -> None:
    """Choose how experts on time see a column, whose tails reach so `far` now."""
    values = tails.latest[f, : min(int(tails.known[f]), JUDGED)]
    tails.chosen[f] = AS_IT_IS
    least = values.min()
    if least <= 0.0:
        return
    logs = np.log(values)
    if reach(logs) > SHORTER * far:
        return
    order, in_order = stable_order(values), stable_order(logs)
    low, high = quantile(values, order, 0.25), quantile(values, order, 0.75)
    below, above = quantile(logs, in_order, 0.25), quantile(logs, in_order, 0.75)
    scale = (high - low) / (above - below)
    tails.chosen[f] = BY_LOG
    tails.logs[f] = least, low + 0.5 * (high - low) - scale * (below + 0.5 * (above - below)), scale


@kernel
def on_time(tails: Tails, f: int, x: float) -> float:
    """The value x of column f, as experts on time see it."""
    if tails.chosen[f] != BY_LOG:
        return x
    least, shift, scale = tails.logs[f]
    log = math.log(x) if x >= least else math.log(least) + (x - least) / least
    return float(shift + scale * log)


@kernel
def by_size(tails: Tails, f: int, x: float) -> float:
    """The value x of column f, as those see it who standardise, where a class is rare."""
    if tails.known[f] < FIRST:
        return rank_score(tails, f, x)
    return float((on_time(tails, f, x) - tails.middle[f]) / tails.range[f])


@kernel
def look(tails: Tails, f: int, gate: Gate) -> None:
    """Look at a column after each `FIRST` values: the first time take its middle and range, and judge it when due."""
    n = int(tails.known[f])
    if n == FIRST:
        settle(tails, f)
    if n < JUDGED or n % JUDGED == 0:
        judge(tails, f, gate)


@kernel
def apply(tails: Tails, nominal: Bools, X: Floats, out: Seen) -> None:
    """Write X [B, F] into `out` as it is seen; categories and what is not finite stay as they are."""
    for f in range(X.shape[1]):
        for b in range(X.shape[0]):
            x = X[b, f]
            left = nominal[f] or not math.isfinite(x)
            out.by_rank[b, f] = x if left else score(tails, f, x)
            out.by_size[b, f] = x if left else by_size(tails, f, x)
            out.on_time[b, f] = x if left else on_time(tails, f, x)


@kernel
def learn(tails: Tails, nominal: Bools, known: Bools, X: Floats, gate: Gate, out: Seen) -> None:
    """Write each row of X [B, F], as the rows before it have it seen, into `out`, and learn it, in order.

    Only values that are `known` [B, F] are learnt.
    """
    # Written out for a column that goes by value: to hand all arrays to another kernel for each takes twice as long.
    latest, seen, middle, between, heavy, chosen, _ = tails
    by_rank, sized, plain = out
    for b in range(X.shape[0]):
        for f in range(X.shape[1]):
            x = X[b, f]
            by_rank[b, f] = sized[b, f] = plain[b, f] = x
            if nominal[f] or not math.isfinite(x):
                continue
            n = int(seen[f])
            if n < FIRST or heavy[f]:
                by_rank[b, f] = rank_score(tails, f, x)
            else:
                by_rank[b, f] = (x - middle[f]) / between[f]
            if chosen[f] == BY_LOG:
                plain[b, f] = on_time(tails, f, x)
            sized[b, f] = by_rank[b, f] if n < FIRST else (plain[b, f] - middle[f]) / between[f]
            if not known[b, f]:
                continue
            latest[f, n % JUDGED] = x
            seen[f] = n + 1
            if (n + 1) % FIRST == 0:
                look(tails, f, gate)


# ------------------------------------------------------------ reference


class ReferenceColumn:
    """One column, a value at a time, by numpy's own percentiles."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._values: list[float] = []
        self._middle, self._range = 0.0, 1.0
        self._heavy = False
        self._logs: tuple[float, float, float] | None = None
        self._chosen = False

    def score(self, x: float) -> float:
        """One finite value, as those see it who standardise."""
        if len(self._values) >= FIRST and not self._heavy:
            return (x - self._middle) / self._range
        latest = np.array(self._values[-JUDGED:])
        r = ((latest < x).sum() + 0.5 * (latest == x).sum() + 0.5) / (len(latest) + 1.0)
        return float(np.log(r / (1.0 - r)) / np.log(9.0))

    def on_time(self, x: float) -> float:
        """One finite value, as experts on time see it."""
        if self._logs is None:
            return x
        least, shift, scale = self._logs
        return float(shift + scale * (np.log(x) if x >= least else np.log(least) + x / least - 1.0))

    def by_size(self, x: float) -> float:
        """One finite value, as those see it who standardise, where a class is rare."""
        return self.score(x) if len(self._values) < FIRST else (self.on_time(x) - self._middle) / self._range

    def learn(self, x: float) -> None:
        """Take in one finite value."""
        self._values.append(x)
        n = len(self._values)
        if n == FIRST:
            low, high = np.quantile(self._values, [0.25, 0.75])
            others = [abs(value - low) for value in self._values if value != low]
            spare = 2.0 * float(np.mean(others)) if others else 1.0
            self._middle, self._range = float(low + high) / 2.0, float(high - low) or spare
        if n in (200, 400, 600, 800) or n % JUDGED == 0:
            latest = np.array(self._values[-JUDGED:])
            far, low, high = self._tails(latest)
            self._heavy = bool(far > self._gate.heavy or (self._heavy and far >= self._gate.light))
            if self._heavy and not self._chosen:
                self._chosen = True
                self._choose(latest, far, low, high)

    @staticmethod
    def _tails(values: Floats) -> tuple[float, float, float]:
        """How far the tails of values [n] reach, and their quartiles."""
        first, low, median, high, last = np.quantile(values, [0.01, 0.25, 0.5, 0.75, 0.99])
        return max(last - median, median - first) / (high - low) if high > low else 0.0, low, high

    def _choose(self, latest: Floats, far: float, low: float, high: float) -> None:
        if latest.min() <= 0.0:
            return
        of_logs, below, above = self._tails(np.log(latest))
        if of_logs <= SHORTER * far:
            scale = (high - low) / (above - below)
            self._logs = float(latest.min()), (low + high) / 2.0 - scale * (below + above) / 2.0, scale
