"""All that is learnt of the inputs, in turns with being asked: the same bits as one event after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.relevance import RelevanceSettings
from tocsin.kernels.experts.rare_class import state
from tocsin.kernels.experts.rare_class.state import count_labels
from tocsin.models.data.batch import Batch
from tocsin.models.inputs.preparation import Preparation
from tocsin.models.inputs.rarity import Rarity

ROWS, COLUMNS, DELAY = 1_900, 8, 3
NAMES = ("X", "filled", "plain", "ranked", "rates")


def new() -> Preparation:
    made = Preparation(InputsSettings())
    made.resize([False] * (COLUMNS - 1) + [True], 3)
    return made


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Two columns of eight tell something; a heavy tail, an outlier, gaps and a category."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, COLUMNS))
    X[:, 2] = np.exp(3.0 * X[:, 2])
    X[:, 7] = rng.integers(0, 50, ROWS)
    X[rng.random(X.shape) < 0.05] = np.nan
    X[500::301, 3] = 1e9
    return X, (np.nan_to_num(X[:, 0]) > 0).astype(np.int64) + (X[:, 7] > 40)


def views(batches: list[Batch]) -> dict[str, bytes]:
    found = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in NAMES}
    gaps = [np.zeros_like(batch.X) if batch.gaps is None else batch.gaps for batch in batches]
    return {name: array.tobytes() for name, array in (found | {"gaps": np.concatenate(gaps)}).items()}


def rarity(y: np.ndarray) -> np.ndarray:
    """Which classes were rare before each label and after all, [B + 1, 3]."""
    before = np.zeros((len(y) + 1, 3), np.bool_)
    count_labels(state.new(0, 3, 0).shares, y, 0.05, before)
    return before


def with_a_rare_class() -> tuple[np.ndarray, np.ndarray]:
    """The same rows; a few events are of a class that comes with extreme values in two columns."""
    X, y = rows()
    y = np.minimum(y, 1)
    y[np.random.default_rng(1).random(ROWS) < 0.02] = 2
    X[y == 2, 4] = 1e3
    X[y == 2, 2] = 1e9
    return X, y


@pytest.mark.parametrize("made", [rows, with_a_rare_class])
def test_inputs_in_turns_are_those_of_one_event_after_the_other(made: Callable[[], tuple[Any, Any]]) -> None:
    X, y = made()
    rare = rarity(y) if made is with_a_rare_class else np.zeros((ROWS + 1, 3), np.bool_)
    plain, lagged = new(), new()
    asked, learnt = [], []
    for i in range(ROWS):
        j = i - DELAY
        asked.append(plain.apply(Batch.of(X[i : i + 1]), bool(rare[max(j, 0)].any())))
        if j >= 0:
            label = y[j : j + 1]
            one = Rarity.of(rare[j : j + 2], label)
            learnt.append(plain.learn(Batch.of(X[j : j + 1]), label, np.array([DELAY]), one))
    assert plain.relevance.left_out.any() or made is with_a_rare_class  # or it would not be tried
    assert plain.clipping.tells[4] == (made is with_a_rare_class)
    both = []
    for start in range(0, ROWS, 130):
        stop = min(ROWS, start + 130)
        first, last = max(0, start - DELAY), stop - DELAY
        ahead = np.maximum(np.arange(start, stop) - DELAY, 0) - first
        late = Batch.of(X[first:last]), y[first:last], np.full(last - first, DELAY)
        some = Rarity.of(rare[first : last + 1], y[first:last])
        both.append(lagged.ask_and_learn(Batch.of(X[start:stop]), ahead, *late, some))
    assert views([one for one, _ in both]) == views(asked)
    assert views([other for _, other in both]) == views(learnt)
    for name, part in plain.parts().items():
        other = lagged.parts()[name].state_dict()
        for key, array in part.state_dict().items():
            np.testing.assert_array_equal(other[key], array, err_msg=f"{name}.{key}")


def test_extremes_that_come_with_a_rare_class_are_not_cut_off() -> None:
    """A fraud's amount lay far beyond the bound: clipped to it, nobody could tell it from a large payment."""
    X, y = with_a_rare_class()
    made, rare = new(), rarity(y)
    made.learn(Batch.of(X), y, np.zeros(ROWS, np.int64), Rarity.of(rare, y))
    asked = np.zeros((3, COLUMNS))
    asked[:, 4] = 5.0, 100.0, 1e12
    usual, shown = made.apply(Batch.of(asked)).filled[:, 4], made.apply(Batch.of(asked), rare=True).filled[:, 4]
    assert usual[1] == usual[2] < 30.0
    assert shown[0] == usual[0]
    assert usual[1] < shown[1] < shown[2] < 400.0


def test_relevance_rests_with_more_columns_than_it_may_cost() -> None:
    made = Preparation(InputsSettings(relevance=RelevanceSettings(columns=7)))
    made.resize([False] * COLUMNS, 2)
    X, y = rows()
    seen = made.learn(Batch.of(X), y % 2, np.zeros(ROWS, np.int64))
    assert not made.relevance.left_out.size
    assert seen.ranked.shape == X.shape
    assert made.apply(Batch.of(X[:2])).ranked.shape == (2, COLUMNS)


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows_are_prepared(count: int) -> None:
    assert new().apply(Batch.of(np.zeros((count, COLUMNS)))).ranked.shape == (count, COLUMNS)


def test_a_column_that_goes_by_rank_is_plain_for_those_who_compare_values() -> None:
    """Ranks have no distance from each other: a seasonal expert lost three points on Electricity's prices by them."""
    made = new()
    X, y = rows()
    seen = made.learn(Batch.of(X), y, np.zeros(ROWS, np.int64))
    by_rank, left_out = seen.ranked[-1, 2], made.relevance.left_out
    assert by_rank != pytest.approx((seen.filled[-1, 2]), abs=0.1)
    asked = made.apply(Batch.of(X[-5:]))
    assert left_out.any()
    np.testing.assert_array_equal(asked.plain, np.where(left_out, 0.0, asked.filled))
