"""The slots in which leaves keep what they observe, and the linked lists of categories that belong to a slot."""

from __future__ import annotations

import math

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    FREE_ENTRY,
    FREE_SLOTS,
    N_FREE_ENTRIES,
    NORM,
    SCALE,
    SQUARES,
    WEIGHT,
    Floats,
    Header,
)


@kernel
def take_slot(pool: Header) -> int:
    """An empty slot; the caller has made sure that one is free."""
    views.counters(pool)[FREE_SLOTS] -= 1
    slot: int = views.free_slots(pool)[views.counters(pool)[FREE_SLOTS]]
    views.taken(pool)[slot] += 1
    views.moments(pool)[slot] = 0.0
    views.n_observed(pool)[slot] = 0
    views.n_seen(pool)[slot] = 0
    views.heads(pool)[slot] = -1
    views.n_values(pool)[slot] = 0
    return slot


@kernel
def release_slot(pool: Header, slot: int) -> None:
    """Give a slot and its lists of categories back."""
    for c in range(pool.C):
        for k in range(pool.K + 1):
            release_list(pool, views.heads(pool)[slot, c, k])
    views.free_slots(pool)[views.counters(pool)[FREE_SLOTS]] = slot
    views.counters(pool)[FREE_SLOTS] += 1


@kernel
def release_list(pool: Header, head: int) -> None:
    """Give the entries of a list back."""
    while head >= 0:
        after = views.entries(pool)[head].next
        views.entries(pool)[head].next = views.counters(pool)[FREE_ENTRY]
        views.counters(pool)[FREE_ENTRY] = head
        views.counters(pool)[N_FREE_ENTRIES] += 1
        head = after


@kernel
def find_entry(pool: Header, head: int, value: float) -> int:
    """The entry of a category in a list, or -1."""
    while head >= 0 and views.entries(pool)[head].value != value:
        head = views.entries(pool)[head].next
    return head


@kernel
def append_entry(pool: Header, slot: int, c: int, row: int, value: float, weight: float) -> None:
    """Append a category to list `row` of a nominal feature; the caller has made sure that an entry is free."""
    entry = views.counters(pool)[FREE_ENTRY]
    views.counters(pool)[FREE_ENTRY] = views.entries(pool)[entry].next
    views.counters(pool)[N_FREE_ENTRIES] -= 1
    views.entries(pool)[entry].value = value
    views.entries(pool)[entry].weight = weight
    views.entries(pool)[entry].next = -1
    last = views.heads(pool)[slot, c, row]
    if last < 0:
        views.heads(pool)[slot, c, row] = entry
        return
    while views.entries(pool)[last].next >= 0:
        last = views.entries(pool)[last].next
    views.entries(pool)[last].next = entry


@kernel
def update_density_terms(moments: Floats) -> None:
    """Work out SCALE and NORM, the terms of a Gaussian's log density that do not depend on x."""
    moments[SCALE] = 0.0
    if moments[WEIGHT] > 1.0:
        variance = moments[SQUARES] / (moments[WEIGHT] - 1.0)
        if variance > 0.0:
            moments[SCALE] = -2.0 * variance
            moments[NORM] = 0.5 * math.log(variance)
