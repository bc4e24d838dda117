"""What an active leaf watches: per class and feature a Gaussian, or the categories seen.

river's `GaussianSplitter` (Welford's update in West's weighted form, the range of every class) and
`NominalSplitterClassif`. Order is kept wherever river keeps a dict: of features, of an observer's classes and of a
class's categories, for sums run in that order and the first of equals wins.
"""

from __future__ import annotations

import math

from tocsin.kernels.hoeffding.compiled import kernel
from tocsin.kernels.hoeffding.layout import (
    FREE_ENTRY,
    FREE_SLOTS,
    HIGHEST,
    LISTED,
    LOWEST,
    MEAN,
    MOST_VALUES,
    N_FREE_ENTRIES,
    NORM,
    SCALE,
    SQUARES,
    WEIGHT,
    Floats,
    Ints,
    Pool,
)


@kernel
def take_slot(pool: Pool) -> int:
    """An empty slot; the caller has made sure that one is free."""
    pool.counters[FREE_SLOTS] -= 1
    slot = pool.free_slots[pool.counters[FREE_SLOTS]]
    pool.moments[slot] = 0.0
    pool.n_observed[slot] = 0
    pool.n_seen[slot] = 0
    pool.heads[slot] = -1
    pool.n_values[slot] = 0
    return slot


@kernel
def free_list(pool: Pool, head: int) -> None:
    """Give a list's entries back."""
    while head >= 0:
        after = pool.entries[head].next
        pool.entries[head].next = pool.counters[FREE_ENTRY]
        pool.counters[FREE_ENTRY] = head
        pool.counters[N_FREE_ENTRIES] += 1
        head = after


@kernel
def release_slot(pool: Pool, slot: int) -> None:
    """Give a slot and its lists back."""
    for c in range(pool.heads.shape[1]):
        for k in range(pool.heads.shape[2]):
            free_list(pool, pool.heads[slot, c, k])
    pool.free_slots[pool.counters[FREE_SLOTS]] = slot
    pool.counters[FREE_SLOTS] += 1


@kernel
def find(pool: Pool, head: int, value: float) -> int:
    """The entry of a category in a list, or -1."""
    while head >= 0 and pool.entries[head].value != value:
        head = pool.entries[head].next
    return head


@kernel
def append(pool: Pool, slot: int, c: int, row: int, value: float, weight: float) -> None:
    """A new entry at a list's end; the caller has made sure that one is free."""
    entry = pool.counters[FREE_ENTRY]
    pool.counters[FREE_ENTRY] = pool.entries[entry].next
    pool.counters[N_FREE_ENTRIES] -= 1
    pool.entries[entry].value = value
    pool.entries[entry].weight = weight
    pool.entries[entry].next = -1
    last = pool.heads[slot, c, row]
    if last < 0:
        pool.heads[slot, c, row] = entry
        return
    while pool.entries[last].next >= 0:
        last = pool.entries[last].next
    pool.entries[last].next = entry


@kernel
def list_class(pool: Pool, slot: int, f: int, k: int) -> None:
    """Give a class its place in an observer's order."""
    pool.classes[slot, f, pool.n_seen[slot, f]] = k
    pool.n_seen[slot, f] += 1
    pool.moments[slot, k, f, LISTED] = 1.0


@kernel
def observe_number(pool: Pool, slot: int, f: int, y: int, value: float, w: float, bayes: bool) -> None:
    """Update a class's Gaussian and range. `bayes` keeps the terms of the log density ready."""
    moments = pool.moments[slot, y, f]
    if moments[LISTED] == 0.0:
        list_class(pool, slot, f, y)
        moments[LOWEST] = value
        moments[HIGHEST] = value
    elif value < moments[LOWEST]:
        moments[LOWEST] = value
    elif value > moments[HIGHEST]:
        moments[HIGHEST] = value
    moments[WEIGHT] += w
    before = moments[MEAN]
    moments[MEAN] += (w / moments[WEIGHT]) * (value - before)
    moments[SQUARES] += w * (value - before) * (value - moments[MEAN])
    if bayes:
        weigh(moments)


@kernel
def weigh(moments: Floats) -> None:
    """The terms of the log density that do not depend on x."""
    moments[SCALE] = 0.0
    if moments[WEIGHT] > 1.0:
        variance = moments[SQUARES] / (moments[WEIGHT] - 1.0)
        if variance > 0.0:
            moments[SCALE] = -2.0 * variance
            moments[NORM] = 0.5 * math.log(variance)


@kernel
def observe_category(pool: Pool, slot: int, f: int, y: int, value: float, w: float) -> None:
    """Count a category."""
    c = pool.nominal[f]
    if pool.moments[slot, y, f, LISTED] == 0.0:
        list_class(pool, slot, f, y)
    entry = find(pool, pool.heads[slot, c, y + 1], value)
    if entry >= 0:
        pool.entries[entry].weight += w
    else:
        append(pool, slot, c, y + 1, value, w)
        if find(pool, pool.heads[slot, c, 0], value) < 0:
            append(pool, slot, c, 0, value, 0.0)
            pool.n_values[slot, c] += 1
            pool.counters[MOST_VALUES] = max(pool.counters[MOST_VALUES], pool.n_values[slot, c])
    # Summed anew, not added to: that is how river rounds it.
    total = 0.0
    entry = pool.heads[slot, c, y + 1]
    while entry >= 0:
        total += pool.entries[entry].weight
        entry = pool.entries[entry].next
    pool.moments[slot, y, f, WEIGHT] = total


@kernel
def observe(
    pool: Pool, e: int, node: int, x: Floats, y: int, w: float, columns: Ints, bayes: bool
) -> None:
    """Show a leaf's observers one event; NaN is a value that is not known."""
    slot = pool.nodes[e, node].slot
    for f in columns:
        value = x[f]
        if math.isnan(value) or pool.mask[e, f] == 0 or pool.disabled[e, node, f] != 0:
            continue
        if pool.n_seen[slot, f] == 0:
            pool.observed[slot, pool.n_observed[slot]] = f
            pool.n_observed[slot] += 1
        if pool.nominal[f] >= 0:
            observe_category(pool, slot, f, y, value, w)
        else:
            observe_number(pool, slot, f, y, value, w, bayes)


@kernel
def disable(pool: Pool, e: int, node: int, f: int) -> None:
    """Stop observing a feature."""
    slot = pool.nodes[e, node].slot
    place = 0
    for i in range(pool.n_observed[slot]):
        if pool.observed[slot, i] != f:
            pool.observed[slot, place] = pool.observed[slot, i]
            place += 1
    pool.n_observed[slot] = place
    pool.n_seen[slot, f] = 0
    c = pool.nominal[f]
    if c >= 0:
        for k in range(pool.heads.shape[2]):
            free_list(pool, pool.heads[slot, c, k])
            pool.heads[slot, c, k] = -1
        pool.n_values[slot, c] = 0
    for k in range(pool.moments.shape[1]):
        pool.moments[slot, k, f] = 0.0
    pool.disabled[e, node, f] = 1
