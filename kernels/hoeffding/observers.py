"""What an active leaf watches: per class and feature a Gaussian, or the categories seen.

river's `GaussianSplitter` (Welford's update in West's weighted form, the range of every class) and
`NominalSplitterClassif`. Order is kept wherever river keeps a dict: of features, of an observer's classes and
of a class's categories, for sums run in that order and the first of equals wins.
"""

from __future__ import annotations

import math

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    FREE_ENTRY,
    FREE_SLOTS,
    HIGHEST,
    LISTED,
    LOWEST,
    MEAN,
    MOST_VALUES,
    N_FEATURES,
    N_FREE_ENTRIES,
    NORM,
    SCALE,
    SQUARES,
    WEIGHT,
    Floats,
    Header,
    Row,
)


@kernel
def take_slot(pool: Header) -> int:
    """An empty slot; the caller has made sure that one is free."""
    at.counters(pool)[FREE_SLOTS] -= 1
    slot: int = at.free_slots(pool)[at.counters(pool)[FREE_SLOTS]]
    at.moments(pool)[slot] = 0.0
    at.n_observed(pool)[slot] = 0
    at.n_seen(pool)[slot] = 0
    at.heads(pool)[slot] = -1
    at.n_values(pool)[slot] = 0
    return slot


@kernel
def free_list(pool: Header, head: int) -> None:
    """Give a list's entries back."""
    while head >= 0:
        after = at.entries(pool)[head].next
        at.entries(pool)[head].next = at.counters(pool)[FREE_ENTRY]
        at.counters(pool)[FREE_ENTRY] = head
        at.counters(pool)[N_FREE_ENTRIES] += 1
        head = after


@kernel
def release_slot(pool: Header, slot: int) -> None:
    """Give a slot and its lists back."""
    for c in range(pool.C):
        for k in range(pool.K + 1):
            free_list(pool, at.heads(pool)[slot, c, k])
    at.free_slots(pool)[at.counters(pool)[FREE_SLOTS]] = slot
    at.counters(pool)[FREE_SLOTS] += 1


@kernel
def find(pool: Header, head: int, value: float) -> int:
    """The entry of a category in a list, or -1."""
    while head >= 0 and at.entries(pool)[head].value != value:
        head = at.entries(pool)[head].next
    return head


@kernel
def append(pool: Header, slot: int, c: int, row: int, value: float, weight: float) -> None:
    """A new entry at a list's end; the caller has made sure that one is free."""
    entry = at.counters(pool)[FREE_ENTRY]
    at.counters(pool)[FREE_ENTRY] = at.entries(pool)[entry].next
    at.counters(pool)[N_FREE_ENTRIES] -= 1
    at.entries(pool)[entry].value = value
    at.entries(pool)[entry].weight = weight
    at.entries(pool)[entry].next = -1
    last = at.heads(pool)[slot, c, row]
    if last < 0:
        at.heads(pool)[slot, c, row] = entry
        return
    while at.entries(pool)[last].next >= 0:
        last = at.entries(pool)[last].next
    at.entries(pool)[last].next = entry


@kernel
def list_class(pool: Header, slot: int, f: int, k: int) -> None:
    """Give a class its place in an observer's order."""
    at.classes(pool)[slot, f, at.n_seen(pool)[slot, f]] = k
    at.n_seen(pool)[slot, f] += 1
    at.moments(pool)[slot, k, f, LISTED] = 1.0


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
def observe_category(pool: Header, slot: int, f: int, y: int, value: float, w: float) -> None:
    """Count a category."""
    c = at.nominal(pool)[f]
    if at.moments(pool)[slot, y, f, LISTED] == 0.0:
        list_class(pool, slot, f, y)
    entry = find(pool, at.heads(pool)[slot, c, y + 1], value)
    if entry >= 0:
        at.entries(pool)[entry].weight += w
    else:
        append(pool, slot, c, y + 1, value, w)
        if find(pool, at.heads(pool)[slot, c, 0], value) < 0:
            append(pool, slot, c, 0, value, 0.0)
            at.n_values(pool)[slot, c] += 1
            at.counters(pool)[MOST_VALUES] = max(at.counters(pool)[MOST_VALUES], at.n_values(pool)[slot, c])
    # Summed anew, not added to: that is how river rounds it.
    total = 0.0
    entry = at.heads(pool)[slot, c, y + 1]
    while entry >= 0:
        total += at.entries(pool)[entry].weight
        entry = at.entries(pool)[entry].next
    at.moments(pool)[slot, y, f, WEIGHT] = total


@kernel
def observe(pool: Header, e: int, node: int, x: Row, y: int, w: float, columns: Row, bayes: bool) -> None:
    """Show a leaf's observers one event; NaN is a value that is not known.

    `bayes` keeps the terms of the log densities ready. The Gaussians are updated here and not in a function
    of their own, for this is the innermost loop of learning.
    """
    n = at.counters(pool)[N_FEATURES]
    event = at.row(x, n)
    order = at.columns(columns, n)
    slot = at.nodes(pool)[e, node].slot
    all_moments = at.moments(pool)[slot, y]
    n_seen = at.n_seen(pool)[slot]
    mask = at.mask(pool)[e]
    disabled = at.disabled(pool)[e, node]
    nominal = at.nominal(pool)
    for i in range(n):
        f = order[i]
        value = event[f]
        if math.isnan(value) or mask[f] == 0 or disabled[f] != 0:
            continue
        if n_seen[f] == 0:
            at.observed(pool)[slot, at.n_observed(pool)[slot]] = f
            at.n_observed(pool)[slot] += 1
        if nominal[f] >= 0:
            observe_category(pool, slot, f, y, value, w)
            continue
        moments = all_moments[f]
        if moments[LISTED] == 0.0:
            list_class(pool, slot, f, y)
            moments[LOWEST] = value
            moments[HIGHEST] = value
        elif value < moments[LOWEST]:
            moments[LOWEST] = value
        elif value > moments[HIGHEST]:
            moments[HIGHEST] = value
        weight = moments[WEIGHT] + w
        before = moments[MEAN]
        after = before + (w / weight) * (value - before)
        moments[WEIGHT] = weight
        moments[MEAN] = after
        moments[SQUARES] += w * (value - before) * (value - after)
        if bayes:
            weigh(moments)


@kernel
def disable(pool: Header, e: int, node: int, f: int) -> None:
    """Stop observing a feature."""
    slot = at.nodes(pool)[e, node].slot
    place = 0
    for i in range(at.n_observed(pool)[slot]):
        if at.observed(pool)[slot, i] != f:
            at.observed(pool)[slot, place] = at.observed(pool)[slot, i]
            place += 1
    at.n_observed(pool)[slot] = place
    at.n_seen(pool)[slot, f] = 0
    c = at.nominal(pool)[f]
    if c >= 0:
        for k in range(pool.K + 1):
            free_list(pool, at.heads(pool)[slot, c, k])
            at.heads(pool)[slot, c, k] = -1
        at.n_values(pool)[slot, c] = 0
    for k in range(pool.K):
        at.moments(pool)[slot, k, f] = 0.0
    at.disabled(pool)[e, node, f] = 1
