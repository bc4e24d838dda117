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
    >>> known.place(["anna", "bob", None, "carl"])[0].tolist(), list(known.places)
    ([0, 1, -1, 0], ['bob', 'carl'])
    """

    def __init__(self, width: int, most: int) -> None:
        self.width = width
        self._most = most
        self.rows: Floats = np.zeros((0, width))
        """[N, width]"""
        self.places: OrderedDict[str, int] = OrderedDict()
        """The row of each value, the one touched longest ago first."""
        self.touched = 0
        """How often a row was touched."""
        self.changed: set[str] = set()
        """The values whose rows were touched since the caller emptied this set."""
        self.gone: set[str] = set()
        """Those that were forgotten meanwhile."""

    def place(self, keys: Sequence[str | None]) -> tuple[Ints, Bools]:
        """The rows int64 [B] of values that come one after the other, -1 for None, and which of them are new.

        A new value takes the place of the one that was touched longest ago, where as many as may be are kept.
        """
        place, fresh = np.empty(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        places = self.places
        for i, key in enumerate(keys):
            if key is None:
                place[i] = -1
                continue
            row = places.get(key)
            if row is None:
                row = self._room()
                places[key], fresh[i] = row, True
            else:
                places.move_to_end(key)
            place[i] = row
            self.changed.add(key)
        if len(places) > len(self.rows):
            more = max(len(places), min(2 * len(self.rows), self._most)) - len(self.rows)
            self.rows = np.concatenate([self.rows, np.zeros((more, self.width))])
        return place, fresh

    def find(self, keys: Sequence[str | None]) -> Ints:
        """The rows int64 [B] of values, -1 for one that is not known. Nothing changes."""
        return np.array([-1 if key is None else self.places.get(key, -1) for key in keys], np.int64)

    def _room(self) -> int:
        if len(self.places) < self._most:
            return len(self.places)
        forgotten, row = self.places.popitem(last=False)
        self.changed.discard(forgotten)
        self.gone.add(forgotten)
        return row

    def row(self, key: str) -> Floats:
        """The row [width] of a value that is known."""
        row: Floats = self.rows[self.places[key]]
        return row

    def restore(self, kept: Iterable[tuple[str, Floats]]) -> None:
        """Take over values with their rows, in any order, in place of all that is known.

        Raises ValueError for a row of another width.
        """
        ordered = sorted(kept, key=lambda one: float(one[1][TOUCHED]))[-self._most :]
        self.rows = np.array([row for _, row in ordered], np.float64).reshape(len(ordered), self.width)
        self.places = OrderedDict((key, place) for place, (key, _) in enumerate(ordered))
        self.touched = int(self.rows[-1, TOUCHED]) + 1 if ordered else 0
        self.changed, self.gone = set(), set()
