"""What is usual in a column: the compiled pass against plain numpy, and what it does to values that are not."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels.inputs.clipping import (
    FARTHEST,
    FIRST,
    LARGEST,
    Clipped,
    Limits,
    ReferenceColumn,
    clip,
    learn,
    new,
    stretched,
    widened,
)

DEVIATIONS, MEMORY = 8.0, 10_000.0
LIMITS = Limits(DEVIATIONS, MEMORY)
Floats = NDArray[np.float64]


def room(X: Floats, soft: bool = False) -> Clipped:
    """Where rows like X go as they are clipped."""
    return Clipped(np.empty_like(X), np.empty_like(X) if soft else np.empty((0, X.shape[1])))


def learnt(X: Floats, cuts: tuple[int, ...] = ()) -> Floats:
    """X as it is clipped, learnt in pieces."""
    usual, nominal, out = new(X.shape[1]), np.zeros(X.shape[1], np.bool_), room(X)
    for start, stop in zip((0, *cuts), (*cuts, len(X)), strict=True):
        learn(usual, nominal, X[start:stop], LIMITS, Clipped(out.hard[start:stop], out.soft))
    return out.hard


def plainly(column: Floats) -> list[float]:
    reference = ReferenceColumn(DEVIATIONS, MEMORY)
    return [reference.learn(x) if math.isfinite(x) else x for x in column.tolist()]


values = st.one_of(
    st.floats(-100, 100),
    st.sampled_from([0.0, 0.0, 1.0, math.nan, math.inf, 1e12, -1.7e308, 1.7e308]),
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000), st.lists(values, max_size=40), st.sampled_from(["normal", "counts", "constant"]))
def test_the_compiled_pass_says_what_plain_numpy_says(seed: int, odd: list[float], kind: str) -> None:
    rng = np.random.default_rng(seed)
    column = {
        "normal": rng.normal(3.0, 2.0, 260),
        "counts": rng.poisson(0.05, 260).astype(float),
        "constant": np.full(260, 7.0),
    }[kind]
    column[rng.integers(0, 260, len(odd))] = odd
    np.testing.assert_allclose(learnt(column[:, None])[:, 0], plainly(column), rtol=1e-9)


def test_how_rows_are_cut_into_calls_changes_no_bit() -> None:
    X = np.random.default_rng(1).standard_t(2, size=(500, 3))
    np.testing.assert_array_equal(learnt(X), learnt(X, (1, 20, 99, 100, 101, 337)))


def test_scoring_clips_as_the_next_row_would_be_and_learns_nothing() -> None:
    rng = np.random.default_rng(2)
    usual, nominal = new(2), np.array([False, True])
    X = rng.normal(size=(300, 2))
    learn(usual, nominal, X, LIMITS, room(X))
    before = [array.copy() for array in usual]
    asked = np.array([[1e9, 1e9], [math.nan, 0.0]])
    both, taken = room(asked, soft=True), room(asked[:1], soft=True)
    clip(usual, nominal, asked, DEVIATIONS, both)
    scored = both.hard
    for old, array in zip(before, usual, strict=True):
        np.testing.assert_array_equal(old, array)
    assert scored[0, 0] < 12.0
    assert scored[0, 1] == 1e9  # a category
    assert math.isnan(scored[1, 0])
    learn(usual, nominal, asked[:1], LIMITS, taken)
    np.testing.assert_array_equal(taken.hard, scored[:1])
    np.testing.assert_array_equal(taken.soft, both.soft[:1])
    assert scored[0, 0] < both.soft[0, 0] < 20.0 * scored[0, 0]
    assert both.soft[0, 1] == 1e9


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=20), st.floats(-100, 100), st.floats(0.0, 100.0))
def test_stretched_values_keep_their_order_and_stay_near(xs: list[float], low: float, width: float) -> None:
    high = low + width
    shown = [stretched(x, low, high) for x in sorted(xs)]
    assert all(a <= b for a, b in pairwise(shown))
    reach = 0.5 * width * FARTHEST * (1.0 + 1e-9)
    assert all(abs(x - (low + 0.5 * width)) <= reach for x in shown)
    assert all(stretched(x, low, high) == x for x in (low, high, low + 0.5 * width) if low <= x <= high)


@pytest.mark.parametrize("place", [30, FIRST - 1, FIRST, 5_000])
def test_one_wrong_value_does_not_widen_what_is_usual(place: int) -> None:
    X = np.random.default_rng(3).normal(size=(6_000, 1))
    spoilt = X.copy()
    spoilt[place] = 1.7e308
    out = learnt(spoilt)
    assert out[place, 0] < 30.0
    rest = np.arange(len(X)) != place
    np.testing.assert_array_equal(out[rest], X[rest])


def test_a_new_scale_is_followed_within_some_thousand_values() -> None:
    X = np.random.default_rng(4).normal(size=(8_000, 1))
    X[2_000:] *= 100.0  # from pounds to pence
    out = learnt(X)
    assert np.abs(out[2_000:2_010]).max() < 20.0
    np.testing.assert_array_equal(out[5_000:], X[5_000:])


def test_counts_that_are_mostly_zero_are_not_flattened() -> None:
    """A column that is 0 in 98 of 100 events has a percentile of 0: its ones and twos are what it has to say."""
    X = np.random.default_rng(5).poisson(0.02, size=(5_000, 1)).astype(float)
    np.testing.assert_array_equal(learnt(X), X)
    X[4_000] = 1e9
    assert learnt(X)[4_000, 0] < 100.0


def test_an_indicator_that_becomes_rare_keeps_its_ones() -> None:
    """The variance of clipped values would fall for ever where fewer than 1 in 64 are not the usual one."""
    rng = np.random.default_rng(8)
    X = (rng.random((40_000, 1)) < 0.15).astype(float)
    X[2_000:] = (rng.random((38_000, 1)) < 0.001).astype(float)
    np.testing.assert_array_equal(learnt(X), X)


def test_a_constant_column_that_begins_to_vary_is_let_through() -> None:
    X = np.zeros((1_000, 1))
    X[500:] = np.random.default_rng(6).normal(50.0, 5.0, size=(500, 1))
    np.testing.assert_array_equal(learnt(X), X)


def test_values_beyond_what_can_be_squared_are_finite_afterwards() -> None:
    X = np.full((300, 1), 1.7e308)
    X[::2] = -1.7e308
    assert np.abs(learnt(X)).max() <= LARGEST


def test_a_column_that_comes_later_begins_at_nothing() -> None:
    usual = new(1)
    X = np.random.default_rng(7).normal(size=(200, 1))
    learn(usual, np.array([False]), X, LIMITS, room(X))
    wider = widened(usual, 2)
    assert wider.known.tolist() == [200.0, 0.0]
    assert widened(wider, 1) is wider
