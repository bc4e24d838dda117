"""Which columns tell something of the class: the compiled pass against plain numpy, and when a column is left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels.inputs.relevance import (
    EVERY,
    FADE,
    FEWEST,
    Gate,
    ReferenceColumn,
    Relevance,
    apply,
    excess,
    learn,
    new,
    widened,
)

GATE = Gate(3.0, 6.0)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def learnt(
    X: Floats, y: Ints, classes: int = 2, cuts: tuple[int, ...] = (), gate: Gate = GATE
) -> tuple[Relevance, Floats]:
    relevance, out, nominal = new(X.shape[1], classes), np.empty_like(X), np.zeros(X.shape[1], np.bool_)
    for start, stop in zip((0, *cuts), (*cuts, len(X)), strict=True):
        known = np.isfinite(X[start:stop])
        learn(relevance, nominal, known, X[start:stop], y[start:stop], gate, out[start:stop])
    return relevance, out


def stream(rows: int, seed: int = 0, noise: int = 1) -> tuple[Floats, Ints]:
    """One column that tells the class, and columns of noise; the quartiles are at -.5 and .5."""
    X = np.random.default_rng(seed).normal(size=(rows, 1 + noise)) / 1.35
    return X, (X[:, 0] > 0).astype(np.int64)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1_000), st.integers(2, 5), st.integers(1, 12), st.floats(0.0, 1.0))
def test_the_compiled_pass_says_what_plain_numpy_says(seed: int, classes: int, looks: int, by_class: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, looks * EVERY)
    X = (rng.normal(size=len(y)) + by_class * y)[:, None]
    X[rng.random(X.shape) < 0.1] = math.nan
    relevance, _ = learnt(X, y, classes)
    reference = ReferenceColumn(classes)
    for x, k in zip(X[:, 0], y, strict=True):
        reference.learn(float(x), int(k))
    # What is kept has faded once since the look, which changes no ratio.
    found = excess(relevance.counts[0] / FADE, relevance.squares[0] / FADE**2)
    assert found == pytest.approx(reference.excess(), rel=1e-9, abs=1e-9)


def test_by_chance_the_excess_is_0_with_a_deviation_of_1() -> None:
    X = np.random.default_rng(1).normal(size=(4_000, 200)) / 1.35
    relevance, _ = learnt(X, np.random.default_rng(2).integers(0, 3, 4_000), 3)
    found = [excess(relevance.counts[f] / FADE, relevance.squares[f] / FADE**2) for f in range(200)]
    assert np.mean(found) == pytest.approx(0.0, abs=0.2)
    assert np.std(found) == pytest.approx(1.0, abs=0.2)


def test_how_rows_are_cut_into_calls_changes_no_bit() -> None:
    X, y = stream(2_500, noise=10)
    np.testing.assert_array_equal(learnt(X, y)[1], learnt(X, y, cuts=(1, 99, 100, 101, 999, 1_000, 1_555))[1])


def test_noise_is_left_out_and_what_tells_something_stays() -> None:
    for seed in range(5):
        X, y = stream(3_000, seed, noise=20)
        relevance, out = learnt(X, y)
        assert not relevance.left_out[0]
        assert relevance.left_out[1:].mean() > 0.95
        np.testing.assert_array_equal(out[:FEWEST], X[:FEWEST])
        np.testing.assert_array_equal(out[:, 0], X[:, 0])


def test_nothing_is_left_out_where_columns_tell_something_only_together() -> None:
    """Of an exclusive or no column tells anything alone, also beside one that tells much."""
    X = np.random.default_rng(3).normal(size=(4_000, 3)) / 1.35
    y = np.where(np.abs(X[:, 2]) < 0.4, (X[:, 0] > 0) ^ (X[:, 1] > 0), X[:, 2] > 0).astype(np.int64)
    relevance, _ = learnt(X, y)
    assert relevance.doubt[:2].any()
    assert not relevance.left_out.any()


def test_a_column_that_tells_something_after_a_drift_comes_back() -> None:
    X, y = stream(6_000, noise=10)
    y[3_000:] = X[3_000:, 1] > 0
    _, out = learnt(X, y)
    assert not out[2_500:3_000, 1].any()
    np.testing.assert_array_equal(out[3_300:, 1], X[3_300:, 1])


def test_scoring_sees_what_learning_would_and_learns_nothing() -> None:
    X, y = stream(2_000, noise=9)
    relevance, _ = learnt(X, y)
    assert relevance.left_out.any()
    before, out = [array.copy() for array in relevance], np.empty((3, 10))
    apply(relevance, X[:3], out)
    np.testing.assert_array_equal(out, np.where(relevance.left_out, 0.0, X[:3]))
    for old, array in zip(before, relevance, strict=True):
        np.testing.assert_array_equal(old, array)


def test_categories_and_constants_do_no_harm() -> None:
    X, y = stream(3_000)
    X = np.column_stack([X, np.full(len(X), 7.0), np.full(len(X), np.nan)])
    relevance, out = new(4, 2), np.empty_like(X)
    learn(relevance, np.array([False, True, False, False]), np.isfinite(X), X, y, GATE, out)
    assert relevance.doubt.tolist() == [False, False, True, False]  # a column that was never known is not judged
    assert not relevance.left_out.any()  # it makes no difference
    np.testing.assert_array_equal(out[:, 1], X[:, 1])


def test_columns_and_classes_that_come_later_begin_at_nothing() -> None:
    relevance, _ = learnt(*stream(2_000))
    wider = widened(relevance, 3, 4)
    assert wider.doubt.tolist() == [False, True, False]
    np.testing.assert_array_equal(wider.rows[:2], relevance.rows)
    np.testing.assert_array_equal(wider.counts[:2, :, :2], relevance.counts)
    assert not wider.counts[2].any()
    assert not wider.counts[:, :, 2:].any()


def test_a_rare_class_that_only_columns_together_tell_of_blinds_nobody() -> None:
    """Without any column, all events have the same neighbour, which is right as often as the common class comes."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(12_000, 2)) / 1.35
    y = (((X[:, 0] > 0) ^ (X[:, 1] > 0)) & (rng.random(len(X)) < 0.1)).astype(np.int64)
    relevance, out = learnt(X, y)
    assert relevance.doubt.all()
    np.testing.assert_array_equal(out, X)


def test_a_column_that_is_not_known_any_more_stays_as_it_was() -> None:
    X, y = stream(2_000, noise=9)
    relevance, _ = learnt(X, y)
    counts, squares, doubt = relevance.counts[1].copy(), relevance.squares[1], relevance.doubt[1]
    later, labels = stream(3_000, noise=9)
    later[:, 1] = np.nan
    learn(relevance, np.zeros(10, np.bool_), np.isfinite(later), later, labels, GATE, np.empty_like(later))
    assert doubt
    assert relevance.doubt[1]
    np.testing.assert_array_equal(relevance.counts[1], counts)
    assert relevance.squares[1] == squares
