"""Gaps of what is remembered: the compiled fill against plain sorting."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.experts.neighbours import BLOCK, Remembered
from tocsin.kernels.experts.own_class import fill, reference_fill


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 6), st.integers(0, 3 * BLOCK), st.integers(1, 3))
def test_gaps_are_filled_as_the_reference_fills_them(seed: int, columns: int, held: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(-2, 3, (columns, held + 1)).astype(np.float64)
    values[rng.random(values.shape) < 0.2] = math.nan
    row = np.where(rng.random(columns) < 0.4, math.nan, rng.normal(size=columns))
    labels, nominal = rng.integers(0, classes, held + 1), rng.random(columns) < 0.3
    factor = rng.choice([0.0, 0.5, 1.0], columns)
    expected = reference_fill(values[:, :held], labels[:held], 0, row, factor, nominal)
    fill(Remembered(values, 0, held), labels, 0, row, factor, nominal)
    np.testing.assert_allclose(row, expected, rtol=1e-12, equal_nan=True)


def test_a_gap_is_filled_by_the_class_and_not_by_the_nearest_of_all() -> None:
    values = np.array([[0.0, 0.1, 0.2, 5.0, 5.1, 5.2], [1.0, 1.0, 1.0, 9.0, 9.0, 9.0]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    row = np.array([0.1, math.nan])
    fill(Remembered(values, 0, 6), labels, 1, row, np.ones(2), np.zeros(2, np.bool_))
    assert row.tolist() == [0.1, 9.0]
