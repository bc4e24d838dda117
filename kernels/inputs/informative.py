"""Which columns say something by not being known, one row after the other.

A value may be missing because of what it would have been: an income that people do not like to tell. For each column
the labels of rows with a gap are counted against those of rows without, and the likelihood ratio statistic

    G = 2 sum over gap or none g and class k of n_gk log(n_gk n / (n_g n_k))

says how far the two differ (Sokal and Rohlf 1995, Biometry, section 17.4); of unrelated labels it is about K - 1.
Counts fade, so that a reason which is gone is forgotten.

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

FADE = 0.999
"""How much of the counts is kept at the next row."""
EVERY = 100
"""Rows between two looks at a column, counted from its first gap."""
PER_CLASS = 2.5
"""By how much each class beyond the second raises what G must be."""


class Informative(NamedTuple):
    """What is known of the gaps of F columns, changed in place."""

    counts: Floats
    """[F, 2, K], faded rows of each class without a gap, and with one."""
    rows: Ints
    """[F], rows since the first gap; 0 before it."""
    open: Bools
    """[F], whether gaps of the column tell something."""


def new(columns: int, classes: int) -> Informative:
    """No gap has come yet."""
    return Informative(np.zeros((columns, 2, classes)), np.zeros(columns, np.int64), np.zeros(columns, np.bool_))


def widened(old: Informative, columns: int, classes: int) -> Informative:
    """The same with room for more columns or classes."""
    F, _, K = old.counts.shape
    made: Any = new(max(F, columns), max(K, classes))
    made.counts[:F, :, :K], made.rows[:F], made.open[:F] = old.counts, old.rows, old.open
    return Informative(*made)


@kernel
def g_statistic(counts: Floats) -> float:
    """G of a table of counts [2, K]."""
    K = counts.shape[1]
    total, g = 0.0, 0.0
    for row in range(2):
        for k in range(K):
            total += counts[row, k]
    for row in range(2):
        size = 0.0
        for k in range(K):
            size += counts[row, k]
        for k in range(K):
            n = counts[row, k]
            if n > 0.0:
                g += 2.0 * n * math.log(n * total / (size * (counts[0, k] + counts[1, k])))
    return g


@kernel
def tell(informative: Informative, x: Floats, out: Floats) -> None:
    """1 for each gap of the row x [F] that tells something, 0 elsewhere, into `out` [F]."""
    for f in range(len(x)):
        out[f] = 1.0 if informative.open[f] and math.isnan(x[f]) else 0.0


@kernel
def apply(informative: Informative, X: Floats, out: Floats) -> None:
    """The gaps of X [B, F] that tell something, into `out` [B, F]."""
    for b in range(X.shape[0]):
        tell(informative, X[b], out[b])


@kernel
def learn(informative: Informative, X: Floats, y: Ints, least: float, out: Floats) -> None:
    """The gaps of X [B, F] that tell something, each by the rows before it, into `out` [B, F]; learns labels y [B].

    `least` is what G must be where there are two classes. It must fall below half of that for a column to be closed.
    """
    K = informative.counts.shape[2]
    needed = least + PER_CLASS * max(K - 2, 0)
    for b in range(X.shape[0]):
        tell(informative, X[b], out[b])
        for f in range(X.shape[1]):
            gap = 1 if math.isnan(X[b, f]) else 0
            if informative.rows[f] == 0 and gap == 0:
                continue
            counts = informative.counts[f]
            for row in range(2):
                for k in range(K):
                    counts[row, k] *= FADE
            counts[gap, y[b]] += 1.0
            informative.rows[f] += 1
            if informative.rows[f] % EVERY == 0:
                g = g_statistic(counts)
                informative.open[f] = g > needed or (informative.open[f] and g >= 0.5 * needed)


# ------------------------------------------------------------ reference


class ReferenceColumn:
    """One column, a row at a time, from all rows since its first gap."""

    def __init__(self, classes: int, least: float) -> None:
        self._classes, self._least = classes, least
        self._gaps: list[bool] = []
        self._labels: list[int] = []
        self.open = False

    def learn(self, gap: bool, label: int) -> bool:
        """Take in a row; returns whether its gap told something by the rows before."""
        told = gap and self.open
        if not gap and not self._gaps:
            return told
        self._gaps.append(gap)
        self._labels.append(label)
        n = len(self._gaps)
        if n % EVERY == 0:
            weight = FADE ** np.arange(n - 1, -1, -1.0)
            table = np.zeros((2, self._classes))
            np.add.at(table, (np.array(self._gaps, np.int64), np.array(self._labels)), weight)
            expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
            some = table > 0.0
            g = 2.0 * float((table[some] * np.log(table[some] / expected[some])).sum())
            needed = self._least + PER_CLASS * max(self._classes - 2, 0)
            self.open = g > needed or (self.open and g >= 0.5 * needed)
        return told
