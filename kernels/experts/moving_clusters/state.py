"""What the expert of moving clusters knows, as arrays that its kernels change in place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.moments import Moments

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHAPE, LOG_RATIO, SPEED, SPREAD, UNIT, LOSS, STRENGTH, FIGURES = 0, 1, 2, 3, 4, 5, 7, 8
"""The places of `Model.figures`, and their number. `LOSS` is of two: the Euclidean norm's and the maximum norm's."""
REMEMBERED = 2_000
"""How many of the latest events are remembered, to begin clusters from."""
START_SHAPE, START_LOG_RATIO = 1.0, -0.5772156649015329
"""A shape, and the mean of ln(r^2 / mean r^2) that it has."""
START_SPEED = 1e-6
START_SPREAD = 0.25


class Clusters(NamedTuple):
    """C places for clusters and F columns. Covariances and radii are in standard deviations of the columns."""

    label: Ints
    """[C], the class of each cluster; -1 where the place is free."""
    centre: Floats
    """[F, C], in the units of the column, as it was at the time `at`."""
    velocity: Floats
    """[F, C], by which the centre moves at each event, in the units of the column."""
    covariance: Floats
    """[3, F, C], of centre with centre, centre with velocity, velocity with velocity."""
    sums: Floats
    """[4, C], the sums over the columns of these three, and of the squared velocity in standard deviations."""
    spread: Floats
    """[C], the mean squared radius, a theta."""
    weight: Floats
    """[C], the events learnt, each as far as it was the cluster's."""
    share: Floats
    """[C], the same with old events fading, in units of `figures[UNIT]`; 0 where the place is free."""
    logs: Floats
    """[2, C], the logarithms of `spread` and of `share`."""
    at: Floats
    """[C], how many events the model had learnt before the one that the cluster learnt last."""


class Recent(NamedTuple):
    """The latest R events: event number n is in place n modulo R."""

    values: Floats
    """[R, F]; NaN is not known."""
    previous: Ints
    """[R], the number of the event before it that had the same class; -1 where there was none."""
    latest: Ints
    """[K], the number of the latest event of each class; -1 where there was none."""


class Model(NamedTuple):
    """All that is known of F columns and K classes."""

    clusters: Clusters
    recent: Recent
    moments: Moments
    """Of the stream."""
    factor: Floats
    """[F], one over the standard deviation of each column; 0 while it has not varied, and the column is left out."""
    figures: Floats
    """[8], in this order: the shape a; the mean of ln(r^2 / spread); the mean squared velocity in one column; the mean
    of spread / d; what the latest event counts in `share`; the log losses with the Euclidean and with the maximum norm;
    the pseudo-counts that an answer is worth."""


def new(places: int, columns: int, classes: int, moments: Moments) -> Model:
    """A model of so many places for clusters that has learnt nothing."""
    figures = np.zeros(FIGURES)
    figures[SHAPE], figures[LOG_RATIO] = START_SHAPE, START_LOG_RATIO
    figures[SPEED], figures[SPREAD] = START_SPEED, START_SPREAD
    figures[UNIT] = figures[STRENGTH] = 1.0
    clusters = Clusters(
        label=np.full(places, -1, np.int64),
        centre=np.zeros((columns, places)),
        velocity=np.zeros((columns, places)),
        covariance=np.zeros((3, columns, places)),
        sums=np.zeros((4, places)),
        spread=np.ones(places),
        weight=np.zeros(places),
        share=np.zeros(places),
        logs=np.zeros((2, places)),
        at=np.zeros(places),
    )
    values, previous = np.full((REMEMBERED, columns), np.nan), np.full(REMEMBERED, -1, np.int64)
    recent = Recent(values, previous, np.full(classes, -1, np.int64))
    return Model(clusters, recent, moments, np.zeros(columns), figures)
