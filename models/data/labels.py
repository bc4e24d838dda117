"""Labels of any type, numbered as they were first seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Ints

Label = Any
TABLE = 1 << 16
"""Labels that are whole numbers below this are looked up in a table."""


def sort_key(value: Hashable) -> tuple[str, str]:
    """How values that do not compare sort."""
    return type(value).__name__, value if isinstance(value, str) else repr(value)


class Labels:
    """Labels, their numbers, and how they sort.

    >>> labels = Labels(["ham", "spam", "eggs"])
    >>> labels.number("spam"), labels.number("beans"), labels.ordered
    (1, -1, ['eggs', 'ham', 'spam'])
    """

    def __init__(self, names: Iterable[Label] = ()) -> None:
        self.names: list[Label] = []
        """By number."""
        self.order: list[int] = []
        """The numbers, as the labels sort."""
        self._numbers: dict[Label, int] = {}
        for name in names:
            self._append(name)
        self._sort()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ordered(self) -> list[Label]:
        """The labels, sorted; by type and spelling where they do not compare."""
        return [self.names[i] for i in self.order]

    @property
    def rank(self) -> Ints:
        """The place of each label among them all, by number."""
        rank = np.empty(len(self.names), np.int64)
        rank[self.order] = np.arange(len(self.names))
        return rank

    def number(self, label: Label) -> int:
        """The number of a label, -1 for one not seen."""
        return self._numbers.get(label, -1)

    def add(self, label: Label) -> int:
        """Number a new label."""
        number = self._append(label)
        self._sort()
        return number

    def numbers(self, y: NDArray[Any]) -> Ints:
        """The numbers [B] of labels [B], -1 for one not seen."""
        if y.dtype.kind in "biu" and y.size and int(y.min()) >= 0 and int(y.max()) < TABLE:
            table = np.full(int(y.max()) + 1, -1, np.int64)
            for label, number in self._numbers.items():
                if isinstance(label, int) and 0 <= label < table.size:
                    table[int(label)] = number
            return table[y.astype(np.intp)]
        return np.array([self._numbers.get(label, -1) for label in y.tolist()], np.int64)

    def runs(self, y: NDArray[Any], add: Callable[[Label], int]) -> Iterator[tuple[slice, Ints]]:
        """Runs of events up to the next new label, with their numbers; `add` is called for a new label.

        A label is learnt of when its event comes, so that nothing depends on the batch it came in.
        """
        start = 0
        found = self.numbers(y)
        new = np.flatnonzero(found < 0)
        while new.size:
            first = int(new[0])
            if first > start:
                yield slice(start, first), found[start:first]
            start = first
            label = y[first]
            number = add(label.item() if isinstance(label, np.generic) else label)
            same = y[new] == label
            found[new[same]] = number
            new = new[~same]
        if start < len(y):
            yield slice(start, len(y)), found[start:]

    def _append(self, label: Label) -> int:
        self._numbers[label] = len(self.names)
        self.names.append(label)
        return self._numbers[label]

    def _sort(self) -> None:
        try:
            self.order = sorted(range(len(self.names)), key=self.names.__getitem__)
        except TypeError:
            self.order = sorted(range(len(self.names)), key=lambda i: sort_key(self.names[i]))
