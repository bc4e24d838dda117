"""Gaps of an event that is to be remembered, filled from the nearest remembered events of its own class.

A number that a remembered event lacks would put it at the same distance from all queries in that column. Its class is
known by then, so events of the same class say more of it than all events would.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.experts.neighbours import BLOCK, Remembered, squared_distances

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OWN = 3
"""Events of the same class whose mean fills a gap."""


@kernel
def own_nearest(remembered: Remembered, labels: Ints, label: int, row: Floats, factor: Floats, nominal: Bools) -> Ints:
    """The columns of the `OWN` remembered events of class `label` that are nearest to what is known of the row [F].

    `labels` [C] are those of the columns. Of events at the same distance the later is nearer; -1 where there is none.
    """
    columns, distance = np.full(OWN, -1), np.full(OWN, np.inf)
    squared = np.empty(BLOCK)
    high = remembered.stop
    while high > remembered.start:
        low = max(remembered.start, high - BLOCK)
        squared_distances(remembered.values, low, high, row, factor, nominal, squared)
        for i in range(high - 1, low - 1, -1):
            candidate = squared[i - low]
            if labels[i] != label or not candidate < distance[OWN - 1]:
                continue
            place = OWN - 1
            while place > 0 and distance[place - 1] > candidate:
                distance[place], columns[place] = distance[place - 1], columns[place - 1]
                place -= 1
            distance[place], columns[place] = candidate, i
        high = low
    return columns


@kernel
def fill(remembered: Remembered, labels: Ints, label: int, row: Floats, factor: Floats, nominal: Bools) -> None:
    """Fill the gaps among the numbers of the row [F], in its place; one that none of the events knows stays."""
    columns = own_nearest(remembered, labels, label, row, factor, nominal)
    for f in range(len(row)):
        if nominal[f] or not math.isnan(row[f]):
            continue
        total, known = 0.0, 0
        for place in range(OWN):
            if columns[place] >= 0 and math.isfinite(remembered.values[f, columns[place]]):
                total += remembered.values[f, columns[place]]
                known += 1
        if known > 0:
            row[f] = total / known


# ------------------------------------------------------------ reference


def reference_fill(values: Floats, labels: Ints, label: int, row: Floats, factor: Floats, nominal: Bools) -> Floats:
    """The row [F] as `fill` fills it, from all columns of values [F, C], by numpy's own sort."""
    filled = row.copy()
    own = np.flatnonzero(labels == label)[::-1]
    apart = np.zeros(len(own))
    for f in np.flatnonzero((factor != 0.0) & ~np.isnan(row)):
        column = values[f, own]
        if nominal[f]:
            apart += np.where(column == row[f], 0.0, 1.0)
        else:
            apart += np.where(np.isnan(column), 1.0, np.minimum(np.abs(column - row[f]) * factor[f], 5.0) ** 2)
    nearest = own[np.argsort(apart, kind="stable")[:OWN]]
    for f in np.flatnonzero(np.isnan(row) & ~nominal):
        known = values[f, nearest][np.isfinite(values[f, nearest])]
        if len(known):
            filled[f] = known.mean()
    return filled
