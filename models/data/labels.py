"""Labels of any type, numbered as they were first seen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config import base
from tocsin.models.data.batch import Ints
from tocsin.models.data.frames import is_missing

Label = Any
TABLE = 1 << 16
"""Labels that are whole numbers below this are looked up in a table."""


def sort_key(value: Hashable) -> tuple[str, str]:
    """A key by which values sort that do not compare with one another: by type, then by spelling."""
    return type(value).__name__, value if isinstance(value, str) else repr(value)


def plain_label(label: Label) -> Label:
    """A label as Python's own type. Raises ValueError where the label is missing, that is None or NaN."""
    label = label.item() if isinstance(label, np.generic) else label
    if is_missing(label):
        raise ValueError("y: a label is missing (None or NaN)")
    return label


def event_labels(y: Any) -> NDArray[Any]:
    """The labels [B] of events as an array that keeps what they are: of objects where numpy would make text of numbers.

    Raises ValueError where a label is missing, that is None or NaN.

    >>> event_labels(["spam", 3]).tolist(), event_labels([1, 2]).dtype.kind
    (['spam', 3], 'i')
    """
    array = np.asarray(y)
    if array.dtype.kind in "US" and isinstance(y, list | tuple) and not all(isinstance(label, str) for label in y):
        array = np.fromiter(y, object, len(y))
    kind = array.dtype.kind
    if (kind == "f" and np.isnan(array).any()) or (kind == "O" and any(map(is_missing, array.flat))):
        raise ValueError("y: a label is missing (None or NaN)")
    return array


def class_array(labels: list[Label]) -> NDArray[Any]:
    """The classes as an array [K]: of their own type where they share one that numpy has, else of objects."""
    kinds = {type(label) for label in labels}
    if len(kinds) == 1 and kinds <= {bool, int, float, str}:
        return np.array(labels)
    return np.fromiter(labels, object, len(labels))


def class_name(label: Any) -> str:
    """How a class is named in records, as in `tocsin.config.base`; the label may be numpy's, too.

    >>> class_name(np.bool_(True)), class_name(3)
    ('true', '3')
    """
    return base.class_name(bool(label) if isinstance(label, np.bool_) else label)


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
        """The numbers of the labels, in the order in which the labels sort."""
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
        """The rows of each run of events that brings no new label but at its first event, with their numbers.

        `add` is called for a new label just before its run, so that the model makes room for a label when its event
        comes and nothing depends on how events were cut into batches.
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
            number = add(plain_label(label))
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
