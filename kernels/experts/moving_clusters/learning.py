"""The fold: events are answered and learnt one after the other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.common.moments import LARGEST, inverse_scale, learn_row
from tocsin.kernels.decision.calibration import fitted
from tocsin.kernels.experts.moving_clusters.births import UNKNOWN_VARIANCE, Arrival, begin_cluster, place_column
from tocsin.kernels.experts.moving_clusters.density import (
    EUCLIDEAN,
    MAXIMUM,
    Likelihoods,
    class_shares,
    likelihoods,
    room_for,
    sum_columns,
)
from tocsin.kernels.experts.moving_clusters.motion import LEAST_WEIGHT, MOST_WEIGHT, RATE, Event, move
from tocsin.kernels.experts.moving_clusters.state import (
    LOG_RATIO,
    LOSS,
    SHAPE,
    SPEED,
    STRENGTH,
    UNIT,
    Clusters,
    Model,
    Recent,
)

Floats = NDArray[np.float64]

FADE = 0.999
"""What a share keeps at each event."""
LARGEST_UNIT = 1e100
LEAST_PART = 0.02
"""A cluster learns an event that is at least so far its own."""
LEAST_SHAPE = 0.3
SHAPE_EVERY = 200
"""The shape is fitted at one event in so many, counted from the first."""
LEAST_PROBABILITY = 1e-3
"""A log loss is that of at least this probability, so that no single event decides on the norm."""


@kernel
def evidence(model: Model, X: Floats, now: int, most: float, out: Floats) -> None:
    """The evidence for X [B, F] into `out` [B, K], after `now` events; zeros where no value is known."""
    found = Likelihoods(*room_for(len(model.clusters.label)))
    norm = better_norm(model.figures)
    strength = min(model.figures[STRENGTH], most)
    for b in range(len(X)):
        out[b] = 0.0
        if likelihoods(model, X[b], now, found) > 0:
            class_shares(model.clusters.label, found.logs[norm], out[b])
            out[b] *= strength


@kernel
def learn(model: Model, events: Labelled, most: float, seen: int, answers: Floats) -> int:
    """Learn B events in order, after `seen` others; returns how many have been learnt.

    `most` bounds the strength. `answers` [B, K] is filled with the evidence for each event just before it is learnt;
    [0, 0] where nobody asks.
    """
    figures, classes = model.figures, len(model.recent.latest)
    found = Likelihoods(*room_for(len(model.clusters.label)))
    shares = np.empty((2, classes))
    for i in range(len(events.X)):
        x, y, weight = events.X[i], events.y[i], min(max(events.weight[i], LEAST_WEIGHT), MOST_WEIGHT)
        d = likelihoods(model, x, seen, found)
        if d > 0:
            norm = better_norm(figures)
            for other in range(2):
                class_shares(model.clusters.label, found.logs[other], shares[other])
            if len(answers) > 0:
                answers[i] = shares[norm] * min(figures[STRENGTH], most)
            _judge(figures, shares[:, y], norm, classes, weight, seen, most)
            best = _learn_clusters(model, Event(x, seen, d, weight, 0.0, 0.0), y, found, found.logs[norm])
            begin_cluster(model, Arrival(x, y, seen, norm, best), d)
        elif len(answers) > 0:
            answers[i] = 0.0
        if seen % SHAPE_EVERY == SHAPE_EVERY - 1:
            figures[SHAPE] = max(fitted_shape(figures[LOG_RATIO]), LEAST_SHAPE)
        _fade(model.clusters, figures)
        _remember(model.recent, x, y, seen)
        learn_row(model.moments.rows, model.moments.mean, model.moments.square, model.moments.memory, x)
        _scale(model)
        seen += 1
    return seen


@kernel
def better_norm(figures: Floats) -> int:
    """The norm with the lower log loss of late."""
    return EUCLIDEAN if figures[LOSS + EUCLIDEAN] <= figures[LOSS + MAXIMUM] else MAXIMUM


@kernel
def _judge(figures: Floats, p: Floats, norm: int, classes: int, weight: float, seen: int, most: float) -> None:
    """Learn which norm and what strength fit, from what each norm had said [2] of the true class."""
    step = max(RATE, 1.0 / (seen + 1.0))
    for other in range(2):
        loss = -math.log(max(p[other], LEAST_PROBABILITY))
        figures[LOSS + other] += step * (loss - figures[LOSS + other])
    figures[STRENGTH] = fitted(figures[STRENGTH], p[norm], classes, weight, seen, most)


@kernel
def _learn_clusters(model: Model, event: Event, y: int, found: Likelihoods, logs: Floats) -> float:
    """Have the clusters of class y learn an event, whose `mine` is its weight; returns the greatest of their `logs`."""
    label = model.clusters.label
    best = -np.inf
    for j in range(len(label)):
        if label[j] == y:
            best = max(best, logs[j])
    total = 0.0
    for j in range(len(label)):
        if label[j] == y:
            total += math.exp(logs[j] - best)
    least = best + math.log(LEAST_PART * total)
    for j in range(len(label)):
        if label[j] == y and logs[j] >= least:
            mine = math.exp(logs[j] - best) / total * event.mine
            move(model, j, Event(event.x, event.now, event.d, mine, found.squared[j], found.trace[j]))
    return best


@kernel
def fitted_shape(log_ratio: float) -> float:
    """The a whose gamma distribution has E ln(x / E x) = log_ratio, to 1.5% (Minka 2002, "Estimating a Gamma
    distribution")."""
    s = max(-log_ratio, 1e-6)
    return (3.0 - s + math.sqrt((s - 3.0) ** 2 + 24.0 * s)) / (12.0 * s)


@kernel
def _fade(clusters: Clusters, figures: Floats) -> None:
    """Shares fade without being changed: the next event counts more. Only ratios of them are used."""
    figures[UNIT] /= FADE
    if figures[UNIT] > LARGEST_UNIT:
        # A power of two changes no digit.
        shrink = 2.0 ** -math.floor(math.log2(figures[UNIT]))
        figures[UNIT] *= shrink
        for j in range(len(clusters.share)):
            clusters.share[j] *= shrink
            if clusters.label[j] >= 0:
                clusters.logs[1, j] = math.log(clusters.share[j])


@kernel
def _remember(recent: Recent, x: Floats, y: int, number: int) -> None:
    place = number % len(recent.values)
    for f in range(len(x)):
        recent.values[place, f] = min(max(x[f], -LARGEST), LARGEST) if math.isfinite(x[f]) else np.nan
    recent.previous[place] = recent.latest[y]
    recent.latest[y] = number


@kernel
def _scale(model: Model) -> None:
    """Take the standard deviations of the columns as they are now.

    In a column that begins to vary all clusters rest at its mean; one that varies no longer is left out.
    """
    clusters, moments, factor = model.clusters, model.moments, model.factor
    changed = False
    for f in range(len(factor)):
        now = inverse_scale(moments.rows, moments.square, f)
        if (now > 0.0) != (factor[f] > 0.0):
            changed = True
            for j in range(len(clusters.label)):
                place_column(clusters, f, j, moments.mean[f], UNKNOWN_VARIANCE, model.figures[SPEED])
        factor[f] = now
    if changed:
        sum_columns(clusters, factor)
