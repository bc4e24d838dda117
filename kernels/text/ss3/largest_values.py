"""The largest global values by length and class, by which confidence values are divided.

No global value exceeds its local value, and that grows with the count. Once one value is known, only n-grams that are
counted above a limit can exceed it. These are few and hardly change, so they are kept as candidates. All n-grams are
looked at again only where the limit has sunk below the count that made an n-gram a candidate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import inlined, kernel
from tocsin.kernels.text.ss3.candidates import Candidates
from tocsin.kernels.text.ss3.counts import NgramTable
from tocsin.kernels.text.ss3.global_values import ROOTS, Rule, from_local_values, local_values_by_roots, middle, root

Floats = NDArray[np.float64]


class Search(NamedTuple):
    """What a search for the largest values has found so far, by length and class [L, C]."""

    values: Floats
    """The largest global value."""
    leaders: NDArray[np.int64]
    """The n-gram that has it, -1 for none."""
    limits: Floats
    """The count whose local value is (a little less than) the largest value."""
    roots: Floats
    """The roots of the largest counts, by which local values are divided."""


class Scratch(NamedTuple):
    """Room for the values of one n-gram, [C] each: taken out of one array once, because each view costs."""

    local: Floats
    ordered: Floats
    significance: Floats
    values: Floats


@inlined
def consider(number: int, table: NgramTable, top: Floats, r: Rule, search: Search, scratch: Scratch) -> None:
    """Let one n-gram compete for the largest value of its length."""
    n = table.lengths[number] - 1
    limits, all_counts = search.limits, table.counts
    C = limits.shape[1]
    above = False
    for c in range(C):
        above = above or all_counts[number, c] > limits[n, c]
    if not above:
        return
    counts, values = all_counts[number], scratch.values
    if not local_values_by_roots(counts, search.roots[n], r, scratch.local):
        return
    from_local_values(scratch.local, counts, r, scratch.ordered, scratch.significance, values)
    for c in range(C):
        if values[c] > search.values[n, c]:
            search.values[n, c] = values[c]
            search.leaders[n, c] = number
            limits[n, c] = max(1.0, top[n, c] * values[c] ** (1.0 / r.s) * (1.0 - 1e-9))


@kernel
def challengers(
    table: NgramTable, candidates: Candidates, r: Rule, search: Search, scratch: Scratch, out: NDArray[np.int32]
) -> int:
    """Write those candidates to `out` that a cheap bound does not exclude; returns how many.

    A global value is at most lv sg, and sg = 1 / (1 + exp(-2 x)) is at most 1 / (2 - 2 x + 2 x^2) for x <= 0, since
    exp(t) >= 1 + t + t^2 / 2 for t >= 0. The last digits are given away, because sg is computed by another formula.
    Most candidates are frequent words that are worth next to nothing. Arrays are taken out of the tuples once and are
    not cut into views, because numba would count the references of each for each candidate.
    """
    ids, lengths, counts, small_roots = candidates.ids, table.lengths, table.counts, r.roots
    limits, top_roots, values = search.limits, search.roots, search.values
    s, l, xai, local, ordered = r.s, r.l, r.xai, scratch.local, scratch.ordered  # noqa: E741 - SS3's own name
    C, found = counts.shape[1], 0
    for i in range(candidates.used[0]):
        number = ids[i]
        n = lengths[number] - 1
        above = False
        for c in range(C):
            above = above or counts[number, c] > limits[n, c]
        if not above:
            continue
        for c in range(C):
            count, local[c] = counts[number, c], 0.0
            if count > 1.0:
                whole = int(count) if count < ROOTS else 0
                local[c] = (small_roots[whole] if whole == count else count**s) / top_roots[n, c]
        median, spread, stop_word = middle(local, ordered, l, xai)
        scale, may_exceed = l * spread, False
        for c in range(C):
            bound = 1.0
            if scale > 0.0:
                x = (3.0 / scale) * (local[c] - median) - 3.0
                bound = 1.0 / (2.0 - 2.0 * x + 2.0 * x * x) if x < 0.0 else 1.0
            may_exceed = may_exceed or local[c] * bound * (1.0 + 1e-9) + 1e-15 > values[n, c]
        if may_exceed and not stop_word:
            out[found] = number
            found += 1
    return found


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
    roots = np.empty((order, C))
    for n in range(order):
        for c in range(C):
            roots[n, c] = root(top[n, c], r)
    search = Search(np.zeros((order, C)), np.full((order, C), -1, np.int64), np.ones((order, C)), roots)
    scratch = Scratch(np.empty(C), np.empty(C), np.empty(C), np.empty(C))
    for n in range(order):
        for c in range(C):
            if candidates.leaders[n, c] >= 0:
                consider(candidates.leaders[n, c], table, top, r, search, scratch)
    chosen = np.empty(candidates.used[0], np.int32)
    m = challengers(table, candidates, r, search, scratch, chosen)
    for i in range(m):
        consider(chosen[i], table, top, r, search, scratch)
    enough = candidates.used[0] <= 2 * candidates.used[1] + 256
    for n in range(order):
        for c in range(C):
            enough = enough and search.limits[n, c] >= candidates.floor[n, c]
    if not enough:
        for number in range(size):
            consider(number, table, top, r, search, scratch)
        choose_candidates(table, size, search.limits, candidates)
    candidates.leaders[:] = search.leaders
    return search.values
