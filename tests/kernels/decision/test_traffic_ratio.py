"""The traffic ratio and its metric, against what their formulae say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.kernels.decision import traffic_ratio as kernel

Floats = NDArray[np.float64]


def events(rows: int, columns: int, seed: int, width: int = 0) -> NDArray[np.float32]:
    """Events [D, M] with infinite columns behind them."""
    drawn = np.random.default_rng(seed).normal(size=(columns, rows)).astype(np.float32)
    return np.pad(drawn, ((0, 0), (0, max(width - rows, 0))), constant_values=np.inf)


def by_formula(query: Floats, labelled: Floats, traffic: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    """Of each query [D], by sorting all distances."""

    def logs(held: Floats) -> tuple[Floats, NDArray[np.int64]]:
        distance = np.sqrt(((query[:, :, None] - held[:, None, :]) ** 2).sum(axis=0))
        order = np.argsort(distance, axis=1, kind="stable")[:, :8]
        nearest = np.take_along_axis(distance, order, axis=1)
        return np.log(np.maximum(nearest, kernel.CLOSEST))[:, [0, 1, 2, 4, 7]].mean(axis=1), order

    (far, _), (near, order) = logs(labelled), logs(traffic)
    return far - near, far - near + ratio[order[:, : kernel.SMOOTHED]].mean(axis=1)


@pytest.mark.parametrize("columns", [1, 3, 4, 6, 10, 13])
def test_the_ratio_is_what_its_formula_says(columns: int) -> None:
    query, labelled, traffic = events(50, columns, 1), events(200, columns, 2, 256), events(210, columns, 3, 256)
    ratio = np.random.default_rng(4).normal(size=256)
    own, smooth = np.zeros(50), np.zeros(50)
    kernel.ratios(query, kernel.Compared(labelled, traffic, ratio), own, smooth)
    plain = (a.astype(np.float64) for a in (query, labelled[:, :200], traffic[:, :210]))
    for found, expected in zip((own, smooth), by_formula(*plain, ratio), strict=True):
        assert np.allclose(found, expected, atol=1e-5)


def test_an_event_finds_the_same_alone_and_among_others() -> None:
    query, sets = events(9, 5, 1), kernel.Compared(events(256, 5, 2), events(256, 5, 3), np.arange(256.0))
    own, smooth, one, other = np.zeros(9), np.zeros(9), np.zeros(1), np.zeros(1)
    kernel.ratios(query, sets, own, smooth)
    for i in range(9):
        kernel.ratios(query[:, i : i + 1].copy(), sets, one, other)
        assert (one[0], other[0]) == (own[i], smooth[i])


def test_events_that_came_twice_are_not_infinitely_near() -> None:
    same, apart = np.zeros((2, 256), np.float32), np.ones((2, 256), np.float32)
    own, smooth = np.zeros(1), np.zeros(1)
    kernel.ratios(np.zeros((2, 1), np.float32), kernel.Compared(apart, same, np.zeros(256)), own, smooth)
    assert own[0] == pytest.approx(np.log(np.sqrt(2.0)) - np.log(kernel.CLOSEST))


@pytest.mark.parametrize("columns", [1, 2, 7, 24])
def test_the_metric_is_that_of_discriminant_neighbours(columns: int) -> None:
    rng = np.random.default_rng(columns)
    y = rng.integers(0, 3, 500)
    X = rng.normal(size=(3, columns))[y] + rng.normal(size=(500, columns)) @ rng.normal(size=(columns, columns))
    means = np.array([X[y == c].mean(axis=0) for c in range(3)])
    within = (X - means[y]).T @ (X - means[y]) / 500
    ridge = kernel.RIDGE * np.trace(within) / columns * np.eye(columns)
    total = within + (means[y] - X.mean(axis=0)).T @ (means[y] - X.mean(axis=0)) / 500
    inverse = np.linalg.inv(within + ridge)
    made = kernel.metric(X, y, 3)
    assert np.allclose(made.T @ made, inverse @ (total + ridge) @ inverse)
    out = np.zeros((columns, 4), np.float32)
    kernel.project(X[:4], made, out)
    assert np.allclose(out.T, X[:4] @ made.T, atol=1e-4 * np.abs(X[:4] @ made.T).max())


def test_columns_that_never_varied_leave_the_metric_finite() -> None:
    X = np.zeros((300, 3))
    assert np.isfinite(kernel.metric(X, np.zeros(300, np.int64), 1)).all()
    X[:, 0] = np.random.default_rng(0).normal(size=300)
    X[:, 1] = X[:, 0]
    assert np.isfinite(kernel.metric(X, np.arange(300) % 2, 2)).all()
