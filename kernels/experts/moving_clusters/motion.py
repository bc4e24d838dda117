"""How one event moves a cluster: a Kalman filter in each column, whose steps fit the radii of the cluster's events."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import LARGEST
from tocsin.kernels.experts.moving_clusters.density import FARTHEST, LEAST, TURN, shape_within, turn_probability
from tocsin.kernels.experts.moving_clusters.state import LOG_RATIO, SHAPE, SPEED, SPREAD, UNIT, Model

Floats = NDArray[np.float64]

RADII = 20
"""So many radii are tried. When squared, each is half of the one before it."""
LARGEST_RADIUS = 16.0
"""The largest of them, squared, in theta."""
LN2 = math.log(2.0)
BOLD = 1.5
"""The noise is taken to be so many times less than what gives the mean gain."""
RATE = 0.002
"""What all clusters have in common follows an event by this part of the difference."""
LEAST_RATE = 0.01
"""The mean squared radius of a cluster follows an event by at least this part of the difference."""
LEAST_WEIGHT, MOST_WEIGHT = 1e-3, 1e3
"""An event counts as many times as its weight, within these bounds, so that the noise of a filter stays finite."""
YOUNG = 3.0
"""The mean squared radius that a cluster begins with counts as that of so many events."""


class Event(NamedTuple):
    """An event as one cluster sees it."""

    x: Floats
    """[F]"""
    now: float
    d: int
    """How many columns have varied."""
    mine: float
    """How far the event is the cluster's, times its weight."""
    squared: float
    """The squared distance r^2."""
    trace: float
    """The variance p of the centre, summed over the columns."""


class Column(NamedTuple):
    """What is known of a cluster in one column before an event, in standard deviations."""

    centre_variance: float
    covariance: float
    velocity_variance: float
    velocity: float


class Step(NamedTuple):
    """What the filter is given in one column, in standard deviations."""

    elapsed: float
    """Events since the cluster last learnt one."""
    error: float
    """Of the predicted centre; 0 where the value is not known."""
    noise: float
    """The variance of the event about the centre; infinite where the value is not known."""
    odds: float
    """Of a turn since then, before the error was seen."""
    doubt: float
    """What the squared error adds to the variance of the centre, because the gain is not known."""


@kernel
def gain(squared: float, p: float, d: int, spread: float, shape: float) -> tuple[float, float]:
    """Mean and variance of the part of the distance, r^2 when squared, by which a centre of variance p follows."""
    log_rho, rate = math.log(LARGEST_RADIUS * spread / shape), shape / spread
    rho = LARGEST_RADIUS * spread / shape
    logs, gains = np.empty(RADII), np.empty(RADII)
    for i in range(RADII):
        u = (p + rho) / d
        gains[i] = p / (p + rho)
        logs[i] = shape * log_rho - rate * rho - 0.5 * (d * math.log(u) + squared / u)
        rho *= 0.5
        log_rho -= LN2
    top = logs.max()
    total = mean = square = 0.0
    for i in range(RADII):
        weight = math.exp(logs[i] - top)
        total += weight
        mean += weight * gains[i]
        square += weight * gains[i] * gains[i]
    mean /= total
    return mean, max(square / total - mean * mean, 0.0)


@kernel
def move(model: Model, j: int, event: Event) -> None:
    """Have cluster j learn an event: its place, its radius and share, and what all clusters have in common."""
    clusters, figures = model.clusters, model.figures
    mine, spread, squared = event.mine, clusters.spread[j], event.squared
    mean, variance = gain(squared, event.trace, event.d, spread, shape_within(figures[SHAPE], event.d))
    mean = min(max(mean, LEAST), 1.0 - LEAST)
    noise = event.trace / event.d * (1.0 - mean) / (BOLD * mine * mean)
    _filter(model, j, event, noise, min(mine, 1.0) * variance)
    rate = min(RATE * mine, 1.0)
    figures[LOG_RATIO] += rate * (math.log(squared) - clusters.logs[0, j] - figures[LOG_RATIO])
    own_rate = min(mine * max(1.0 / (clusters.weight[j] + YOUNG), LEAST_RATE), 1.0)
    clusters.spread[j] = max(spread + own_rate * (squared - spread), LEAST)
    clusters.weight[j] += mine
    clusters.share[j] += mine * figures[UNIT]
    clusters.logs[0, j] = math.log(clusters.spread[j])
    clusters.logs[1, j] = math.log(clusters.share[j])
    figures[SPREAD] += rate * (clusters.spread[j] / event.d - figures[SPREAD])
    figures[SPEED] += rate * (clusters.sums[3, j] / event.d - figures[SPEED])


@kernel
def _filter(model: Model, j: int, event: Event, noise: float, doubt: float) -> None:
    """Predict and correct the centre and the velocity in every column."""
    clusters, factor = model.clusters, model.factor
    covariance, sums = clusters.covariance, clusters.sums
    elapsed = event.now - clusters.at[j]
    turned = turn_probability(model.figures[SPEED], elapsed)
    odds = turned / (1.0 - turned)
    sums[:, j] = 0.0
    for f in range(len(factor)):
        if factor[f] > 0.0:
            centre = clusters.centre[f, j] + clusters.velocity[f, j] * elapsed
            velocity = clusters.velocity[f, j] * factor[f]
            before = Column(covariance[0, f, j], covariance[1, f, j], covariance[2, f, j], velocity)
            if math.isfinite(event.x[f]):
                value = min(max(event.x[f], -LARGEST), LARGEST)
                error = min(max((value - centre) * factor[f], -FARTHEST), FARTHEST)
                moved, sped, cc, cv, vv = corrected(before, Step(elapsed, error, noise, odds, doubt))
            else:
                moved, sped, cc, cv, vv = corrected(before, Step(elapsed, 0.0, np.inf, odds, doubt))
            velocity += sped
            clusters.centre[f, j], clusters.velocity[f, j] = centre + moved / factor[f], velocity / factor[f]
            covariance[0, f, j], covariance[1, f, j], covariance[2, f, j] = cc, cv, vv
            sums[0, j] += cc
            sums[1, j] += cv
            sums[2, j] += vv
            sums[3, j] += velocity * velocity
    clusters.at[j] = event.now


@kernel
def corrected(before: Column, step: Step) -> tuple[float, float, float, float, float]:
    """By how much centre and velocity are corrected in one column, and their covariances (see `Clusters`) after it."""
    t, error = step.elapsed, step.error
    cv, vv = before.covariance + t * before.velocity_variance, before.velocity_variance
    cc = max(before.centre_variance + t * (before.covariance + cv), 0.0)
    turn = TURN * before.velocity * before.velocity
    turn_cc, turn_cv, turn_vv = cc + turn * t * t / 3.0, cv + turn * t / 2.0, vv + turn
    total, turn_total = cc + step.noise, turn_cc + step.noise
    odds, left, turn_left = step.odds, 1.0, 1.0
    if step.noise < np.inf:
        # Not 1 - k, which has no digits left where the centre is far less certain than the event.
        left, turn_left = step.noise / total, step.noise / turn_total
        odds *= math.sqrt(total / turn_total) * math.exp(0.5 * error * error * (1.0 / total - 1.0 / turn_total))
    share = odds / (1.0 + odds)
    stay = 1.0 - share
    k, h = cc / total, cv / total
    turn_k, turn_h = turn_cc / turn_total, turn_cv / turn_total
    # The moments of the two together: the mean of the covariances, and the covariance of the means.
    apart, moved, sped = stay * share, (turn_k - k) * error, (turn_h - h) * error
    new_cc = stay * cc * left + share * turn_cc * turn_left + apart * moved * moved
    new_cv = stay * cv * left + share * turn_cv * turn_left + apart * moved * sped
    new_vv = stay * (vv - cv * h) + share * (turn_vv - turn_cv * turn_h) + apart * sped * sped
    new_cc += step.doubt * error * error
    return (stay * k + share * turn_k) * error, (stay * h + share * turn_h) * error, new_cc, new_cv, max(new_vv, 0.0)
