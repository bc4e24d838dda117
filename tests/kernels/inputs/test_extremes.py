"""Extremes that come with rare classes: the compiled pass against plain numpy, and which columns are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels.inputs.clipping import Clipped
from tocsin.kernels.inputs.extremes import Extremes, apply, learn, new, reference, widened

Floats, Bools = NDArray[np.float64], NDArray[np.bool_]


def learnt(clipped: Clipped, odd: Bools, cuts: tuple[int, ...] = ()) -> tuple[Extremes, Floats]:
    """What is known after the events, and they as they were shown, learnt in pieces."""
    state, out = new(clipped.hard.shape[1]), np.empty_like(clipped.hard)
    for start, stop in zip((0, *cuts), (*cuts, len(odd)), strict=True):
        piece = Clipped(clipped.hard[start:stop], clipped.soft[start:stop])
        learn(state, piece, odd[start:stop], out[start:stop])
    return state, out


def events(seed: int, of_rare: float, of_others: float, n: int = 3_000) -> tuple[Clipped, Bools]:
    """One column; so many of the rare and of the other values are beyond the bound of 8."""
    rng = np.random.default_rng(seed)
    odd = rng.random(n) < 0.02
    beyond = rng.random(n) < np.where(odd, of_rare, of_others)
    soft = np.where(beyond, rng.uniform(8.0, 40.0, n), rng.normal(size=n))[:, None]
    return Clipped(np.minimum(soft, 8.0), soft), odd


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([0.0, 0.01, 0.1]))
def test_the_compiled_pass_says_what_plain_numpy_says(seed: int, of_rare: float, of_others: float) -> None:
    clipped, odd = events(seed, of_rare, of_others, 700)
    np.testing.assert_array_equal(learnt(clipped, odd)[1][:, 0], reference(clipped.hard[:, 0], clipped.soft[:, 0], odd))


def test_how_rows_are_cut_into_calls_changes_no_bit() -> None:
    clipped, odd = events(1, 0.5, 0.01)
    np.testing.assert_array_equal(learnt(clipped, odd)[1], learnt(clipped, odd, (1, 49, 50, 51, 1_234))[1])


@pytest.mark.parametrize(
    ("of_rare", "of_others", "tells"), [(0.3, 0.001, True), (0.02, 0.02, False), (0.0, 0.0, False)]
)
def test_only_extremes_that_come_with_rare_classes_are_shown(of_rare: float, of_others: float, tells: bool) -> None:
    for seed in range(5):
        state, _ = learnt(*events(seed, of_rare, of_others))
        assert state.tells.tolist() == [tells]


def test_wrong_records_in_many_columns_open_hardly_any() -> None:
    """One in a hundred values is wrong, whatever the class: by chance alone no column should be shown."""
    rng = np.random.default_rng(2)
    odd = rng.random(20_000) < 0.01
    soft = np.where(rng.random((20_000, 50)) < 0.01, 30.0, 0.0)
    state, out = learnt(Clipped(np.minimum(soft, 8.0), soft), odd)
    assert (out > 8.0).mean() < 1e-4
    assert state.tells.sum() <= 1


def test_a_column_that_comes_later_tells_nothing() -> None:
    state, _ = learnt(*events(3, 0.5, 0.0))
    wider = widened(state, 2)
    assert wider.tells.tolist() == [True, False]
    assert widened(wider, 1) is wider
    out = np.empty((1, 2))
    apply(wider, Clipped(np.array([[8.0, 8.0]]), np.array([[20.0, 20.0]])), out)
    assert out.tolist() == [[20.0, 8.0]]
