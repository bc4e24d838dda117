"""The n-grams that a text is read as.

Source: Burdisso et al. 2020, "t-SS3: a text classifier with dynamic n-grams for early risk detection over text
streams", Pattern Recognition Letters 138; pyss3 0.6.5.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import inlined, kernel
from tocsin.kernels.text.counts import (
    EMPTY,
    Once,
    Table,
    find,
    find_in,
    find_once,
)
from tocsin.kernels.text.filter import may_hold
from tocsin.kernels.text.keys import TWIST, step
from tocsin.kernels.text.lexicon import Lexicon, value_word
from tocsin.kernels.text.memo import confidence_value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Ids = NDArray[np.int32]
Flags = NDArray[np.uint8]


@kernel
def look_up(table: Table, young: Once, old: Once, key: np.uint64, counts: Floats) -> int:
    """The counts of an n-gram, into `counts` [C]: its id, -2 where it was seen once, -1 where never."""
    number = find(table, key)
    if number >= 0:
        counts[:] = table.counts[number]
        return number
    counts[:] = 0.0
    i = find_once(young, key)
    if young.classes[i] >= 0:
        counts[young.classes[i]] = young.weights[i]
        return -2
    i = find_once(old, key)
    if old.classes[i] >= 0:
        counts[old.classes[i]] = old.weights[i]
        return -2
    return -1


@kernel
def seen_in(keys: Keys, classes: Ids, key: np.uint64) -> int:
    """The class in which an n-gram was seen once; negative where it never was, or has moved on."""
    mask = np.uint64(len(keys) - 1)
    i = key & mask
    while classes[i] != EMPTY and keys[i] != key:
        i = (i + np.uint64(1)) & mask
    return int(classes[i])


class Room(NamedTuple):
    """Scratch for texts of up to T words."""

    ids: Ints
    """[T]"""
    words_gv: Floats
    """The global values of words, [T, C]."""
    words_cv: Floats
    """Their confidence values, [T, C]."""
    cv: Floats
    """The values of the n-grams that begin at one word, by length, [L, C]."""
    there: NDArray[np.bool_]
    """Where each of these was written, [L, C]."""
    scratch: Floats
    """[3, C]"""


class Found(NamedTuple):
    """The n-grams that words are read as, of which the first m count."""

    firsts: Ints
    """The first word of each, [T]."""
    lengths: Ints
    """[T]"""
    values: Floats
    """[T, C]"""


@kernel
def scratch_room(T: int, order: int, C: int) -> Room:
    """Room for texts of up to T words."""
    return Room(
        np.empty(T, np.int64),
        np.empty((T, C)),
        np.empty((T, C)),
        np.empty((order, C)),
        np.empty((order, C), np.bool_),
        np.empty((3, C)),
    )


@kernel
def found_room(T: int, C: int) -> Found:
    """Room for the n-grams of up to T words."""
    return Found(np.empty(T, np.int64), np.empty(T, np.int64), np.empty((T, C)))


@kernel
def look_up_words(keys: Keys, T: int, lexicon: Lexicon, room: Room) -> None:
    """The ids and values of the first T words, into `room`; -1 and 0 for one that is not admitted."""
    ids, words_gv, words_cv, _, _, scratch = room
    slots, table_keys, read = lexicon.table.slots, lexicon.table.keys, lexicon.memo.read
    words, values = lexicon.memo.words, lexicon.memo.values
    C = words_gv.shape[1]
    for t in range(T):
        number = find_in(slots, table_keys, keys[t])
        ids[t] = number
        for c in range(C):
            words_gv[t, c], words_cv[t, c] = 0.0, 0.0
        if number < 0:
            continue
        if read[number] != lexicon.moment:
            value_word(number, lexicon, scratch)
        for c in range(C):
            words_gv[t, c], words_cv[t, c] = words[number, c], values[number, c]


@inlined
def length_of_best(t: int, depth: int, least: float, words_cv: Floats, cv: Floats, there: NDArray[np.bool_]) -> int:
    """The length of the n-gram of the largest value in any class; 1 where its words alone are worth more."""
    most, length, apart = 0.0, 1, 0.0
    for c in range(cv.shape[1]):
        alone = 0.0
        for d in range(depth):
            if not there[d, c]:
                break
            alone += words_cv[t + d, c]
            if cv[d, c] > most:
                most, length = cv[d, c], d + 1
        apart = max(apart, alone)
    return 1 if most <= least or apart > most else length


@kernel
def recognise_into(keys: Keys, before: Flags, stop: int, lexicon: Lexicon, room: Room, T: int, found: Found) -> int:
    """`recognise` of the first T words into arrays that are there already; returns m.

    One long loop over arrays by themselves: what is taken out of a tuple, or handed to another function, numba counts
    at every word, and that would cost more than the loop.
    """
    look_up_words(keys, T, lexicon, room)
    firsts, lengths, values = found
    ids, words_gv, words_cv, cv, there, scratch = room
    known, least, moment = lexicon.known, lexicon.rule.a, lexicon.moment
    slots, table_keys, counts = lexicon.table.slots, lexicon.table.keys, lexicon.table.counts
    young_keys, young_classes = lexicon.young.keys, lexicon.young.classes
    old_keys, old_classes = lexicon.old.keys, lexicon.old.classes
    read, valued = lexicon.memo.read, lexicon.memo.values
    top, best, r = lexicon.top, lexicon.best, lexicon.rule
    order, C = top.shape
    m = t = 0
    while t < T:
        if len(known):
            # What does not hold an admitted n-gram worth as much is read as a word: most of what is written.
            peak = 0.0
            for c in range(C):
                peak = max(peak, words_cv[t, c])
            longer = False
            key = keys[t]
            for depth in range(1, min(order, T - t)):
                if before[t + depth] & stop:
                    break
                key = step(step(key, TWIST), keys[t + depth])
                if not may_hold(known, key):
                    break
                number = find_in(slots, table_keys, key)
                if number < 0:
                    continue
                if read[number] != moment:
                    read[number] = moment
                    parts, value = words_gv[t : t + depth + 1], valued[number]
                    confidence_value(counts[number], top[depth], best[depth], parts, depth + 1, r, scratch, value)
                for c in range(C):
                    longer = longer or (valued[number, c] > 0.0 and valued[number, c] >= peak)
            if not longer:
                firsts[m], lengths[m] = t, 1
                for c in range(C):
                    v = words_cv[t, c]
                    values[m, c] = v if v > least else 0.0
                m += 1
                t += 1
                continue
        depth = 0
        key = keys[t]
        while depth < order and t + depth < T:
            if depth > 0:
                if before[t + depth] & stop:
                    break
                key = step(step(key, TWIST), keys[t + depth])
            number = ids[t] if depth == 0 else find_in(slots, table_keys, key)
            if number < 0:
                once = seen_in(young_keys, young_classes, key)
                if once < 0:
                    once = seen_in(old_keys, old_classes, key)
                if once < 0:
                    break
                for c in range(C):  # what was seen once is there, and worth nothing
                    there[depth, c] = c == once
                    cv[depth, c] = 0.0
                depth += 1
                continue
            if read[number] != moment:
                read[number] = moment
                parts, value = words_gv[t : t + depth + 1], valued[number]
                confidence_value(counts[number], top[depth], best[depth], parts, depth + 1, r, scratch, value)
            for c in range(C):
                there[depth, c] = counts[number, c] > 0.0
                cv[depth, c] = valued[number, c]
            depth += 1
        length = length_of_best(t, depth, least, words_cv, cv, there)
        firsts[m], lengths[m] = t, length
        for c in range(C):
            v = cv[length - 1, c] if depth > 0 else 0.0
            values[m, c] = v if v > least else 0.0
        m += 1
        t += length
    return m


@kernel
def recognise(keys: Keys, before: Flags, stop: int, lexicon: Lexicon) -> tuple[Ints, Ints, Floats]:
    """The n-grams that t-SS3 recognises in the words of a text: first word [m], length [m], values [m, C].

    At each word the n-gram of the largest value in any class is taken, unless its words alone are worth more
    in some class; words that are worth nothing are kept too. `stop` is what ends an n-gram: SENTENCE or
    BREAK.
    """
    T = len(keys)
    order, C = lexicon.top.shape
    found = found_room(T, C)
    m = recognise_into(keys, before, stop, lexicon, scratch_room(T, order, C), T, found)
    return found.firsts[:m], found.lengths[:m], found.values[:m]
