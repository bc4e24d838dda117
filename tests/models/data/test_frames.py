"""Frames as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tocsin.models.data.frames import Table, as_frame, is_frame, is_missing, is_series


def test_every_kind_of_column_comes_as_plain_values() -> None:
    frame = pd.DataFrame(
        {
            "float": pd.Series([1.5, None]),
            "small": np.array([0.1, 2.0], np.float32),
            "int": [3, 4],
            "nullable": pd.array([5, None], "Int64"),
            "whole": pd.array([5, 6], "Int64"),
            "flag": [True, False],
            "maybe": pd.array([True, None], "boolean"),
            "text": ["a", None],
            "object": [None, "b"],
            "category": pd.Categorical(["x", None]),
        }
    )
    table = Table.of(frame)
    assert len(table) == 2
    assert table.row(0) == {
        "float": 1.5,
        "small": float(np.float32(0.1)),
        "int": 3,
        "nullable": 5.0,
        "whole": 5,
        "flag": True,
        "maybe": 1.0,
        "text": "a",
        "category": "x",
    }
    assert table.row(1) == {"small": 2.0, "int": 4, "whole": 6, "flag": False, "object": "b"}
    assert table.known(table.names.index("text")).tolist() == [True, False]
    assert table.known(table.names.index("float")).tolist() == [True, False]


def test_pieces_are_cut_before_each_start_and_shown_first() -> None:
    shown: list[dict[Any, Any]] = []
    table = Table.of(pd.DataFrame({"a": range(5)}))
    pieces = [(piece, part.columns[0].tolist()) for piece, part in table.pieces({3, 1}, lambda x: shown.append({**x}))]
    assert pieces == [(slice(0, 1), [0]), (slice(1, 3), [1, 2]), (slice(3, 5), [3, 4])]
    assert shown == [{"a": 0}, {"a": 1}, {"a": 3}]
    assert list(table.between(0, 0).pieces(set(), lambda x: None)) == []


@pytest.mark.parametrize("value", [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT])
def test_what_is_missing(value: Any) -> None:
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, 0.0, "", False, (), np.int64(3)])
def test_what_is_not_missing(value: Any) -> None:
    assert not is_missing(value)


def test_frames_and_series_are_told_from_arrays() -> None:
    frame = pd.DataFrame({"a": [1]})
    assert is_frame(frame)
    assert is_series(frame["a"])
    assert not is_frame(frame["a"])
    assert not is_series(frame)
    assert not is_frame(np.zeros((1, 1)))
    assert not is_series([1])


def test_labels_of_any_type_are_columns() -> None:
    found = as_frame(np.eye(2), pd.DataFrame(index=[7, 8]), [("a", 1), True])
    assert found.columns.tolist() == [("a", 1), True]
    assert found.index.tolist() == [7, 8]
