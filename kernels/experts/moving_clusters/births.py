"""How clusters begin: from two events of one class that are near one another and far from its clusters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.experts.moving_clusters.density import FARTHEST, LEAST, MAXIMUM, shape_within
from tocsin.kernels.experts.moving_clusters.state import SHAPE, SPEED, SPREAD, UNIT, Clusters, Model, Recent

Floats = NDArray[np.float64]

BEFORE = 120
"""So many of the latest events of the class are looked at. (With 500 accuracy is the same, and it costs more.)"""
NEW_SHARE = 0.1
"""The share with which a remembered event competes with the clusters."""
FIRST_SHARE = 2.0
"""The share of a new cluster."""
FIRST_VARIANCE = 0.5
"""The variance of its centre, summed over the columns, in squared distances of the two events."""
MOST_EXPONENT = 700.0
"""No float64 is greater than the exponential of a little more."""
UNKNOWN_VARIANCE = 1.0
"""The variance of the centre in a column in which neither event is known: the column's own."""


class Arrival(NamedTuple):
    """An event that may begin a cluster."""

    x: Floats
    """[F]"""
    y: int
    now: int
    """Events learnt before it."""
    norm: int
    best: float
    """The greatest log likelihood of the event under a cluster of its class, in that norm."""


@kernel
def begin_cluster(model: Model, event: Arrival, d: int) -> None:
    """Begin a cluster where a remembered event explains this one better than all clusters of its class."""
    figures = model.figures
    spread, shape, share = figures[SPREAD] * d, shape_within(figures[SHAPE], d), math.log(NEW_SHARE * figures[UNIT])
    # Whatever r^2 is, a (ln r^2 - ln spread - r^2 / spread) <= -a: farther events than this need not be looked at.
    limit = math.exp(min((share - shape - event.best) / (0.5 * d), MOST_EXPONENT))
    place, squared, near = nearest_recent(model.recent, model.factor, event, limit)
    if place < 0:
        return
    radial = shape * (math.log(squared) - math.log(spread) - squared / spread)
    if share + radial - 0.5 * d * math.log(near) <= event.best:
        return
    clusters = model.clusters
    j = int(clusters.share.argmin())
    clusters.label[j], clusters.at[j], clusters.weight[j] = event.y, event.now, 0.0
    clusters.spread[j], clusters.share[j] = spread, FIRST_SHARE * figures[UNIT]
    clusters.logs[0, j], clusters.logs[1, j] = math.log(spread), math.log(clusters.share[j])
    variance, speed, other = FIRST_VARIANCE * squared / d, figures[SPEED], model.recent.values[place]
    clusters.sums[:, j] = 0.0
    for f in range(len(event.x)):
        mine, theirs = math.isfinite(event.x[f]), math.isfinite(other[f])
        if mine and theirs:
            place_column(clusters, f, j, 0.5 * (event.x[f] + other[f]), variance, speed)
        elif mine or theirs:
            place_column(clusters, f, j, event.x[f] if mine else other[f], variance, speed)
        else:
            place_column(clusters, f, j, model.moments.mean[f], UNKNOWN_VARIANCE, speed)
        if model.factor[f] > 0.0:
            clusters.sums[0, j] += clusters.covariance[0, f, j]
            clusters.sums[2, j] += speed


@kernel
def place_column(clusters: Clusters, f: int, j: int, centre: float, variance: float, speed: float) -> None:
    """Say that the centre of cluster j rests in column f, as far as is known; `speed` is the mean squared velocity."""
    clusters.centre[f, j], clusters.velocity[f, j] = centre, 0.0
    clusters.covariance[0, f, j], clusters.covariance[1, f, j], clusters.covariance[2, f, j] = variance, 0.0, speed


@kernel
def nearest_recent(recent: Recent, factor: Floats, event: Arrival, limit: float) -> tuple[int, float, float]:
    """The nearest of the latest events of the class: its place, -1 where none is nearer than `limit`, its squared
    distance, and the same in the norm asked for. Of equals the later one."""
    x, by_largest, values = event.x, event.norm == MAXIMUM, recent.values
    found, squared, near = -1, np.inf, limit
    number, oldest = recent.latest[event.y], event.now - len(values)
    for _ in range(BEFORE):
        if number < 0 or number < oldest:
            break
        place = number % len(values)
        total = largest = 0.0
        d = known = 0
        for f in range(len(x)):
            if factor[f] > 0.0:
                d += 1
                away = abs(x[f] - values[place, f]) * factor[f]
                if math.isfinite(away):
                    known += 1
                    away = min(away, FARTHEST)
                    total += away * away
                    largest = max(largest, away * away)
                    if (largest if by_largest else total) >= near:
                        break  # whatever follows, it is no nearer
        if known > 0:
            total = max(total * d / known, LEAST)
            in_norm = max(largest, LEAST) if by_largest else total
            if in_norm < near:
                found, squared, near = place, total, in_norm
        number = recent.previous[place]
    return found, squared, near
