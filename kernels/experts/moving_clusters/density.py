"""How likely an event is under each cluster, and which classes that speaks for."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import LARGEST
from tocsin.kernels.experts.moving_clusters.state import SHAPE, SPEED, Clusters, Model

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FARTHEST = 10.0
"""In one column two values differ by at most so many standard deviations, so that no outlier moves a cluster far."""
LEAST = 1e-10
"""Squared radii and variances are at least this, so that events which are equal have a finite density."""
BLUR = 0.1
"""The part of the centre's variance that blurs the peak of the density."""
TURNS = 0.7
"""How many turns a cluster makes in one column while it moves by a standard deviation of that column."""
TURN = 4.0
"""What a turn adds to the variance of the velocity, in squared velocities: it may reverse it."""
EUCLIDEAN, MAXIMUM = 0, 1
"""The norms, and their rows in `Likelihoods.logs`."""


class Likelihoods(NamedTuple):
    """One event under each of C clusters; filled by `likelihoods`."""

    squared: Floats
    """[C], the squared distance r^2 from the centre, as if all columns were known."""
    largest: Floats
    """[C], the squared distance in the maximum norm."""
    trace: Floats
    """[C], the variance p of the centre, summed over the columns."""
    logs: Floats
    """[2, C], ln of share times density with either norm, but for a constant; -inf where the place is free."""


@kernel
def room_for(places: int) -> tuple[Floats, Floats, Floats, Floats]:
    """The arrays of `Likelihoods` that are yet to be filled, as a plain tuple."""
    return np.empty(places), np.empty(places), np.empty(places), np.empty((2, places))


@kernel
def likelihoods(model: Model, x: Floats, now: float, found: Likelihoods) -> int:
    """Fill `found` for an event x [F] at the time `now`; returns d, 0 where nothing is known of x."""
    clusters, figures = model.clusters, model.figures
    d = _distances(clusters, model.factor, x, now, found)
    if d == 0:
        return 0
    shape, half, speed = shape_within(figures[SHAPE], d), 0.5 * d, figures[SPEED]
    for j in range(len(clusters.label)):
        if clusters.label[j] < 0:
            found.logs[EUCLIDEAN, j] = found.logs[MAXIMUM, j] = -np.inf
            continue
        squared = found.squared[j]
        moments = clusters.sums[0, j], clusters.sums[1, j], clusters.sums[2, j], clusters.sums[3, j]
        p = predicted_trace(moments, speed, now - clusters.at[j])
        blur = BLUR * p
        blur = blur * blur / (blur + squared)
        log_squared = math.log(squared + blur)
        radial = clusters.logs[1, j] + shape * (log_squared - clusters.logs[0, j] - squared / clusters.spread[j])
        found.trace[j] = p
        found.logs[EUCLIDEAN, j] = radial - half * log_squared
        found.logs[MAXIMUM, j] = radial - half * math.log(found.largest[j] + blur)
    return d


@kernel
def shape_within(shape: float, d: int) -> float:
    """The shape a, which is no more than a Gaussian's in d columns."""
    return min(shape, 0.5 * d)


@kernel
def _distances(clusters: Clusters, factor: Floats, x: Floats, now: float, found: Likelihoods) -> int:
    """Fill the distances. The inner loops run over the clusters, so that they become vectors without moving a sum."""
    squared, largest, elapsed = found.squared, found.largest, found.trace
    places = len(squared)
    for j in range(places):
        squared[j] = largest[j] = 0.0
        elapsed[j] = now - clusters.at[j]
    d = known = 0
    for f in range(len(x)):
        if factor[f] > 0.0:
            d += 1
            if math.isfinite(x[f]):
                known += 1
                value = min(max(x[f], -LARGEST), LARGEST)
                centre, velocity = clusters.centre[f], clusters.velocity[f]
                for j in range(places):
                    away = min(abs(value - (centre[j] + velocity[j] * elapsed[j])) * factor[f], FARTHEST)
                    squared[j] += away * away
                    largest[j] = max(largest[j], away)
    if known == 0:
        return 0
    for j in range(places):
        squared[j] = max(squared[j] * d / known, LEAST)
        largest[j] = max(largest[j] * largest[j], LEAST)
    return d


@kernel
def predicted_trace(sums: tuple[float, float, float, float], speed: float, elapsed: float) -> float:
    """The variance of a centre after so many events, summed over the columns, with the turns that it may have made.

    `sums` is a column of `Clusters.sums`.
    """
    turned = turn_probability(speed, elapsed) * TURN / 3.0 * sums[3]
    return max(sums[0] + elapsed * (2.0 * sums[1] + elapsed * (sums[2] + turned)), LEAST)


@kernel
def turn_probability(speed: float, elapsed: float) -> float:
    """How likely a cluster has turned in one column within so many events; `speed` is the mean squared velocity."""
    return min(TURNS * math.sqrt(speed) * elapsed, 0.5)


@kernel
def class_shares(label: Ints, logs: Floats, out: Floats) -> None:
    """Class probabilities into `out` [K], from the likelihoods [C] with one norm; zeros where there is no cluster."""
    out[:] = 0.0
    top = logs.max()
    if top == -np.inf:
        return
    total = 0.0
    for j in range(len(label)):
        if label[j] >= 0:
            part = math.exp(logs[j] - top)
            out[label[j]] += part
            total += part
    for k in range(len(out)):
        out[k] /= total


@kernel
def sum_columns(clusters: Clusters, factor: Floats) -> None:
    """Sum covariances and squared velocities over the columns anew."""
    clusters.sums[:] = 0.0
    for f in range(len(factor)):
        if factor[f] > 0.0:
            for j in range(len(clusters.label)):
                for part in range(3):
                    clusters.sums[part, j] += clusters.covariance[part, f, j]
                velocity = clusters.velocity[f, j] * factor[f]
                clusters.sums[3, j] += velocity * velocity
