"""How often classes came with categories: the compiled pass against dictionaries, and what is kept of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.kernels.inputs.target_statistics import (
    MISSING,
    WAYS,
    Rates,
    ReferenceTable,
    Table,
    apply,
    learn,
    new,
    rated,
    widened,
)

RATES = Rates(2.0, 0.999)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def stream(rows: int, kinds: int, classes: int, seed: int = 0, columns: int = 2) -> tuple[Floats, Ints]:
    """Categories in every column, some not known, that hang together with the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, rows)
    X = ((rng.integers(0, kinds, (rows, columns)) + y[:, None]) % kinds).astype(float) * 1e9
    return np.where(rng.random(X.shape) < 0.1, math.nan, X), y


def learnt(
    X: Floats, y: Ints, classes: int, slots: int = 1_024, cuts: tuple[int, ...] = (), rates: Rates = RATES
) -> tuple[Table, Floats]:
    table, columns, shown = new(slots, classes), np.arange(X.shape[1]), np.arange(classes)
    out = np.empty((len(X), X.shape[1] * classes))
    for start, stop in zip((0, *cuts), (*cuts, len(X)), strict=True):
        learn(table, columns, shown, X[start:stop], y[start:stop], rates, out[start:stop])
    return table, out


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000), st.integers(2, 4), st.integers(1, 60), st.sampled_from([8, 16, 1_024]))
def test_the_compiled_pass_says_what_dictionaries_say(seed: int, classes: int, kinds: int, slots: int) -> None:
    X, y = stream(300, kinds, classes, seed)
    reference = ReferenceTable(slots, classes, RATES)
    plainly = [reference.learn(row, int(k)).ravel() for row, k in zip(X.tolist(), y, strict=True)]
    np.testing.assert_allclose(learnt(X, y, classes, slots)[1], plainly, rtol=1e-9, atol=1e-12)


def test_how_rows_are_cut_into_calls_changes_no_bit() -> None:
    X, y = stream(500, 90, 3)
    (whole, once), (parts, often) = learnt(X, y, 3, 64), learnt(X, y, 3, 64, (1, 99, 100, 333))
    np.testing.assert_array_equal(once, often)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


def test_scoring_sees_what_learning_would_and_learns_nothing() -> None:
    X, y = stream(500, 20, 2)
    table, _ = learnt(X[:-1], y[:-1], 2)
    before, asked, taken = [array.copy() for array in table], np.empty((1, 4)), np.empty((1, 4))
    apply(table, np.arange(2), np.arange(2), X[-1:], RATES, asked)
    for old, array in zip(before, table, strict=True):
        np.testing.assert_array_equal(old, array)
    learn(table, np.arange(2), np.arange(2), X[-1:], y[-1:], RATES, taken)
    np.testing.assert_array_equal(asked, taken)


def test_no_row_sees_its_own_label() -> None:
    """A category that comes once for each row would give its label away."""
    X, y = np.arange(400.0)[:, None], np.random.default_rng(1).integers(0, 2, 400)
    _, out = learnt(X, y, 2)
    assert abs(np.corrcoef(out[:, 1], y)[0, 1]) < 0.15


def test_a_category_that_is_not_known_is_one_of_its_own() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 400)
    X = np.where((y == 1) & (rng.random(400) < 0.5), math.nan, rng.integers(0, 3, 400))[:, None]
    table, _ = learnt(X, y, 2)
    assert MISSING in table.code[table.column == 0]
    out = np.empty((2, 2))
    apply(table, np.arange(1), np.arange(2), np.array([[math.nan], [1.0]]), RATES, out)
    assert out[0, 1] > 3.0
    assert out[1, 1] < 0.0


def test_a_category_of_which_nothing_is_known_says_what_all_labels_say() -> None:
    X, y = stream(900, 5, 2)
    y[:] = np.random.default_rng(3).random(900) < 0.2
    table, _ = learnt(X, y, 2)
    out = np.empty((1, 4))
    apply(table, np.arange(2), np.arange(2), np.full((1, 2), 77.0), RATES, out)
    assert out[0, 1] == pytest.approx(math.log(0.2 / 0.8), abs=0.2)


def test_what_a_category_meant_is_forgotten_once_it_means_something_else() -> None:
    X, y = np.zeros((2_000, 1)), np.repeat([0, 1], 1_000)
    _, out = learnt(X, y, 2, rates=Rates(2.0, 0.99))
    assert out[999, 1] < -3.0
    assert out[1_100, 1] > 0.0


def test_a_full_set_forgets_the_category_that_came_longest_ago() -> None:
    codes = np.arange(float(WAYS + 1))
    X = np.concatenate([codes[:-1], codes[:1], codes[-1:]])[:, None]
    table, _ = learnt(X, np.ones(len(X), np.int64), 2, slots=WAYS)
    assert sorted(table.code.tolist()) == [0.0, *codes[2:].tolist()]


def test_equal_codes_of_two_columns_are_two_categories() -> None:
    X, y = np.zeros((100, 2)), np.arange(100) % 2
    X[:, 0] = y
    _, out = learnt(X, y, 2)
    assert abs(out[-1, 1]) > 3.0
    assert abs(out[-1, 3]) < 0.5


def test_classes_that_come_later_begin_at_nothing_and_those_beyond_the_bound_count_for_none() -> None:
    X, y = stream(300, 5, 2)
    table, _ = learnt(X, y, 2)
    wider = widened(table, len(table.column), 3)
    np.testing.assert_array_equal(wider.counts[:, :2], table.counts)
    assert not wider.counts[:, 2].any()
    assert wider.labels.tolist() == [*table.labels[:2].tolist(), 0.0, table.labels[2]]
    out = np.empty((300, 4))
    learn(table, np.arange(2), np.arange(2), X, np.full(300, 7), RATES, out)
    assert np.isfinite(out).all()
    assert table.labels[2] > table.labels[:2].sum() + 200


def test_two_classes_have_one_number_and_more_have_one_each_up_to_the_bound() -> None:
    assert [rated(k, 4).tolist() for k in (0, 1, 2, 3, 9)] == [[1], [1], [1], [0, 1, 2], [0, 1, 2, 3]]
