"""Keyed rows: a row of numbers for each value of a key, of which the most that are kept are those touched last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np

from tocsin.kernels.profiles.windows import TOUCHED
from tocsin.models.data.batch import Bools, Floats, Ints


class KeyedRows:
    """The rows, and which value of the key has which.

    >>> known = KeyedRows(width=3, most=2)
    >>> known.place(["anna", "bob", None, "carl"])[0].tolist(), known.names
    ([0, 1, -1, 0], ['carl', 'bob'])
    """

    def __init__(self, width: int, most: int) -> None:
        self.width = width
        self._most = most
        self.rows: Floats = np.zeros((0, width))
        """[N, width], with room for more values than there are."""
        self.names: list[str] = []
        """The value that each row is of."""
        self.places: OrderedDict[str, int] = OrderedDict()
        """The row of each value, the one touched longest ago first."""
        self.touched = 0
        """How often a row was touched."""
        self.changed: Bools = np.zeros(0, np.bool_)
        """[N], which rows were touched since the caller made all of these False."""

    def place(self, keys: Sequence[str | None]) -> tuple[Ints, Bools]:
        """The rows int64 [B] of values that come one after the other, -1 for None, and which of them are new.

        A new value takes the place of the one that was touched longest ago, where as many as may be are kept.
        """
        place, fresh = [-1] * len(keys), np.zeros(len(keys), np.bool_)
        places = self.places
        for i, key in enumerate(keys):
            if key is None:
                continue
            row = places.get(key)
            if row is None:
                row = self._begin(key)
                fresh[i] = True
            else:
                places.move_to_end(key)
            place[i] = row
        if len(places) > len(self.rows):
            more = max(len(places), min(2 * len(self.rows), self._most)) - len(self.rows)
            self.rows = np.concatenate([self.rows, np.zeros((more, self.width))])
            self.changed = np.concatenate([self.changed, np.zeros(more, np.bool_)])
        rows = np.array(place, np.int64)
        self.changed[rows[rows >= 0]] = True
        return rows, fresh

    def find(self, keys: Sequence[str | None]) -> Ints:
        """The rows int64 [B] of values, -1 for one that is not known. Nothing changes."""
        return np.array([-1 if key is None else self.places.get(key, -1) for key in keys], np.int64)

    def forget(self, key: str) -> int | None:
        """Forget a value; the last row takes its place. Returns the number of the row that is no more, None for a value
        that is not known."""
        row = self.places.pop(key, None)
        if row is None:
            return None
        last = len(self.names) - 1
        name = self.names.pop()
        if row != last:
            self.names[row], self.places[name] = name, row
            self.rows[row] = self.rows[last]
            self.changed[row] = True
        self.rows[last], self.changed[last] = 0.0, False
        return last

    def _begin(self, key: str) -> int:
        """The row of a new value."""
        if len(self.places) < self._most:
            row = len(self.places)
            self.names.append(key)
        else:
            _, row = self.places.popitem(last=False)
            self.names[row] = key
        self.places[key] = row
        return row

    def restore(self, kept: Iterable[tuple[str, Floats]]) -> None:
        """Take over values with their rows, the first as row 0, in place of all that is known.

        Raises ValueError for a row of another width, for a value that comes twice, and for too many.
        """
        pairs = list(kept)
        self.names = [key for key, _ in pairs]
        if len(set(self.names)) < len(pairs) or len(pairs) > self._most:
            raise ValueError(f"{len(pairs)} rows are more than may be, or two are of one value")
        self.rows = np.array([row for _, row in pairs], np.float64).reshape(len(pairs), self.width)
        order = np.argsort(self.rows[:, TOUCHED], kind="stable").tolist()
        self.places = OrderedDict((self.names[row], row) for row in order)
        self.touched = int(self.rows[order[-1], TOUCHED]) + 1 if order else 0
        self.changed = np.zeros(len(pairs), np.bool_)
