"""Running means and seasons against plain numpy, and what is no season."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels.experts import time_features as kernel

Floats = kernel.Floats


def season_of(columns: list[Floats], nominal: list[bool] | None = None) -> int:
    """What is found after all events of these columns."""
    past = new_season(len(columns))
    flags = np.array(nominal or [False] * len(columns))
    for x in np.ascontiguousarray(np.column_stack(columns), np.float64):
        kernel.take_into_season(x, flags, past)
    return int(past.state[kernel.LENGTH])


def new_season(columns: int) -> kernel.Season:
    values = np.full((columns, kernel.REMEMBERED), np.nan)
    return kernel.Season(values, np.zeros(columns), np.zeros(columns), np.zeros(2, np.int64))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def day(n: int, length: int = 48) -> Floats:
    """A column that rises through each season, as the hour of a day does."""
    return np.arange(n) % length / length


@pytest.mark.parametrize("length", [3, 7, 24, 48, 60])
def test_a_season_is_found_in_the_first_events(length: int) -> None:
    noisy = np.sin(2 * np.pi * np.arange(200) / length) + 0.3 * rng().normal(size=200)
    assert season_of([noisy, rng().normal(size=200)]) == length


def test_a_year_of_days_is_found_once_two_were_seen() -> None:
    noisy = np.sin(2 * np.pi * np.arange(2_000) / 365) + 0.2 * rng().normal(size=2_000)
    assert season_of([noisy[:400]]) == 0
    assert season_of([noisy]) == pytest.approx(365, abs=15)


@pytest.mark.parametrize("multiple", [2, 7])
def test_of_a_season_and_its_multiple_the_shorter_is_found(multiple: int) -> None:
    n = 1_000
    assert season_of([day(n), day(n, multiple * 48), day(n) + 0.2 * rng().normal(size=n)]) == 48


def test_columns_of_noise_and_trends_do_not_hide_it() -> None:
    n = 400
    columns = [rng().normal(size=n) for _ in range(20)]
    assert season_of([np.arange(n) * 1e3, *columns, day(n) + 0.2 * rng().normal(size=n)]) == 48


def test_missing_values_do_not_hide_it() -> None:
    column = day(400)
    column[rng().random(400) < 0.3] = np.nan
    assert season_of([column]) == 48


NO_SEASON = {
    "noise": rng().normal(size=(2_000, 10)),
    "bits": rng().integers(0, 2, (2_000, 24)).astype(np.float64),
    "trend": np.arange(2_000.0)[:, None],
    "constant": np.full((2_000, 1), 5.0),
    "missing": np.full((2_000, 1), np.nan),
    "extreme": np.where(rng().random((2_000, 1)) < 0.5, 1.7e308, -1.7e308),
    "infinite": np.full((2_000, 1), np.inf),
}


@pytest.mark.parametrize("what", NO_SEASON)
def test_what_has_no_season_is_given_none(what: str) -> None:
    X = NO_SEASON[what]
    for n in (200, 400, 800, 2_000):
        assert season_of(list(X[:n].T)) == 0, n


def test_categories_have_no_season() -> None:
    assert season_of([day(400)], nominal=[True]) == 0


def test_the_mean_of_the_last_season_is_that_of_its_events_whatever_came_before() -> None:
    """An extreme value took all digits of a running sum with it, for good."""
    n, L = 1_500, 48
    X = np.column_stack([day(n), 1e3 * rng().normal(size=n)])
    X[rng().random(X.shape) < 0.1] = np.nan
    X[700, 1] = 1e150
    past, nominal, row = new_season(2), np.zeros(2, np.bool_), np.empty(4)
    for t in range(n):
        kernel.row_of_season(X[t], nominal, past, row)
        if t >= 200 and not 700 < t <= 700 + 2 * L:
            mean = np.nanmean(X[t - L : t], axis=0)
            np.testing.assert_allclose(row[2:], X[t] - mean, rtol=1e-9, atol=1e-9)
        elif t < 200:
            assert np.isnan(row[2:]).all()
        np.testing.assert_array_equal(row[:2], X[t])
        kernel.take_into_season(X[t], nominal, past)
    assert past.state.tolist() == [L, n]


def test_running_means_are_those_of_the_definition() -> None:
    n, horizons = 400, np.array(kernel.HORIZONS)
    X = rng().normal(5.0, 2.0, (n, 2))
    X[rng().random(X.shape) < 0.2] = np.nan
    past = kernel.Averages(np.zeros((2, 8)), np.zeros(2), np.array([0, 3, 7]))
    means, known = np.zeros((2, 8)), np.zeros(2)
    for x in X:
        row = np.empty(2 + 6 + 2)
        kernel.row_of_averages(x, 1, np.zeros(2, np.bool_), past, row)
        expected = np.where(known[:, None] > 0, x[:, None] - means, np.nan)[:, [0, 3, 7]]
        np.testing.assert_allclose(row, [*x, *expected.ravel(), 0.0, 1.0], rtol=1e-12)
        kernel.take_into_averages(x, past)
        there = np.isfinite(x)
        known += there
        share = there[:, None] / np.maximum(np.minimum(known[:, None], horizons), 1)
        means += share * (np.where(there, x, 0.0)[:, None] - means)


def test_a_category_has_no_running_mean() -> None:
    past = kernel.Averages(np.zeros((2, 8)), np.ones(2), np.array([0]))
    row = np.empty(5)
    kernel.row_of_averages(np.array([3.0, 7.0]), -1, np.array([True, False]), past, row)
    assert row.tolist() == [3.0, 7.0, 7.0, 0.0, 0.0]
