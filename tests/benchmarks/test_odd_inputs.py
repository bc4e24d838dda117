"""What the benchmark of odd inputs does to a stream, against what its rows say."""

from __future__ import annotations

import numpy as np
import pytest
from parts.generators import rng
from parts.odd_rows import ROWS, SOURCES, Inputs, label_back, odd

EVENTS = 4_000


def changed(row: str, stream: str = "payments") -> tuple[Inputs, Inputs]:
    return SOURCES[stream](EVENTS, 3), odd(stream, row, EVENTS, 3)


OF_CATEGORIES = [row for row in ROWS if row.startswith("categories")]


@pytest.mark.parametrize("row", [row for row in ROWS if row not in OF_CATEGORIES])
def test_a_row_changes_no_label_and_no_category(row: str) -> None:
    was, now = changed(row)
    width = was.X.shape[1]
    np.testing.assert_array_equal(now.y, was.y)
    np.testing.assert_array_equal(now.X[:, :width][:, was.nominal], was.X[:, was.nominal])
    assert now.nominal[:width].tolist() == was.nominal.tolist()
    assert not now.nominal[width:].any()


def test_labels_so_many_events_before() -> None:
    assert label_back(np.array([3, 4, 5, 6]), 2).tolist() == [0.0, 0.0, 3.0, 4.0]
    now = ROWS["lags"](Inputs(np.zeros((4, 1)), np.array([False]), np.array([3, 4, 5, 6]), 7), rng(0))
    assert now.X[3].tolist() == [0.0, 5.0, 4.0, 3.0, 0.0, 0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(("row", "cells"), [("1.7e308", 1), ("1e12", 3)])
def test_an_outlier_stands_alone(row: str, cells: int) -> None:
    was, now = changed(row)
    assert (was.X != now.X).sum() == cells
    assert np.unique(np.nonzero(was.X != now.X)[0]).tolist() == [EVENTS // 4]


@pytest.mark.parametrize(("row", "share"), [("missing 5", 0.05), ("missing 20", 0.2), ("missing 40", 0.4)])
def test_so_many_numbers_are_missing(row: str, share: float) -> None:
    was, now = changed(row)
    assert np.isnan(now.X[:, ~was.nominal]).mean() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("row", OF_CATEGORIES)
def test_gaps_in_categories_leave_numbers_and_labels_alone(row: str) -> None:
    was, now = changed(row)
    np.testing.assert_array_equal(now.y, was.y)
    np.testing.assert_array_equal(now.X[:, ~was.nominal], was.X[:, ~was.nominal])
    gone = np.isnan(now.X)
    np.testing.assert_array_equal(now.X[~gone], was.X[~gone])
    gaps = gone[:, was.nominal]
    if row == "categories missing by class":
        assert gaps[was.y == 1].mean() == pytest.approx(0.35, abs=0.02)
        assert gaps[was.y == 0].mean() == pytest.approx(0.10, abs=0.02)
    else:
        assert gaps.mean() == pytest.approx(0.2, abs=0.06)
        assert gaps[was.y == 1].mean() == pytest.approx(gaps[was.y == 0].mean(), abs=0.03)


def test_what_is_missing_by_value_is_mostly_above_the_median() -> None:
    was, now = changed("missing by value")
    above = np.median(was.X, axis=0) < was.X
    gone = np.isnan(now.X)
    assert gone[above & ~was.nominal].mean() == pytest.approx(0.4, abs=0.02)
    assert gone[~above & ~was.nominal].mean() == pytest.approx(0.05, abs=0.01)


def test_heavy_tails_keep_the_order_of_values() -> None:
    was, now = changed("heavy tails", "SEA")
    np.testing.assert_array_equal(was.X.argsort(axis=0), now.X.argsort(axis=0))
    assert (now.X.max(axis=0) > 10.0 * np.median(now.X, axis=0)).all()


def test_ten_thousand_merchants_come_twice_each() -> None:
    few, many = (SOURCES[name](20_000, 3) for name in ("payments", "merchants"))
    assert [len(np.unique(inputs.X[:, 3])) for inputs in (few, many)] == [40, pytest.approx(8_650, abs=100)]
