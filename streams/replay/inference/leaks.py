"""Leaks: columns that say the label, because they are copies of it or were set once it was known."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.streams.replay.inference.reading.past_rows import ABSENT

LEAK = 0.98
"""A column that alone avoids so much of the error of the commonest class is left out."""
SUSPICIOUS = 0.85
"""One that alone avoids so much of it is kept, and named."""
_LEAST_RARE = 5
"""Held-out rows outside the commonest class that are needed to judge a column."""
_RANGES = 32
"""Ranges of equally many rows into which the numbers of a column are cut."""
_CELLS = 5_000_000
"""Numbers and classes, multiplied, up to which the best threshold is looked for."""


def avoided(values: Sequence[Any], labels: Sequence[str | None]) -> float | None:
    """How much of the error of always naming the commonest class one column avoids by itself, in [0, 1].

    The column is cut into groups: by its values, by whether there is any, and numbers also by their quantiles and by
    the best single threshold. Each group names the class that is commonest in it among the even rows, and is judged on
    the odd ones, so that a column whose values all differ avoids nothing. The best way of grouping counts. None where
    there are too few labels to say.
    """
    rows = [row for row, label in enumerate(labels) if label is not None]
    y = _numbered([labels[row] for row in rows])
    even = np.arange(len(rows)) % 2 == 0
    train_y, test_y = y[even], y[~even]
    if not len(train_y) or not len(test_y):
        return None
    commonest = int(np.bincount(train_y).argmax())
    errors = int((test_y != commonest).sum())
    if errors < _LEAST_RARE:
        return None
    wrong = errors
    for groups in _groupings([None if (v := values[row]) is ABSENT else v for row in rows], even, train_y):
        named = _commonest_by_group(groups[even], train_y, int(groups.max()) + 1, commonest)
        wrong = min(wrong, int((named[groups[~even]] != test_y).sum()))
    return 1.0 - wrong / errors


def _commonest_by_group(groups: Ints, y: Ints, count: int, default: int) -> Ints:
    """The commonest class of each group, int64 [count]; `default` for one without a row."""
    classes = int(y.max()) + 1
    pairs, times = np.unique(groups * classes + y, return_counts=True)
    order = np.lexsort((times, pairs // classes))
    named = np.full(count, default, np.int64)
    named[pairs[order] // classes] = pairs[order] % classes  # of each group the last one, which is the commonest
    return named


def _groupings(values: Sequence[Any], even: Bools, train_y: Ints) -> Iterator[Ints]:
    """Ways to cut a column into groups, each int64 [rows]."""
    there = np.array([value is not None for value in values])
    yield there.astype(np.int64)
    yield _numbered([value if isinstance(value, Hashable) else None for value in values])
    if not there.any() or not all(type(value) in (int, float) for value in values if value is not None):
        return
    column: Floats = np.array([np.nan if value is None else float(value) for value in values])
    for edges in (_quantiles(column[there]), _threshold(column[even], train_y)):
        groups = np.searchsorted(edges, column, side="right")
        groups[~there] = len(edges) + 1
        yield groups.astype(np.int64)


def _quantiles(known: Floats) -> Floats:
    """What parts the numbers into ranges of equally many rows."""
    edges: Floats = np.unique(np.quantile(known, np.linspace(0, 1, _RANGES + 1)[1:-1]))
    return edges


def _threshold(numbers: Floats, y: Ints) -> Floats:
    """The one number that parts the classes best; none where that would take too long."""
    known = ~np.isnan(numbers)
    numbers, y = numbers[known], y[known]
    classes = int(y.max(initial=0)) + 1
    if not numbers.size or numbers.size * classes > _CELLS:
        return np.empty(0)
    order = np.argsort(numbers, kind="stable")
    below = np.cumsum(np.eye(classes)[y[order]], axis=0)
    right = below.max(axis=1) + (below[-1] - below).max(axis=1)
    best = int(right.argmax())
    threshold: Floats = numbers[order][min(best + 1, numbers.size - 1)][None]
    return threshold


def _numbered(values: Sequence[Hashable]) -> Ints:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values], np.int64)
