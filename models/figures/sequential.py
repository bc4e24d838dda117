"""Which of two is right more often, judged again and again: a confidence sequence for differences of -1, 0 or 1.

Of each event one number X is known: 1 where something holds for the second alone, -1 where it holds for the first
alone, else 0. With S the sum of the X so far and V the sum of their squares, which is how many are not 0, and with m_i
the mean that X_i has given all before it,

    exp(l (S - m_1 - ... - m_n) - p(l) V),    p(l) = -log(1 - l) - l,    0 <= l < 1,

is a supermartingale that begins at 1, because exp(l x - p(l) x^2) <= 1 + l x for x >= -1 (Fan, Grama and Liu 2015,
lemma 4.1). So is its mixture over some values of l. By Ville's inequality the mixture ever reaches 1 / alpha with
probability alpha at most. This is the empirical Bernstein confidence sequence of Howard, Ramdas, McAuliffe and Sekhon,
"Time-uniform, nonparametric, nonasymptotic confidence sequences" (Annals of Statistics 2021, theorem 4), with 0 as what
is predicted of each X, and with a discrete mixture (their section 3.5) as the boundary.

Nothing is assumed of the events: neither that they are alike, nor that they do not depend on one another, nor how often
one looks. What lies in the interval is the mean of the m_i: the difference to be expected of those very events, on
average, whatever has drifted meanwhile. It depends on the counts alone, so that counts of several workers add up: they
are then those of one sequence in which each worker's events stand where its counts were told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

_RATES, _RATIO = 60, 1.5
"""How many values of l are mixed, and by which factor one is less than the one before it, from .9 down to 4e-11."""
_K = np.arange(_RATES)
RATES = 0.9 * _RATIO**-_K
"""The values of l."""
WEIGHTS = (_RATES + 1) / _RATES / ((_K + 1) * (_K + 2))
"""The weight of each in the mixture; they add up to 1."""
_PENALTIES = -np.log1p(-RATES) - RATES
_STEPS = 80
"""Halvings of the interval in which the boundary lies."""


class Bounds(NamedTuple):
    """What is known of a difference, from -1 to 1."""

    lower: float
    estimate: float
    upper: float


class Pair(NamedTuple):
    """Of how many events something holds."""

    both: int
    first: int
    """For the first alone."""
    second: int
    """For the second alone."""


@lru_cache(maxsize=1 << 12)
def boundary(variance: int, alpha: float) -> float:
    """What the sum of X less their means ever exceeds with probability `alpha` at most, where V is `variance`.

    Found by halving: the logarithm of the mixture grows with the sum. It is log(1 / alpha) between the boundaries of
    the best l with all of the weight and with its own.
    """
    needed = -math.log(alpha)
    penalties = _PENALTIES * variance
    low = float(((needed + penalties) / RATES).min())
    high = float(((needed - np.log(WEIGHTS) + penalties) / RATES).min())
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        logs = RATES * middle - penalties
        top = float(logs.max())
        if top + math.log(float((WEIGHTS * np.exp(logs - top)).sum())) < needed:
            low = middle
        else:
            high = middle
    return high


def difference(pair: Pair, events: int, confidence: float) -> Bounds:
    """By how much more often it holds for the second than for the first, of so many events.

    The probability that it ever lies outside of [lower, upper], at any number of events, is 1 - `confidence` at most.

    >>> [round(x, 3) for x in difference(Pair(800, 20, 60), 1_000, 0.95)]
    [0.005, 0.04, 0.075]
    >>> difference(Pair(0, 0, 0), 0, 0.95)
    Bounds(lower=-1.0, estimate=0.0, upper=1.0)
    """
    if events <= 0:
        return Bounds(-1.0, 0.0, 1.0)
    wide, total = boundary(pair.first + pair.second, (1.0 - confidence) / 2.0), pair.second - pair.first
    return Bounds(max((total - wide) / events, -1.0), total / events, min((total + wide) / events, 1.0))


def mean_difference(classes: Iterable[tuple[Pair, int]], most: int, confidence: float) -> Bounds:
    """The mean over classes of their differences, each from its own events: that of recalls, say.

    `most` is how many classes there may ever be: each is as sure as it must be for all of them to hold at once
    (Bonferroni). Classes without events are left out.
    """
    sure = 1.0 - (1.0 - confidence) / max(most, 1)
    found = [difference(pair, events, sure) for pair, events in classes if events > 0]
    if not found:
        return Bounds(-1.0, 0.0, 1.0)
    lower, estimate, upper = (sum(part) / len(found) for part in zip(*found, strict=True))
    return Bounds(lower, estimate, upper)
