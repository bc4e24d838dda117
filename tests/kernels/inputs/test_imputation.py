"""Guesses of what is not known: the compiled pass against plain numpy, and how near they come."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels.inputs.imputation import apply, invert, learn
from tocsin.kernels.inputs.imputation_reference import ReferenceImputer
from tocsin.kernels.inputs.imputation_state import BEGUN, ENOUGH, Imputer, Rules, new, widened

RULES = Rules(5, 500.0)
Floats = NDArray[np.float64]


def fresh(columns: int, rows: int = 1_000) -> Imputer:
    return new(columns, rows, np.arange(columns))


def learnt(X: Floats, cuts: tuple[int, ...] = (), delay: int = 0, rows: int = 1_000) -> tuple[Imputer, Floats]:
    """What is known after X, and X with its gaps filled, learnt in pieces."""
    imputer, nominal, out = fresh(X.shape[1], rows), np.zeros(X.shape[1], np.bool_), np.empty_like(X)
    late = np.full(len(X), delay)
    for start, stop in zip((0, *cuts), (*cuts, len(X)), strict=True):
        learn(imputer, nominal, X[start:stop], late[start:stop], RULES, out[start:stop])
    return imputer, out


def with_gaps(X: Floats, share: float, seed: int = 0) -> Floats:
    return np.where(np.random.default_rng(seed).random(X.shape) < share, math.nan, X)


def walk(rows: int, columns: int, seed: int) -> Floats:
    """Columns that hang together, and on the row before."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    for t in range(1, rows):
        X[t] += 0.8 * X[t - 1]
    return X


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 4), st.sampled_from([0.02, 0.3, 0.8]), st.sampled_from([0, 3, 150]))
def test_the_compiled_pass_says_what_plain_numpy_says(seed: int, columns: int, share: float, delay: int) -> None:
    rng = np.random.default_rng(seed)
    X = with_gaps(walk(260, columns, seed), share, seed)
    X[:40] = walk(40, columns, seed + 1)  # the first gap comes late
    nominal = np.zeros(columns + 1, np.bool_)
    nominal[columns] = True
    X = np.column_stack([X, np.where(rng.random(260) < 0.1, math.nan, rng.integers(0, 3, 260))])
    imputer, out = new(columns + 1, 100, np.arange(columns)), np.empty_like(X)
    learn(imputer, nominal, X, np.full(260, delay), RULES, out)
    reference = ReferenceImputer(nominal, 100, np.arange(columns), RULES)
    expected = np.array([reference.learn(x, delay) for x in X])
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-8, equal_nan=True)


def test_the_inverse_is_that_of_numpy() -> None:
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 7, 40):
        half = rng.normal(size=(n, n))
        A = half @ half.T + 0.1 * np.eye(n)
        inverse = A.copy()
        invert(inverse)
        np.testing.assert_allclose(inverse, np.linalg.inv(A), rtol=1e-6, atol=1e-9)


def test_how_rows_are_cut_into_calls_changes_no_bit() -> None:
    X = with_gaps(walk(700, 3, 1), 0.2)
    np.testing.assert_array_equal(learnt(X)[1], learnt(X, (1, 19, 20, 21, 333))[1])


def test_scoring_guesses_what_learning_would_and_learns_nothing() -> None:
    X = walk(400, 3, 2)
    for seen in (X, with_gaps(X, 0.2)):  # before the first gap, and after it
        imputer, _ = learnt(seen)
        before = [array.copy() for array in imputer]
        nominal, asked = np.zeros(3, np.bool_), np.array([[math.nan, 0.5, math.nan], [1.0, 2.0, 3.0]])
        scored, taken = np.empty((2, 3)), np.empty((1, 3))
        apply(imputer, nominal, asked, RULES, scored)
        for old, array in zip(before, imputer, strict=True):
            np.testing.assert_array_equal(old, array)
        learn(imputer, nominal, asked[:1], np.zeros(1, np.int64), RULES, taken)
        np.testing.assert_array_equal(taken, scored[:1])
        assert scored[1].tolist() == [1.0, 2.0, 3.0]
        assert np.isfinite(scored).all()


def error(X: Floats, delay: int = 0) -> Floats:
    """Mean squared error of guesses of each column over that of its mean, from the thousandth row on."""
    gaps = with_gaps(X, 0.2)
    out = learnt(gaps, delay=delay)[1]
    hidden = np.isnan(gaps)
    hidden[:1_000] = False
    wrong, spread = np.where(hidden, out - X, 0.0), np.where(hidden, X - X.mean(axis=0), 0.0)
    result: Floats = (wrong**2).sum(axis=0) / (spread**2).sum(axis=0)
    return result


def test_guesses_use_the_rest_of_the_row_and_the_row_before() -> None:
    assert (error(walk(3_000, 4, 3)) < 0.5).all()
    rng = np.random.default_rng(4)
    curve = rng.uniform(-2.0, 2.0, 3_000)
    bent = np.column_stack([curve, np.cos(3.0 * curve)]) + 0.05 * rng.normal(size=(3_000, 2))
    assert error(bent)[1] < 0.4  # which is no matter of a straight line: neighbours tell
    assert (error(rng.normal(size=(3_000, 4))) < 1.15).all()  # and where there is nothing to tell, little is lost


def test_a_row_before_that_is_long_past_is_trusted_no_more_than_it_is_worth() -> None:
    """Where labels are late the row that was learnt last says nothing: to take it for the row before would mislead."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(3_000, 2))
    for t in range(1, 3_000):
        X[t] += 0.95 * X[t - 1]
    assert (error(X) < 0.3).all()
    assert (error(X, delay=200) < 1.3).all()


def test_a_stream_without_gaps_has_no_covariance() -> None:
    imputer, out = learnt(walk(400, 3, 6))
    assert imputer.counters[BEGUN] == 0
    np.testing.assert_array_equal(out, walk(400, 3, 6))


@pytest.mark.parametrize("always", [0, 1])
def test_what_was_never_known_stays_unknown(always: int) -> None:
    X = with_gaps(walk(300, 2, 7), 0.2)
    X[:, always] = math.nan
    out = learnt(X)[1]
    assert np.isnan(out[:, always]).all()
    known_later = np.flatnonzero(np.isnan(X[ENOUGH + 10 :, 1 - always]))
    assert np.isfinite(out[ENOUGH + 10 :, 1 - always][known_later]).all()


def test_values_that_are_huge_or_infinite_leave_all_finite() -> None:
    X = walk(400, 3, 8)
    X[100, 0], X[200, 1], X[210, 2] = 1e150, math.inf, -1e150
    out = learnt(with_gaps(X, 0.1))[1]
    gaps = np.isnan(with_gaps(X, 0.1))
    assert np.isfinite(out[gaps][60:]).all()


def test_columns_that_come_later_and_fewer_rows_keep_the_latest() -> None:
    X = walk(250, 2, 9)
    imputer, _ = learnt(X, rows=200)
    wider = widened(imputer, 3, 100, np.arange(3))
    np.testing.assert_array_equal(wider.values[:2, :100], X[-100:].T)
    assert np.isnan(wider.values[2]).all()
    asked, out = np.array([[0.0, math.nan, 1.0]]), np.empty((1, 3))
    apply(wider, np.zeros(3, np.bool_), asked, RULES, out)
    assert np.isfinite(out).all()
    learn(wider, np.zeros(3, np.bool_), asked, np.zeros(1, np.int64), RULES, out)
