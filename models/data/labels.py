"""Labels of any type, numbered as they were first seen.

A label has one name, whatever type it comes in: 1, 1.0, `np.int64(1)` and "1" are one label, and so are True and
"true", by which Python and JSON mean the same as by 1. What a model answers is the label as it was first given.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from decimal import Decimal
from numbers import Rational, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config import base
from tocsin.models.data.batch import Ints
from tocsin.models.data.frames import is_missing, missing

Label = Any
_SAME = {"1": "true", "true": "1", "0": "false", "false": "0"}
"""The names of labels that Python holds for equal."""


def sort_key(value: Hashable) -> tuple[str, str]:
    """A key by which values sort that do not compare with one another: by type, then by spelling."""
    return type(value).__name__, value if isinstance(value, str) else repr(value)


def plain_label(label: Label) -> Label:
    """A label as Python's own type.

    Raises ValueError where the label is missing (see `tocsin.models.data.frames.is_missing`) or cannot be one, as a
    list cannot.
    """
    label = label.item() if isinstance(label, np.generic) else label
    if is_missing(label):
        raise ValueError("y: a label is missing (None or NaN)")
    if not isinstance(label, Hashable):
        raise ValueError(f"y: a label is a text, a number or a boolean, not a {type(label).__name__}")
    return label


def event_labels(y: Any) -> NDArray[Any]:
    """The labels [B] of events as an array that keeps what they are: of objects where numpy would change their types.

    Raises ValueError, which names the row, where a label is missing.

    >>> event_labels(["spam", 3]).tolist(), event_labels([1, 2]).dtype.kind
    (['spam', 3], 'i')
    """
    mixed = isinstance(y, list | tuple) and len({type(label) for label in y}) > 1
    array: NDArray[Any] = np.fromiter(y, object, len(y)) if mixed else np.asarray(y)
    absent = np.flatnonzero(missing(array) | np.ma.getmaskarray(y) if np.ma.isMaskedArray(y) else missing(array))
    if absent.size:
        raise ValueError(f"y: a label is missing (None or NaN), in row {absent[0]}")
    return array


def class_array(labels: list[Label]) -> NDArray[Any]:
    """The classes as an array [K]: of their own type where they share one that numpy has, else of objects."""
    kinds = {type(label) for label in labels}
    if len(kinds) == 1 and kinds <= {bool, int, float, str}:
        return np.array(labels)
    return np.fromiter(labels, object, len(labels))


def class_name(label: Any) -> str:
    """How a class is named in records, as in `tocsin.config.base`; the label may be numpy's, too.

    >>> class_name(np.bool_(True)), class_name(3), class_name(3.0), class_name("spam")
    ('true', '3', '3', 'spam')
    """
    label = label.item() if isinstance(label, np.generic) else label
    fraction = isinstance(label, Real | Decimal) and not isinstance(label, Rational)
    return base.class_name(int(label) if fraction and abs(label) < base.WHOLE and label == int(label) else label)


def name_among(known: Container[Hashable], name: str) -> str:
    """The name by which a label is known: that of its equal where only this is known, as 1 is the equal of true.

    >>> name_among(["true"], "1"), name_among(["0", "1"], "false"), name_among([], "1")
    ('true', '0', '1')
    """
    equal = _SAME.get(name)
    return equal if equal is not None and name not in known and equal in known else name


def names_among(known: Iterable[str], labels: Iterable[Label]) -> list[str]:
    """The names of the classes of labels, in order, where each may be the equal of a known one or of one before it.

    >>> names_among(["ham"], ["ham", True, 1, 2])
    ['ham', 'true', 'true', '2']
    """
    seen, names = set(known), list[str]()
    for label in labels:
        names.append(name_among(seen, class_name(label)))
        seen.add(names[-1])
    return names


class Labels:
    """Labels, their numbers, and how they sort.

    >>> labels = Labels(["ham", "spam", "eggs"])
    >>> labels.number("spam"), labels.number("beans"), labels.ordered
    (1, -1, ['eggs', 'ham', 'spam'])
    >>> Labels([1, 2]).number("1"), Labels([True]).number(1.0)
    (0, 0)
    """

    def __init__(self, names: Iterable[Label] = ()) -> None:
        self.names: list[Label] = []
        """By number."""
        self.order: list[int] = []
        """The numbers of the labels, in the order in which the labels sort."""
        self._numbers: dict[Hashable, int] = {}
        """By the name of the label, or by the label itself where it is of another type."""
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
        key = _key(label)
        if isinstance(key, str):
            key = name_among(self._numbers, key)
        return self._numbers.get(key, -1)

    def add(self, label: Label) -> int:
        """Number a new label."""
        number = self._append(label)
        self._sort()
        return number

    def runs(self, y: NDArray[Any], add: Callable[[Label], int]) -> Iterator[tuple[slice, Ints]]:
        """The rows of each run of events that brings no new label but at its first event, with their numbers.

        `add` is called for a new label just before its run, so that the model makes room for a label when its event
        comes and nothing depends on how events were cut into batches.
        """
        distinct, places = _distinct(y)
        found = np.fromiter(map(self.number, distinct), np.int64, len(distinct))[places]
        start = 0
        new = np.flatnonzero(found < 0)
        while new.size:
            first = int(new[0])
            label = distinct[places[first]]
            number = self.number(label)  # it may be the equal of one that was added since
            if number < 0:
                if first > start:
                    yield slice(start, first), found[start:first]
                start = first
                number = add(plain_label(label))
            same = places[new] == places[first]
            found[new[same]] = number
            new = new[~same]
        if start < len(y):
            yield slice(start, len(y)), found[start:]

    def _append(self, label: Label) -> int:
        self._numbers[_key(label)] = number = len(self.names)
        self.names.append(label)
        return number

    def _sort(self) -> None:
        try:
            self.order = sorted(range(len(self.names)), key=self.names.__getitem__)
        except TypeError:
            self.order = sorted(range(len(self.names)), key=lambda i: sort_key(self.names[i]))


def _key(label: Label) -> Hashable:
    """What a label is known by: text, numbers and booleans by their name, others by themselves."""
    if isinstance(label, str):
        return str(label)
    if isinstance(label, Real | Decimal | np.bool_):
        return class_name(label)
    key: Hashable = label.item() if isinstance(label, np.generic) else label
    return key


def _distinct(y: NDArray[Any]) -> tuple[list[Label], Ints]:
    """The different values among labels [B], and the place of each label among these, int64 [B]."""
    if y.dtype.kind in "biuf":
        values, places = np.unique(y, return_inverse=True)
        return values.tolist(), places.reshape(-1)
    seen: dict[Hashable, int] = {}
    first: list[Label] = []
    found = np.empty(y.size, np.int64)
    for row, label in enumerate(y.tolist()):
        found[row] = place = seen.setdefault(_key(plain_label(label)), len(first))
        if place == len(first):
            first.append(label)
    return first, found
