"""The largest global values by length and class, by which confidence values are divided.

No global value exceeds its local value, and that grows with the count. Once one value is known, only n-grams that are
counted above a limit can exceed it. These are few and hardly change, so they are kept as candidates. All n-grams are
looked at again only where the limit has sunk below the count that made an n-gram a candidate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ss3.candidates import Candidates
from tocsin.kernels.text.ss3.counts import NgramTable
from tocsin.kernels.text.ss3.global_values import Rule, global_values

Floats = NDArray[np.float64]


class Search(NamedTuple):
    """What a search for the largest values has found so far, by length and class [L, C]."""

    values: Floats
    """The largest global value."""
    leaders: NDArray[np.int64]
    """The n-gram that has it, -1 for none."""
    limits: Floats
    """The count whose local value is (a little less than) the largest value."""
    scratch: Floats
    """[4, C]"""


@kernel
def consider(number: int, table: NgramTable, top: Floats, r: Rule, search: Search) -> None:
    """Let one n-gram compete for the largest value of its length."""
    n = table.lengths[number] - 1
    counts, values = table.counts[number], search.scratch[3]
    above = False
    for c in range(len(values)):
        above = above or counts[c] > search.limits[n, c]
    if not above:
        return
    global_values(counts, top[n], r, search.scratch, values)
    for c in range(len(values)):
        if values[c] > search.values[n, c]:
            search.values[n, c] = values[c]
            search.leaders[n, c] = number
            search.limits[n, c] = max(1.0, top[n, c] * values[c] ** (1.0 / r.s) * (1.0 - 1e-9))


@kernel
def choose_candidates(table: NgramTable, size: int, limits: Floats, candidates: Candidates) -> None:
    """Choose the candidates anew: the n-grams that are counted above half of the limit for some class."""
    order, C = limits.shape
    for n in range(order):
        for c in range(C):
            candidates.floor[n, c] = max(1.0, 0.5 * limits[n, c])
    used = 0
    for number in range(size):
        n = table.lengths[number] - 1
        candidates.flags[number] = 0
        for c in range(C):
            if table.counts[number, c] > candidates.floor[n, c]:
                candidates.flags[number] = 1
        if candidates.flags[number]:
            candidates.ids[used] = number
            used += 1
    candidates.used[0], candidates.used[1] = used, used


@kernel
def largest_values(table: NgramTable, size: int, top: Floats, r: Rule, candidates: Candidates) -> Floats:
    """The largest global values of `size` n-grams by length and class [L, C], exact.

    `top` [L, C] are the largest counts. The candidates are kept up to date.
    """
    order, C = top.shape
    search = Search(np.zeros((order, C)), np.full((order, C), -1, np.int64), np.ones((order, C)), np.empty((4, C)))
    for n in range(order):
        for c in range(C):
            if candidates.leaders[n, c] >= 0:
                consider(candidates.leaders[n, c], table, top, r, search)
    for i in range(candidates.used[0]):
        consider(candidates.ids[i], table, top, r, search)
    enough = candidates.used[0] <= 2 * candidates.used[1] + 256
    for n in range(order):
        for c in range(C):
            enough = enough and search.limits[n, c] >= candidates.floor[n, c]
    if not enough:
        for number in range(size):
            consider(number, table, top, r, search)
        choose_candidates(table, size, search.limits, candidates)
    candidates.leaders[:] = search.leaders
    return search.values
