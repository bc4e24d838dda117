"""Columns that tell nothing of the class are left out, one row after the other.

Whatever goes by distance takes each column for as telling as any other, so that twenty columns of noise drown ten that
tell something. For each column the labels are counted by where its values lie, in `BINS` parts of its usual range, and
the likelihood ratio statistic of the table with R rows and C columns that are not empty,

    G = 2 sum over bin i and class k of n_ik log(n_ik n / (n_i n_k)),

is about (R - 1)(C - 1) = d for unrelated labels, with a variance of 2 d (Sokal and Rohlf 1995, Biometry, section 17.4).
The excess (G / s - d) / sqrt(2 d) is 0 by chance, with a standard deviation of 1, where s = sum w^2 / sum w makes up
for counts with faded weights w. A column is in doubt where its excess is below `out`, until it is above `back`.

Columns may tell something together of which none tells anything alone. So those in doubt are left out only where that
helps: the nearest of the last `HELD` rows is looked up with them and without them at one row in `CHECKED`, and of the
labels that only one of the two names, clearly more must be those of the search without them (McNemar's test). A column
that is left out has the value 0, the middle of the ranked values.

`ReferenceColumn` is the same in plain numpy, and a test holds the two together.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

EDGES = (-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0)
"""Between the parts of the range: ranked values have their quartiles at -.5 and .5."""
BINS = len(EDGES) + 1
EVERY = 100
"""Rows between two looks at all columns."""
FADE = 0.95
"""What is kept of the counts at each look."""
FEWEST = 1_000
"""Values of a column that must be known before it is in doubt."""
HELD = 300
"""Rows among which the nearest is looked up."""
CHECKED = 4
"""The nearest is looked up at one row in so many, while a column is in doubt."""
HELPS, NO_MORE = 3.0, 1.0
"""How many standard deviations of McNemar's test columns are left out from, and until it falls below how many."""


class Relevance(NamedTuple):
    """What is known of F columns, changed in place."""

    counts: Floats
    """[F, BINS, K], faded rows by where the value lies and by class."""
    fresh: Ints
    """[F], known values since the last look."""
    squares: Floats
    """[F], the sum of the squared weights of the rows that are counted."""
    known: Ints
    """[F], known values, up to `FEWEST`."""
    doubt: Bools
    """[F], columns that tell nothing by themselves."""
    left_out: Bools
    """[F], those of them that are left out: all or none."""
    rows: Floats
    """[F, HELD], the latest rows, in a ring."""
    labels: Ints
    """[HELD], their labels."""
    right: Floats
    """[2], faded rows whose nearest had the right label only without the columns in doubt, and only with them."""
    clock: Ints
    """[1], rows learnt."""


class Gate(NamedTuple):
    """By what excess columns are left out."""

    out: float
    """Below this one a column is in doubt."""
    back: float
    """Above this one it is not any more."""


def new(columns: int, classes: int) -> Relevance:
    """No value has come yet."""
    F = columns
    return Relevance(
        np.zeros((F, BINS, classes)),
        np.zeros(F, np.int64),
        np.zeros(F),
        np.zeros(F, np.int64),
        np.zeros(F, np.bool_),
        np.zeros(F, np.bool_),
        np.zeros((F, HELD)),
        np.zeros(HELD, np.int64),
        np.zeros(2),
        np.zeros(1, np.int64),
    )


def widened(old: Relevance, columns: int, classes: int) -> Relevance:
    """The same with room for more columns or classes."""
    F, _, K = old.counts.shape
    made: Any = new(max(F, columns), max(K, classes))
    made.counts[:F, :, :K] = old.counts
    for name in ("fresh", "squares", "known", "doubt", "left_out", "rows"):
        getattr(made, name)[:F] = getattr(old, name)
    for name in ("labels", "right", "clock"):
        getattr(made, name)[:] = getattr(old, name)
    return Relevance(*made)


@kernel
def bin_of(x: float) -> int:
    """In which part of the range a ranked value lies."""
    place = 0
    for edge in EDGES:
        place += x > edge
    return place


@kernel
def excess(counts: Floats, squares: float) -> float:
    """By how many standard deviations G of a table of counts [BINS, K] exceeds chance; 0 where nothing varies."""
    rows, K = counts.shape
    by_bin, by_class, n = np.zeros(rows), np.zeros(K), 0.0
    for i in range(rows):
        for k in range(K):
            by_bin[i] += counts[i, k]
            by_class[k] += counts[i, k]
            n += counts[i, k]
    g, bins, classes = 0.0, 0, 0
    for i in range(rows):
        bins += by_bin[i] > 0.0
        for k in range(K):
            if counts[i, k] > 0.0:
                g += 2.0 * counts[i, k] * math.log(counts[i, k] * n / (by_bin[i] * by_class[k]))
    for k in range(K):
        classes += by_class[k] > 0.0
    d = (bins - 1) * (classes - 1)
    if d <= 0:
        return 0.0
    return (g * n / squares - d) / math.sqrt(2.0 * d)


@kernel
def check(relevance: Relevance, nominal: Bools, x: Floats, label: int) -> None:
    """Look up the nearest of the rows that are held, with the columns in doubt and without them."""
    rows, doubt, labels = relevance.rows, relevance.doubt, relevance.labels
    held = min(int(relevance.clock[0]), HELD)
    least, least_without, nearest, nearest_without = math.inf, math.inf, -1, -1
    for j in range(held):
        in_doubt, others = 0.0, 0.0
        for f in range(len(x)):
            distance = x[f] - rows[f, j]
            if nominal[f]:
                distance = 1.0 if distance != 0.0 else 0.0
            square = distance * distance
            if math.isnan(square):
                continue
            if doubt[f]:
                in_doubt += square
            else:
                others += square
        if others < least_without:
            least_without, nearest_without = others, j
        if in_doubt + others < least:
            least, nearest = in_doubt + others, j
    if nearest < 0 or nearest_without < 0:
        return
    without, whole = labels[nearest_without] == label, labels[nearest] == label
    if without and not whole:
        relevance.right[0] += 1.0
    elif whole and not without:
        relevance.right[1] += 1.0


@kernel
def look(relevance: Relevance, nominal: Bools, gate: Gate) -> None:
    """Say which columns are in doubt and whether they are left out, and let all counts fade."""
    counts, fresh, squares, known, doubt, left_out, _, _, right, _ = relevance
    helped, already = right[0] - right[1], left_out.any()
    helps = helped > (NO_MORE if already else HELPS) * math.sqrt(right[0] + right[1])
    for f in range(len(nominal)):
        if fresh[f] == 0:  # nothing has come that could tell anything: the column stays as it is
            continue
        squares[f] += fresh[f]
        limit = gate.back if doubt[f] else gate.out
        doubt[f] = known[f] >= FEWEST and not nominal[f] and excess(counts[f], squares[f]) < limit
    some = not doubt.all()  # without any column, every event would have the same neighbour
    for f in range(len(nominal)):
        left_out[f] = doubt[f] and helps and some
        if fresh[f] == 0:
            continue
        fresh[f] = 0
        squares[f] *= FADE * FADE
        for i in range(BINS):
            for k in range(counts.shape[2]):
                counts[f, i, k] *= FADE
    for side in range(2):
        right[side] *= FADE


@kernel
def apply(relevance: Relevance, X: Floats, out: Floats) -> None:
    """Write ranked values X [B, F] into `out`, with 0 in columns that are left out; nothing changes."""
    for b in range(X.shape[0]):
        for f in range(X.shape[1]):
            out[b, f] = 0.0 if relevance.left_out[f] else X[b, f]


@kernel
def learn(relevance: Relevance, nominal: Bools, known: Bools, X: Floats, y: Ints, gate: Gate, out: Floats) -> None:
    """Write each row of ranked values X [B, F] into `out` as `apply` would by the rows before it, and learn it with its
    label y [B], in order. Only values that are `known` [B, F] are learnt."""
    counts, fresh, _, seen, doubt, left_out, rows, labels, _, clock = relevance
    for b in range(X.shape[0]):
        n = int(clock[0])
        if n % CHECKED == 0 and doubt.any() and not doubt.all():
            check(relevance, nominal, X[b], y[b])
        labels[n % HELD] = y[b]
        for f in range(X.shape[1]):
            x = X[b, f]
            rows[f, n % HELD] = x
            out[b, f] = 0.0 if left_out[f] else x
            if nominal[f] or not known[b, f] or not math.isfinite(x):
                continue
            counts[f, bin_of(x), y[b]] += 1.0
            fresh[f] += 1
            seen[f] = min(seen[f] + 1, FEWEST)
        clock[0] = n + 1
        if (n + 1) % EVERY == 0:
            look(relevance, nominal, gate)


# ------------------------------------------------------------ reference


class ReferenceColumn:
    """One column, from all of its rows at each look."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._rows: list[tuple[int, int, int]] = []
        self._clock = 0

    def learn(self, x: float, label: int) -> None:
        """Take in one row."""
        self._clock += 1
        if math.isfinite(x):
            self._rows.append(((self._clock - 1) // EVERY, int(np.searchsorted(EDGES, x)), label))

    def excess(self) -> float:
        """The excess at the look that is due now."""
        rows = np.array(self._rows).reshape(-1, 3)
        weight = FADE ** (self._clock // EVERY - 1.0 - rows[:, 0])
        table = np.zeros((BINS, self._classes))
        np.add.at(table, (rows[:, 1], rows[:, 2]), weight)
        table = table[table.any(axis=1)][:, table.any(axis=0)]
        d = (table.shape[0] - 1) * (table.shape[1] - 1)
        if d <= 0:
            return 0.0
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
        some = table > 0.0
        g = 2.0 * float((table[some] * np.log(table[some] / expected[some])).sum())
        return float((g * weight.sum() / (weight**2).sum() - d) / np.sqrt(2.0 * d))
