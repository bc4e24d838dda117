"""The orders in which river takes categories and classes; where merits tie, the first one wins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.sorting import stable_order
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import Floats, Header, Ints


@kernel
def categories_of(pool: Header, slot: int, f: int) -> Floats:
    """The categories that an observer has seen, in order of appearance."""
    c = views.nominal(pool)[f]
    values = np.empty(views.n_values(pool)[slot, c])
    entry = views.heads(pool)[slot, c, 0]
    for i in range(values.size):
        values[i] = views.entries(pool)[entry].value
        entry = views.entries(pool)[entry].next
    return values


@kernel
def sorted_categories(pool: Header, slot: int, f: int) -> Floats:
    """The categories that an observer has seen, sorted: codes by their `value_key`, numbers by themselves."""
    c = views.nominal(pool)[f]
    values = categories_of(pool, slot, f)
    keys = np.empty(values.size)
    for i in range(values.size):
        keys[i] = views.value_key(pool)[c, int(values[i])] if views.coded(pool)[c] != 0 else values[i]
    ordered = np.empty(values.size)
    order = stable_order(keys)
    for i in range(values.size):
        ordered[i] = values[order[i]]
    return ordered


@kernel
def sorted_classes(pool: Header, slot: int, f: int) -> Ints:
    """The classes of an observer, sorted by label."""
    n = views.n_seen(pool)[slot, f]
    classes = views.classes(pool)[slot, f, :n].copy()
    for i in range(1, n):
        k = classes[i]
        j = i - 1
        while j >= 0 and views.class_key(pool)[classes[j]] > views.class_key(pool)[k]:
            classes[j + 1] = classes[j]
            j -= 1
        classes[j + 1] = k
    return classes


@kernel
def categories_to_try(pool: Header, slot: int, f: int) -> Floats:
    """The categories that an observer has seen, in the order in which river tries to split them off."""
    c = views.nominal(pool)[f]
    if views.coded(pool)[c] != 0:
        return sorted_categories(pool, slot, f)
    values = categories_of(pool, slot, f)
    for value in values:
        if value != math.floor(value) or abs(value) > 2.0**52:
            return sorted_categories(pool, slot, f)
    return python_set_order(values)


@kernel
def python_set_order(values: Floats) -> Floats:
    """The order in which CPython iterates over a set of whole numbers that were added in this order.

    River tries the binary splits of a category in the order of a set, and the first of equals wins. (The order of
    strings changes from process to process, so nobody can agree with river there.)
    """
    size = 8
    table = empty_set(size)
    for i in range(values.size):
        insert_into_set(table, values, i)
        if (i + 1) * 5 >= (size - 1) * 3:
            while size <= (i + 1) * (2 if i >= 50_000 else 4):
                size *= 2
            old = table
            table = empty_set(size)
            for j in range(old.size):
                if old[j] >= 0:
                    insert_into_set(table, values, int(old[j]))
    ordered = np.empty(values.size)
    place = 0
    for which in table:
        if which >= 0:
            ordered[place] = values[which]
            place += 1
    return ordered


@kernel
def empty_set(size: int) -> NDArray[np.int64]:
    """A table of a set that holds nothing: -1 in every place."""
    table = np.empty(size, np.int64)
    for i in range(size):
        table[i] = -1
    return table


@kernel
def insert_into_set(table: NDArray[np.int64], values: Floats, which: int) -> None:
    """Probe as Objects/setobject.c does: ten neighbours, then a jump."""
    mask = np.uint64(table.size - 1)
    whole = np.int64(values[which])
    perturb = np.uint64(-2 if whole == -1 else whole)
    place = perturb & mask
    while True:
        neighbours = np.uint64(9) if place + np.uint64(9) <= mask else np.uint64(0)
        for step in range(neighbours + np.uint64(1)):
            at = np.int64(place) + np.int64(step)
            if table[at] < 0:
                table[at] = which
                return
        perturb >>= np.uint64(5)
        place = (place * np.uint64(5) + np.uint64(1) + perturb) & mask
