"""Which gaps tell something: the compiled pass against plain numpy and scikit-learn, and when a column opens."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import mutual_info_score

from tocsin.kernels.inputs.informative import Informative, ReferenceColumn, apply, g_statistic, learn, new, widened

LEAST = 20.0
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def learnt(X: Floats, y: Ints, classes: int, cuts: tuple[int, ...] = ()) -> tuple[Informative, Floats]:
    informative, out = new(X.shape[1], classes), np.empty_like(X)
    for start, stop in zip((0, *cuts), (*cuts, len(X)), strict=True):
        learn(informative, X[start:stop], y[start:stop], LEAST, out[start:stop])
    return informative, out


def gaps(rows: int, classes: int, seed: int, by_class: float) -> tuple[Floats, Ints]:
    """One column, whose share of gaps rises with the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    return np.where(rng.random(rows) < 0.1 + by_class * y, math.nan, 1.0)[:, None], y


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1_000), st.integers(2, 5), st.sampled_from([0.0, 0.02, 0.1]), st.integers(0, 900))
def test_the_compiled_pass_says_what_plain_numpy_says(seed: int, classes: int, by_class: float, first: int) -> None:
    X, y = gaps(1_500, classes, seed, by_class)
    X[:first] = 1.0
    reference = ReferenceColumn(classes, LEAST)
    expected = [float(reference.learn(math.isnan(x), int(k))) for x, k in zip(X[:, 0], y, strict=True)]
    assert learnt(X, y, classes)[1][:, 0].tolist() == expected


def test_the_statistic_is_the_mutual_information_of_scikit_learn() -> None:
    table = np.array([[30.0, 12.0, 7.0], [3.0, 9.0, 8.0]])
    assert g_statistic(table) == pytest.approx(2.0 * table.sum() * mutual_info_score(None, None, contingency=table))
    assert g_statistic(np.array([[5.0, 0.0], [0.0, 0.0]])) == 0.0


def test_how_rows_are_cut_into_calls_changes_no_bit() -> None:
    X, y = gaps(900, 2, 1, 0.2)
    np.testing.assert_array_equal(learnt(X, y, 2)[1], learnt(X, y, 2, (1, 99, 100, 101, 555))[1])


@pytest.mark.parametrize(("by_class", "opened"), [(0.0, 0), (0.3, 20)])
def test_a_column_opens_only_where_gaps_tell_something(by_class: float, opened: int) -> None:
    assert sum(bool(learnt(*gaps(3_000, 2, seed, by_class), 2)[0].open[0]) for seed in range(20)) == opened


def test_what_told_something_once_is_forgotten() -> None:
    (X, y), (later, labels) = gaps(1_000, 2, 2, 0.5), gaps(6_000, 2, 3, 0.0)
    assert learnt(X, y, 2)[0].open[0]
    assert not learnt(np.concatenate([X, later]), np.concatenate([y, labels]), 2)[0].open[0]


def test_scoring_tells_what_learning_would_and_learns_nothing() -> None:
    informative, _ = learnt(*gaps(500, 2, 4, 0.5), 2)
    before, out = [array.copy() for array in informative], np.empty((2, 1))
    apply(informative, np.array([[math.nan], [0.0]]), out)
    assert out.tolist() == [[1.0], [0.0]]
    for old, array in zip(before, informative, strict=True):
        np.testing.assert_array_equal(old, array)


def test_columns_and_classes_that_come_later_begin_at_nothing() -> None:
    informative, _ = learnt(*gaps(500, 2, 5, 0.5), 2)
    wider = widened(informative, 2, 3)
    assert wider.open.tolist() == [True, False]
    np.testing.assert_array_equal(wider.counts[0, :, :2], informative.counts[0])
    assert wider.counts[1].sum() == 0.0
