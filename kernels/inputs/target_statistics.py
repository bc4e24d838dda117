"""How often each class came with each category of a column: target statistics, one row after the other.

For a category that came n times, n_k of them with class k, and a class that has a share p_k of the labels of late, the
rate is q = (n_k + a p_k) / (n + a), and the input is log(q / (1 - q)). It is read before its row is learnt, so that
no row sees its own label (Prokhorenkova et al. 2018, CatBoost, section 3.2: ordered target statistics). Both counts
fade at each visit of the category, so that what it means may change. A category that is not known is one of its own.

Categories stand in sets of `WAYS` slots with their column and code beside them, so that no two are confused. In a set
that is full the one that was visited longest ago makes room.

`ReferenceTable` is the same by dictionaries, and a test holds the two together.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common import draws
from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WAYS = 8
"""Slots of a set."""
SALT = 0x5EED
"""It tells this use of the random bits from others."""
FREE = -1
"""The column of a slot that nobody has."""
MISSING = -1.0
"""The code of a category that is not known; those of names are not below 0."""
LABELS_FADE = 0.999
"""What the counts of all labels keep at each row."""


class Table(NamedTuple):
    """What is known of the categories of all columns, in S slots, changed in place."""

    column: Ints
    """[S], the column of each category; `FREE` where there is none."""
    code: Floats
    """[S], its code."""
    visit: Ints
    """[S], which visit was its last."""
    total: Floats
    """[S], faded visits."""
    counts: Floats
    """[S, K], those with each class."""
    labels: Floats
    """[K + 1], faded labels of each class, and of all."""
    clock: Ints
    """[1], visits of all categories."""


class Rates(NamedTuple):
    """How counts become inputs."""

    prior: float
    """a, how many visits the share of a class is worth."""
    fade: float
    """What a category's counts keep at each of its visits."""


def new(slots: int, classes: int) -> Table:
    """Nothing was counted yet; slots are whole sets."""
    S = slots // WAYS * WAYS
    return Table(
        column=np.full(S, FREE),
        code=np.zeros(S),
        visit=np.zeros(S, np.int64),
        total=np.zeros(S),
        counts=np.zeros((S, classes)),
        labels=np.zeros(classes + 1),
        clock=np.zeros(1, np.int64),
    )


def widened(table: Table, slots: int, classes: int) -> Table:
    """The same with room for more classes, and with so many slots where there was none."""
    made = new(max(slots, len(table.column)), max(classes, table.counts.shape[1]))
    S, K = table.counts.shape
    if S:
        made.column[:], made.code[:], made.visit[:], made.total[:] = table.column, table.code, table.visit, table.total
        made.counts[:, :K] = table.counts
    made.labels[:K], made.labels[-1], made.clock[:] = table.labels[:K], table.labels[-1], table.clock
    return made


def rated(classes: int, most: int) -> Ints:
    """The classes whose rates are inputs, in the order of the inputs: of two classes the second says all."""
    return np.arange(min(classes, most)) if classes > 2 else np.ones(1, np.int64)


@kernel
def code_of(x: float) -> float:
    """The code of a category as it is kept."""
    return x if math.isfinite(x) else MISSING


@kernel
def first_of_set(column: int, code: float, slots: int) -> int:
    """The first slot of the set that a category belongs to, of so many slots."""
    return int(draws.bits(SALT + column, int(code), 0) % np.uint64(slots // WAYS)) * WAYS


@kernel
def found(table: Table, column: int, code: float) -> int:
    """The slot of a category, -1 where it has none."""
    first = first_of_set(column, code, len(table.column))
    for slot in range(first, first + WAYS):
        if table.column[slot] == column and table.code[slot] == code:
            return slot
    return -1


@kernel
def claimed(table: Table, column: int, code: float) -> int:
    """A slot for a category that is new: a free one, or that of the category which was visited longest ago."""
    first = first_of_set(column, code, len(table.column))
    slot = first
    for other in range(first, first + WAYS):
        if table.column[other] == FREE:
            slot = other
            break
        if table.visit[other] < table.visit[slot]:
            slot = other
    table.column[slot], table.code[slot] = column, code
    table.total[slot] = 0.0
    table.counts[slot] = 0.0
    return slot


@kernel
def log_odds(table: Table, slot: int, k: int, prior: float) -> float:
    """The input of one class of the category in a slot; -1 is a category that was never seen."""
    if k >= table.counts.shape[1]:
        return 0.0  # where there is one class, the second has yet to come
    # One label of each class to begin with.
    share = (table.labels[k] + 1.0) / (table.labels[-1] + max(table.counts.shape[1], 2))
    n, total = (table.counts[slot, k], table.total[slot]) if slot >= 0 else (0.0, 0.0)
    q = (n + prior * share) / (total + prior)
    return math.log(q / (1.0 - q))


@kernel
def read(table: Table, columns: Ints, classes: Ints, x: Floats, rates: Rates, out: Floats) -> None:
    """The inputs of one row x [F] into `out` [C R], for each of C columns those of R classes."""
    R = len(classes)
    for c in range(len(columns)):
        slot = found(table, columns[c], code_of(x[columns[c]]))
        for r in range(R):
            out[c * R + r] = log_odds(table, slot, classes[r], rates.prior)


@kernel
def apply(table: Table, columns: Ints, classes: Ints, X: Floats, rates: Rates, out: Floats) -> None:
    """The inputs of X [B, F] into `out` [B, C R]; nothing changes."""
    for b in range(len(X)):
        read(table, columns, classes, X[b], rates, out[b])


@kernel
def learn(table: Table, columns: Ints, classes: Ints, X: Floats, y: Ints, rates: Rates, out: Floats) -> None:
    """The inputs of X [B, F] into `out` [B, C R], each as the rows before it have it; and learn labels y [B].

    A label from K on is counted among all and for no class.
    """
    K = table.counts.shape[1]
    for b in range(len(X)):
        read(table, columns, classes, X[b], rates, out[b])
        for c in range(len(columns)):
            table.clock[0] += 1
            code = code_of(X[b, columns[c]])
            slot = found(table, columns[c], code)
            if slot < 0:
                slot = claimed(table, columns[c], code)
            table.visit[slot] = table.clock[0]
            table.total[slot] = rates.fade * table.total[slot] + 1.0
            for k in range(K):
                table.counts[slot, k] *= rates.fade
            if y[b] < K:
                table.counts[slot, y[b]] += 1.0
        for k in range(K + 1):
            table.labels[k] *= LABELS_FADE
        table.labels[K] += 1.0
        if y[b] < K:
            table.labels[y[b]] += 1.0


# ------------------------------------------------------------ reference


class ReferenceTable:
    """A row at a time, by dictionaries: of each set those categories, in the order of their last visits."""

    def __init__(self, slots: int, classes: int, rates: Rates) -> None:
        self._slots, self._classes, self._rates = slots // WAYS * WAYS, classes, rates
        self._sets: dict[int, dict[tuple[int, float], Floats]] = {}
        self._labels = np.zeros(classes + 1)

    def _set_of(self, column: int, code: float) -> dict[tuple[int, float], Floats]:
        return self._sets.setdefault(first_of_set(column, code, self._slots), {})

    def learn(self, codes: list[float], label: int) -> Floats:
        """Learn a row of categories, one a column; returns the inputs [C, K] of all classes just before."""
        out, prior, fade = np.empty((len(codes), self._classes)), self._rates.prior, self._rates.fade
        share = (self._labels[:-1] + 1.0) / (self._labels[-1] + self._classes)
        kept = [MISSING if math.isnan(code) else code for code in codes]
        for column, code in enumerate(kept):
            counts = self._set_of(column, code).get((column, code), np.zeros(self._classes + 1))
            q = (counts[:-1] + prior * share) / (counts[-1] + prior)
            out[column] = np.log(q / (1.0 - q))
        label_row = np.append(np.arange(self._classes) == label, True).astype(np.float64)
        for column, code in enumerate(kept):
            those = self._set_of(column, code)
            before = those.pop((column, code), np.zeros(self._classes + 1))
            if len(those) == WAYS:
                del those[next(iter(those))]
            those[column, code] = fade * before + label_row
        self._labels = LABELS_FADE * self._labels + label_row
        return out
