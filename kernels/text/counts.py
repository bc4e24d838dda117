"""The table of n-grams and their counts by class, open addressing on 64-bit keys, and those met once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.filter import enter_key
from tocsin.kernels.text.keys import TWIST, step
from tocsin.kernels.text.words import BREAK

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
Ids = NDArray[np.int32]
Flags = NDArray[np.uint8]


class Table(NamedTuple):
    """Counts of V admitted n-grams for C classes, in arrays with room for more."""

    slots: Ids
    """Open addressing by key, a power of two: the n-gram's id, or -1."""
    keys: Keys
    """uint64 [room]."""
    lengths: Flags
    """Words in the n-gram, uint8 [room]."""
    counts: Floats
    """float64 [room, C]."""


class Once(NamedTuple):
    """n-grams that were seen once: open addressing by key."""

    keys: Keys
    """uint64, a power of two."""
    classes: Ids
    """The class it was seen in; -1 for an empty slot, -2 for one whose n-gram has moved on."""
    weights: Floats
    """The weight it was seen with."""


EMPTY, MOVED = -1, -2


@kernel
def find_in(slots: Ids, keys: Keys, key: np.uint64) -> int:
    """The id of an admitted n-gram, or -1, from a table's slots and keys."""
    mask = np.uint64(len(slots) - 1)
    i = key & mask
    while True:
        there = slots[i]
        if there < 0 or keys[there] == key:
            return int(there)
        i = (i + np.uint64(1)) & mask


@kernel
def find(table: Table, key: np.uint64) -> int:
    """The id of an admitted n-gram, or -1."""
    return int(find_in(table.slots, table.keys, key))


@kernel
def place(slots: Ids, key: np.uint64, number: int) -> None:
    """Enter an id under a key that is not there yet."""
    mask = len(slots) - 1
    i = np.int64(key & np.uint64(mask))
    while slots[i] >= 0:
        i = (i + 1) & mask
    slots[i] = number


@kernel
def place_all(slots: Ids, keys: Keys, size: int) -> None:
    """Enter the ids 0 to size under their keys."""
    for number in range(size):
        place(slots, keys[number], number)


@kernel
def find_once(once: Once, key: np.uint64) -> int:
    """The slot that holds the key, or the empty one where it would go."""
    mask = len(once.keys) - 1
    i = np.int64(key & np.uint64(mask))
    while once.classes[i] != EMPTY and once.keys[i] != key:
        i = (i + 1) & mask
    return int(i)


@kernel
def refill(once: Once, into: Once) -> int:
    """Copy what is still waiting into an empty table; how much that is."""
    used = 0
    for i in range(len(once.keys)):
        if once.classes[i] >= 0:
            j = find_once(into, once.keys[i])
            into.keys[j], into.classes[j], into.weights[j] = once.keys[i], once.classes[i], once.weights[i]
            used += 1
    return used


class Lead(NamedTuple):
    """Where the largest global values are to be found, kept between calls of `largest`."""

    floor: Floats
    """By length and class [order, C]: every n-gram counted above this for its class is a candidate."""
    leaders: NDArray[np.int64]
    """The n-gram that was the largest [order, C]; -1 for none."""
    flags: Flags
    """Whether an n-gram is a candidate, uint8 [room]."""
    ids: Ids
    """The candidates, int32 [room]."""
    used: NDArray[np.int64]
    """How many candidates there are, and how many there were when they were last chosen: int64 [2]."""


def lead(order: int, classes: int, room: int) -> Lead:
    """Nothing known yet: the next call of `largest` looks at every n-gram."""
    return Lead(
        np.full((order, classes), np.inf),
        np.full((order, classes), -1, np.int64),
        np.zeros(room, np.uint8),
        np.zeros(room, np.int32),
        np.zeros(2, np.int64),
    )


@kernel
def count_text(
    keys: Keys,
    before: Flags,
    order: int,
    label: int,
    weight: float,
    table: Table,
    size: int,
    young: Once,
    old: Once,
    known: Keys,
    top: Floats,
    lead: Lead,
    admitted: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Count the n-grams of one text for one class; `known` is the filter that takes those admitted.

    `top` float64 [order, C] is the largest count by length and class and is kept up, as the candidates are.
    An n-gram is admitted at its second occurrence, or at a first one of weight above 1; until then it waits
    in `young` (or in `old`, which is only read and emptied). `admitted` int64 [.., 2] takes the first word
    and the length of each newly admitted n-gram, whose ids run from `size`.

    Returns the new size, how many empty slots of `young` were filled, and how many more n-grams wait there.
    """
    filled = 0
    waiting = 0
    start = 0
    new = 0
    for t in range(len(keys)):
        if before[t] & BREAK:
            start = t
        for first in range(t, max(start, t - order + 1) - 1, -1):
            length = t - first + 1
            key = keys[first]
            for u in range(first + 1, t + 1):
                key = step(step(key, TWIST), keys[u])
            number = find(table, key)
            if number < 0:
                i = find_once(young, key)
                j = find_once(old, key)
                waits = young.classes[i] >= 0 or old.classes[j] >= 0
                if not waits and weight <= 1.0:
                    if young.classes[i] == EMPTY:
                        filled += 1
                    waiting += 1
                    young.keys[i], young.classes[i], young.weights[i] = key, label, weight
                    continue
                number = size
                size += 1
                table.keys[number] = key
                table.lengths[number] = length
                table.counts[number, :] = 0.0
                place(table.slots, key, number)
                prefix = keys[first]
                for u in range(first + 1, t + 1):
                    enter_key(known, prefix)
                    prefix = step(step(prefix, TWIST), keys[u])
                if length > 1:
                    enter_key(known, prefix)
                admitted[new, 0], admitted[new, 1] = first, length
                new += 1
                if young.classes[i] >= 0:
                    table.counts[number, young.classes[i]] += young.weights[i]
                    young.classes[i] = MOVED
                    waiting -= 1
                if old.classes[j] >= 0:
                    table.counts[number, old.classes[j]] += old.weights[j]
                    old.classes[j] = MOVED
            table.counts[number, label] += weight
            count = table.counts[number, label]
            top[length - 1, label] = max(top[length - 1, label], count)
            for c in range(table.counts.shape[1]):
                if not lead.flags[number] and table.counts[number, c] > lead.floor[length - 1, c]:
                    lead.flags[number] = 1
                    lead.ids[lead.used[0]] = number
                    lead.used[0] += 1
    return size, filled, waiting
