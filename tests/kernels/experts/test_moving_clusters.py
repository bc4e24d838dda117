"""The kernels of moving clusters against their plain form, and against what each part of it is to do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.kernels.common.labelled import labelled
from tocsin.kernels.common.moments import Moments
from tocsin.kernels.experts.moving_clusters import learning, motion, reference
from tocsin.kernels.experts.moving_clusters.reference import PlainCluster, PlainClusters
from tocsin.kernels.experts.moving_clusters.state import (
    LOG_RATIO,
    LOSS,
    REMEMBERED,
    SHAPE,
    SPEED,
    SPREAD,
    STRENGTH,
    UNIT,
    Model,
    new,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MOST = 100.0
F, K = 3, 3


def moments(columns: int) -> Moments:
    return Moments(np.zeros(columns), np.zeros(columns), np.zeros(columns), 10_000.0)


def events(n: int, seed: int = 0, missing: float = 0.0) -> tuple[Floats, Ints]:
    """Six clouds of three classes that move, two events in three from the first three."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 6, n) % rng.choice([3, 6], n)
    start, way = rng.random((6, F)), rng.normal(size=(6, F)) * 4e-4
    now = 1 - np.abs(1 - (start[which] + way[which] * np.arange(n)[:, None]) % 2)
    X = (now + rng.normal(size=(n, F)) * 0.05) * [1.0, 1e3, 1e-3] + [0.0, 1e6, 0.0]
    X[rng.random(X.shape) < missing] = np.nan
    return X, which % K


def follow(plain: PlainClusters, model: Model) -> None:
    """Give the plain form the state of the kernels: differences in the last digit grow by and by."""
    clusters, unit = model.clusters, model.figures[UNIT]
    for j in np.flatnonzero(clusters.label >= 0).tolist():
        cc, cv, vv = clusters.covariance[:, :, j]
        plain.clusters[j] = PlainCluster(
            label=int(clusters.label[j]),
            centre=clusters.centre[:, j].copy(),
            velocity=clusters.velocity[:, j].copy(),
            covariance=np.array([[cc, cv], [cv, vv]]).transpose(2, 0, 1),
            spread=float(clusters.spread[j]),
            share=float(clusters.share[j] / unit),
            at=int(clusters.at[j]),
            weight=float(clusters.weight[j]),
            squared_speed=float(clusters.sums[3, j]),
        )
    plain.moments = Moments(*(array.copy() for array in model.moments[:3]), model.moments.memory)
    plain.factor = model.factor.copy()
    plain.shape, plain.log_ratio, plain.speed, plain.spread = model.figures[[SHAPE, LOG_RATIO, SPEED, SPREAD]].tolist()
    plain.losses, plain.strength = model.figures[LOSS : LOSS + 2].copy(), float(model.figures[STRENGTH])


def assert_alike(model: Model, plain: PlainClusters) -> None:
    clusters = model.clusters
    for j, cluster in enumerate(plain.clusters):
        if cluster is None:
            assert clusters.label[j] == -1
            continue
        assert cluster.label == clusters.label[j]
        assert cluster.at == clusters.at[j]
        for name in ("spread", "weight"):
            np.testing.assert_allclose(getattr(clusters, name)[j], getattr(cluster, name), rtol=1e-6)
        np.testing.assert_allclose(clusters.share[j] / model.figures[UNIT], cluster.share, rtol=1e-9)
        centre = (clusters.centre[:, j] - cluster.centre) * plain.factor
        velocity = (clusters.velocity[:, j] - cluster.velocity) * plain.factor
        np.testing.assert_allclose([centre, velocity], np.zeros((2, len(centre))), atol=1e-7)
        for place, element in enumerate(((0, 0), (0, 1), (1, 1))):
            found = clusters.covariance[place, :, j]
            np.testing.assert_allclose(found, cluster.covariance[:, *element], rtol=1e-6, atol=1e-12)
    figures = plain.shape, plain.log_ratio, plain.speed, plain.spread, *plain.losses, plain.strength
    found = model.figures[[SHAPE, LOG_RATIO, SPEED, SPREAD, LOSS, LOSS + 1, STRENGTH]]
    np.testing.assert_allclose(found, figures, rtol=1e-8)


@pytest.mark.parametrize(("missing", "places"), [(0.0, 20), (0.15, 8)])
def test_what_is_learnt_is_what_the_plain_form_says(missing: float, places: int) -> None:
    X, y = events(450, 1, missing)
    X[:40, 1] = 5.0  # a column that begins to vary
    X[300, 0] = 1e6  # an outlier
    weight = np.where(np.arange(len(X)) % 7 == 0, 2.0, 0.8)
    model, plain = new(places, F, K, moments(F)), PlainClusters(places, F, K, 10_000.0)
    answer = np.empty((1, K))
    for i in range(len(X)):
        follow(plain, model)
        learning.learn(model, labelled(X[i : i + 1], y[i : i + 1], weight[i : i + 1]), MOST, i, answer)
        np.testing.assert_allclose(answer[0], plain.evidence(X[i], i, MOST), rtol=1e-6, atol=1e-9)
        plain.learn(X[i], int(y[i]), float(weight[i]), MOST)
        assert_alike(model, plain)
    assert (model.clusters.label >= 0).all()


def test_only_the_events_that_are_remembered_begin_a_cluster() -> None:
    """The second event of a class begins a cluster with the first one only as long as that is remembered."""
    rng = np.random.default_rng(0)
    for between, begun in ((REMEMBERED - 1, True), (REMEMBERED, False)):
        X, y = rng.normal(size=(between + 2, 2)), np.zeros(between + 2, np.int64)
        y[0] = y[-1] = 1
        model = new(10, 2, K, moments(2))
        learning.learn(model, labelled(X, y, np.ones(len(X))), MOST, 0, np.empty((0, 0)))
        assert bool((model.clusters.label == 1).any()) is begun


@pytest.mark.parametrize("squared", [1e-8, 0.3, 40.0])
@pytest.mark.parametrize(("shape", "d"), [(0.5, 10), (5.0, 10), (0.5, 1)])
def test_the_gain_is_that_of_the_integral_over_all_radii(squared: float, shape: float, d: int) -> None:
    trace, spread = 0.2, 1.5
    mean, variance = motion.gain(squared, trace, d, spread, shape)
    assert (mean, variance) == pytest.approx(reference.gain(squared, trace, d, spread, shape), rel=1e-9)
    rho = np.exp(np.linspace(math.log(1e-5), math.log(100.0), 20_000))
    u = (trace + rho) / d
    logs = shape * np.log(rho) - rho * shape / spread - d / 2 * np.log(u) - squared / (2 * u)
    assert mean == pytest.approx(np.average(trace / (trace + rho), weights=np.exp(logs - logs.max())), abs=0.02)


@pytest.mark.parametrize("shape", [0.3, 0.5, 1.0, 5.0, 60.0])
def test_the_shape_is_found_from_samples_of_it(shape: float) -> None:
    x = np.random.default_rng(0).gamma(shape, 3.0, 200_000)
    assert learning.fitted_shape(float(np.log(x / x.mean()).mean())) == pytest.approx(shape, rel=0.04)
