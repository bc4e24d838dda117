"""The table of n-grams with their counts by class, and the n-grams that were seen once; both use open addressing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ss3.bloom_filter import enter_key
from tocsin.kernels.text.ss3.candidates import Candidates
from tocsin.kernels.text.tokeniser.hashing import TWIST, step
from tocsin.kernels.text.tokeniser.reference import BREAK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Ids = NDArray[np.int32]
Flags = NDArray[np.uint8]

EMPTY, MOVED = -1, -2
"""What stands in `SeenOnce.classes` for a slot that was never used, and for one whose n-gram was admitted since."""


class NgramTable(NamedTuple):
    """Counts of V admitted n-grams for C classes, in arrays with room for more."""

    slots: Ids
    """Open addressing by key, a power of two: the n-gram's id, or -1."""
    keys: Keys
    """uint64 [room], by id."""
    lengths: Flags
    """The number of words in the n-gram, uint8 [room]."""
    counts: Floats
    """float64 [room, C]"""


class SeenOnce(NamedTuple):
    """N-grams that were seen once, and wait for their second occurrence: open addressing by key."""

    keys: Keys
    """uint64, a power of two."""
    classes: Ids
    """The class in which the n-gram was seen; EMPTY or MOVED where there is none."""
    weights: Floats
    """The weight with which it was seen."""


class Vocabulary(NamedTuple):
    """All that counting a text changes."""

    table: NgramTable
    young: SeenOnce
    old: SeenOnce
    """N-grams that were seen once longer ago; they are read and taken out, and none is added."""
    known: Keys
    """The filter that takes the admitted n-grams."""
    top: Floats
    """float64 [L, C], the largest count by length and class."""
    candidates: Candidates


@kernel
def find(slots: Ids, keys: Keys, key: np.uint64) -> int:
    """The id of an admitted n-gram, or -1, from the slots and keys of a table."""
    mask = np.uint64(len(slots) - 1)
    i = key & mask
    while True:
        there = slots[i]
        if there < 0 or keys[there] == key:
            return int(there)
        i = (i + np.uint64(1)) & mask


@kernel
def insert(slots: Ids, key: np.uint64, number: int) -> None:
    """Enter an id under a key that is not in the table."""
    mask = len(slots) - 1
    i = np.int64(key & np.uint64(mask))
    while slots[i] >= 0:
        i = (i + 1) & mask
    slots[i] = number


@kernel
def insert_all(slots: Ids, keys: Keys, size: int) -> None:
    """Enter the ids from 0 up to `size` under their keys."""
    for number in range(size):
        insert(slots, keys[number], number)


@kernel
def find_slot(keys: Keys, classes: Ids, key: np.uint64) -> int:
    """The slot that holds a key among those seen once, or the empty slot where it would go."""
    mask = np.uint64(len(keys) - 1)
    i = key & mask
    while classes[i] != EMPTY and keys[i] != key:
        i = (i + np.uint64(1)) & mask
    return int(np.int64(i))


@kernel
def copy_waiting(once: SeenOnce, into: SeenOnce) -> int:
    """Copy the n-grams that still wait into an empty table; returns how many there are."""
    used = 0
    for i in range(len(once.keys)):
        if once.classes[i] >= 0:
            j = find_slot(into.keys, into.classes, once.keys[i])
            into.keys[j], into.classes[j], into.weights[j] = once.keys[i], once.classes[i], once.weights[i]
            used += 1
    return used


@kernel
def move_count(once: SeenOnce, slot: int, counts: Floats) -> None:
    """Add to `counts` [C] the occurrence that waits in a slot, and take it out."""
    if once.classes[slot] >= 0:
        counts[once.classes[slot]] += once.weights[slot]
        once.classes[slot] = MOVED


@kernel
def enter_with_prefixes(known: Keys, words: Keys) -> None:
    """Enter an n-gram of several words, and each of its prefixes, into the filter; `words` are the keys [n]."""
    prefix = words[0]
    for i in range(1, len(words)):
        enter_key(known, prefix)
        prefix = step(step(prefix, TWIST), words[i])
    if len(words) > 1:
        enter_key(known, prefix)


@kernel
def count_text(
    keys: Keys, before: Flags, label: int, weight: float, vocabulary: Vocabulary, size: int, admitted: Ints
) -> tuple[int, int, int]:
    """Count the n-grams of one text for one class, from its words' keys [T] and the breaks before them [T].

    An n-gram is admitted at its second occurrence, or at a first one of weight above 1; until then it waits. `admitted`
    int64 [.., 2] takes the first word and the length of each n-gram that is admitted, whose ids run from `size` on.
    Returns the new size, how many empty slots of `young` were filled, and how many more n-grams wait there.
    """
    table, young, old, known, top, candidates = vocabulary
    slots, table_keys, lengths, counts = table
    filled = waiting = start = 0
    first_id = size
    for t in range(len(keys)):
        if before[t] & BREAK:
            start = t
        for first in range(t, max(start, t - len(top) + 1) - 1, -1):
            length = t - first + 1
            key = keys[first]
            for u in range(first + 1, t + 1):
                key = step(step(key, TWIST), keys[u])
            number = find(slots, table_keys, key)
            if number < 0:
                i, j = find_slot(young.keys, young.classes, key), find_slot(old.keys, old.classes, key)
                if weight <= 1.0 and young.classes[i] < 0 and old.classes[j] < 0:
                    filled += young.classes[i] == EMPTY
                    waiting += 1
                    young.keys[i], young.classes[i], young.weights[i] = key, label, weight
                    continue
                number = size
                size += 1
                table_keys[number], lengths[number] = key, length
                counts[number, :] = 0.0
                insert(slots, key, number)
                enter_with_prefixes(known, keys[first : t + 1])
                admitted[number - first_id, 0], admitted[number - first_id, 1] = first, length
                waiting -= young.classes[i] >= 0
                move_count(young, i, counts[number])
                move_count(old, j, counts[number])
            counts[number, label] += weight
            top[length - 1, label] = max(top[length - 1, label], counts[number, label])
            for c in range(counts.shape[1]):
                if not candidates.flags[number] and counts[number, c] > candidates.floor[length - 1, c]:
                    candidates.flags[number] = 1
                    candidates.ids[candidates.used[0]] = number
                    candidates.used[0] += 1
    return size, filled, waiting
