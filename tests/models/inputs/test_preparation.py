"""All that is learnt of the inputs, in turns with being asked: the same bits as one event after the other."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.relevance import RelevanceSettings
from tocsin.models.data.batch import Batch
from tocsin.models.inputs.preparation import Preparation

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


def test_inputs_in_turns_are_those_of_one_event_after_the_other() -> None:
    X, y = rows()
    plain, lagged = new(), new()
    asked, learnt = [], []
    for i in range(ROWS):
        asked.append(plain.apply(Batch.of(X[i : i + 1])))
        if (j := i - DELAY) >= 0:
            learnt.append(plain.learn(Batch.of(X[j : j + 1]), y[j : j + 1], np.array([DELAY])))
    assert plain.relevance.left_out.any()  # or it would not be tried
    both = []
    for start in range(0, ROWS, 130):
        stop = min(ROWS, start + 130)
        first, last = max(0, start - DELAY), stop - DELAY
        ahead = np.maximum(np.arange(start, stop) - DELAY, 0) - first
        late = Batch.of(X[first:last]), y[first:last], np.full(last - first, DELAY)
        both.append(lagged.ask_and_learn(Batch.of(X[start:stop]), ahead, *late))
    assert views([one for one, _ in both]) == views(asked)
    assert views([other for _, other in both]) == views(learnt)
    for name, part in plain.parts().items():
        other = lagged.parts()[name].state_dict()
        for key, array in part.state_dict().items():
            np.testing.assert_array_equal(other[key], array, err_msg=f"{name}.{key}")


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
