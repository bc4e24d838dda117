"""A tree's features: which column each one has, and the codes of categories that are not numbers."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding.pool.capacity import room, widened
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES
from tocsin.models.data.frames import Table, is_missing
from tocsin.models.data.labels import sort_key
from tocsin.models.data.snapshot import Arrays, plain_array
from tocsin.models.data.values import as_category, as_number, check_event, read_table

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


class Features:
    """The features that a tree has met, in their order. Columns and categories are added as they come."""

    def __init__(self, nominal_attributes: Collection[Hashable] | None) -> None:
        self._declared = nominal_attributes
        self.columns: dict[Hashable, int] = {}
        """The column of each feature."""
        self.codes: dict[int, dict[Hashable, int]] = {}
        """The code of each category, for the columns whose categories are not numbers."""
        self._sorted: dict[int, list[tuple[tuple[str, str], int]]] = {}
        """The codes of these columns in the order in which their categories sort."""

    def __len__(self) -> int:
        return len(self.columns)

    # Reading events

    def is_word(self, name: Hashable) -> bool | None:
        """Whether a feature's values are categories that are not numbers; None for a feature that is new."""
        column = self.columns.get(name)
        return None if column is None else column in self.codes

    def check(self, x: Mapping[Any, Any]) -> None:
        """Raises ValueError, which names the feature, where an event cannot be learnt as it is."""
        check_event(x)
        for name, value in x.items():
            if not is_missing(value):
                word = self.is_word(name)
                (as_category if word or (word is None and isinstance(value, str)) else as_number)(name, value)

    def row(self, x: Mapping[Any, Any]) -> tuple[Floats, list[int], bool]:
        """An event as a row float64 [1, F], the columns in the order in which x has them, and whether all were known.

        A feature that the tree has not met is left out, and a category that it has not met has the code -1. Raises
        ValueError, which names the feature, for a value that does not fit its column.
        """
        row = np.full((1, len(self.columns)), math.nan)
        order: list[int] = []
        complete = True
        for name, value in x.items():
            if is_missing(value):
                continue
            column = self.columns.get(name, -1)
            if column < 0:
                complete = False
                continue
            codes = self.codes.get(column)
            number = as_number(name, value) if codes is None else codes.get(as_category(name, value), -1)
            row[0, column] = number
            complete = complete and (codes is None or number >= 0)
            if number == number:
                order.append(column)
        return row, order, complete

    def read(self, table: Table, learning: bool) -> Table:
        """The table as `rows`, `starts` and `discover` take it, see `tocsin.models.data.values.read_table`."""
        return read_table(table, self.is_word, learning)

    def rows(self, table: Table) -> Floats:
        """The events of a table that `read` gave, as float64 [B, F]; see `row`."""
        rows = np.full((len(table), len(self.columns)), np.nan)
        for name, values in zip(table.names, table.columns, strict=True):
            column = self.columns.get(name, -1)
            if column < 0:
                continue
            codes = self.codes.get(column)
            if codes is None:
                rows[:, column] = values
            else:
                rows[:, column] = [math.nan if v is None else codes.get(v, -1) for v in values.tolist()]
        return rows

    def order(self, columns: list[int]) -> Ints | None:
        """The columns in the order in which an event has them, the others behind; None for the order of the tree."""
        first = np.array(columns, np.int32)
        if len(first) == len(self.columns) and np.array_equal(first, np.arange(len(first))):
            return None
        others = np.ones(len(self.columns), np.bool_)
        others[first] = False
        return np.concatenate([first, np.flatnonzero(others).astype(np.int32)])

    # Meeting new features

    def discover(self, pool: hoeffding.Pool, x: Mapping[Any, Any]) -> hoeffding.Pool:
        """Add the columns and categories that this event is the first to have; returns the pool with room for them."""
        for name, value in x.items():
            if is_missing(value):
                continue  # it does not tell a number from a category: its column waits for a value that does
            column = self.columns.get(name, -1)
            if column < 0:
                column = len(self.columns)
                pool = self._add_column(pool, name, value)
            codes = self.codes.get(column)
            if codes is not None and (category := as_category(name, value)) not in codes:
                pool = self._add_category(pool, column, category)
        return pool

    def discover_numbered(self, pool: hoeffding.Pool, features: int) -> hoeffding.Pool:
        """Name the columns of an array by their numbers, where no feature is known yet."""
        self.columns = {column: column for column in range(features)}
        nominal = np.array([self._is_nominal(column, 0.0) for column in self.columns], np.bool_)
        return hoeffding.resize(pool, features, _classes(pool), nominal)

    def starts(self, table: Table) -> set[int]:
        """The rows of a table that are the first to have a value in a new column, or a new category."""
        starts: set[int] = set()
        for name, values, i in zip(table.names, table.columns, range(len(table.names)), strict=True):
            column = self.columns.get(name, -1)
            if column < 0:
                starts.update(np.flatnonzero(table.known(i))[:1].tolist())
            if values.dtype.kind == "O" and (column < 0 or column in self.codes):
                first = {value: row for row, value in reversed(list(enumerate(values.tolist()))) if value is not None}
                starts.update(row for value, row in first.items() if value not in self.codes.get(column, {}))
        return starts

    def _is_nominal(self, name: Hashable, value: Any) -> bool:
        declared = self._declared is not None and name in self._declared
        return declared or isinstance(value, str)

    def _add_column(self, pool: hoeffding.Pool, name: Hashable, value: Any) -> hoeffding.Pool:
        column = len(self.columns)
        nominal = self._is_nominal(name, value)
        self.columns[name] = column
        pool = hoeffding.resize(pool, column + 1, _classes(pool), np.array([nominal]))
        if isinstance(value, str):
            pool.coded[pool.nominal[column]] = 1
            self.codes[column] = {}
            self._sorted[column] = []
        return pool

    def _add_category(self, pool: hoeffding.Pool, column: int, value: str) -> hoeffding.Pool:
        code = len(self.codes[column])
        self.codes[column][value] = code
        insort(self._sorted[column], (sort_key(value), code))
        keys = widened(pool.value_key, 1, room(pool.value_key.shape[1], code + 1))
        order = [code for _, code in self._sorted[column]]
        keys[pool.nominal[column], order] = np.arange(len(order))
        return pool if keys is pool.value_key else pool.replaced(value_key=keys)

    # Snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The names and categories as arrays. Raises SnapshotError where they do not fit such."""
        categories = [(column, value) for column, codes in self.codes.items() for value in codes]
        return {
            "columns": plain_array(list(self.columns), "feature names"),
            "category_column": np.array([column for column, _ in categories], np.int32),
            "categories": plain_array([value for _, value in categories], "categories"),
        }

    def load_state_dict(self, arrays: Arrays, pool: hoeffding.Pool) -> None:
        """Take over what `state_dict` gave for the tree in `pool`. Raises KeyError, ValueError or IndexError."""
        self.columns = {name: i for i, name in enumerate(arrays["columns"].tolist())}
        coded = [i for i in range(len(self.columns)) if pool.nominal[i] >= 0 and pool.coded[pool.nominal[i]]]
        self.codes = {i: {} for i in coded}
        for column, value in zip(arrays["category_column"].tolist(), arrays["categories"].tolist(), strict=True):
            self.codes[column][value] = len(self.codes[column])
        self._sorted = {
            column: sorted((sort_key(value), code) for value, code in codes.items())
            for column, codes in self.codes.items()
        }


def _classes(pool: hoeffding.Pool) -> int:
    return int(pool.counters[N_CLASSES])
