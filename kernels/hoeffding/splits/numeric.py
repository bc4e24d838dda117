"""Splits of a numeric feature by a threshold: river's `GaussianSplitter`, sums in its order."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    HIGHEST,
    LEAF,
    LOWEST,
    MEAN,
    NUMERIC,
    SQUARES,
    WEIGHT,
    Floats,
    Header,
)
from tocsin.kernels.hoeffding.splits.criteria import Flags, merit, power


@kernel
def deviations_of(pool: Header, slot: int, f: int, deviations: Floats) -> None:
    """Write the standard deviation of each class of an observer to `deviations` [n], in the observer's order."""
    for i in range(views.n_seen(pool)[slot, f]):
        moments = views.moments(pool)[slot, views.classes(pool)[slot, f, i], f]
        variance = moments[SQUARES] / (moments[WEIGHT] - 1.0) if moments[WEIGHT] > 1.0 else 0.0
        deviations[i] = power(variance, 0.5, variance)


@kernel
def split_by_threshold(
    pool: Header, slot: int, f: int, threshold: float, deviations: Floats, weights: Floats, has: Flags
) -> None:
    """Write the class weights that the Gaussians expect on both sides of a threshold to `weights` [2, n].

    `has` [2, n] takes whether the class was seen on that side; classes stand in the observer's order.
    """
    for i in range(views.n_seen(pool)[slot, f]):
        moments = views.moments(pool)[slot, views.classes(pool)[slot, f, i], f]
        seen = moments[WEIGHT]
        left = 0.0
        has[0, i] = threshold >= moments[LOWEST]
        has[1, i] = not has[0, i] or threshold < moments[HIGHEST]
        if has[0, i] and has[1, i]:
            deviation = deviations[i]
            if deviation != 0.0:
                z = (threshold - moments[MEAN]) / deviation
                left = 0.5 * (1.0 + math.erf(z / math.sqrt(2.0))) * seen
        elif has[0, i]:
            left = seen
        weights[0, i] = left
        weights[1, i] = seen - left


@kernel
def best_threshold(pool: Header, e: int, slot: int, f: int, before: float) -> tuple[float, int, float]:
    """The best of `n_splits` thresholds evenly spaced over the range: its merit, the kind of branch (LEAF: there is
    none), and the threshold."""
    n = views.n_seen(pool)[slot, f]
    classes = views.classes(pool)[slot, f]
    lowest = math.inf
    highest = -math.inf
    for i in range(n):
        lowest = min(lowest, views.moments(pool)[slot, classes[i], f, LOWEST])
        highest = max(highest, views.moments(pool)[slot, classes[i], f, HIGHEST])
    weights = np.empty((2, n))
    has = np.empty((2, n), np.bool_)
    deviations = np.empty(n)
    deviations_of(pool, slot, f, deviations)
    best = -math.inf
    kind = LEAF
    chosen = 0.0
    step = (highest - lowest) / (views.trees(pool)[e].n_splits + 1.0)
    for i in range(views.trees(pool)[e].n_splits):
        threshold = lowest + step * (i + 1)
        if lowest < threshold < highest:
            split_by_threshold(pool, slot, f, threshold, deviations, weights, has)
            worth = merit(pool, e, before, classes, weights, has, 2, n)
            if worth > best:
                best = worth
                kind = NUMERIC
                chosen = threshold
    return best, kind, chosen
