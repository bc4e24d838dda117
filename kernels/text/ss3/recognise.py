"""The n-grams that a text is read as.

The arrays of a tuple are taken out before a loop over words, and the loop calls functions with few arrays: numba counts
the references of an array whenever it is taken out of a tuple or handed to another function, which would cost more
than the work on a word.

Source: Burdisso et al. 2020, "t-SS3: a text classifier with dynamic n-grams for early risk detection over text
streams", Pattern Recognition Letters 138; pyss3 0.6.5.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import inlined, kernel
from tocsin.kernels.text.ss3.bloom_filter import may_hold
from tocsin.kernels.text.ss3.counts import NgramTable, SeenOnce, find, find_slot
from tocsin.kernels.text.ss3.reading_state import ReadingState, value_ngram, value_word
from tocsin.kernels.text.tokeniser.hashing import TWIST, step

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.uint8]
Bools = NDArray[np.bool_]


@kernel
def look_up(table: NgramTable, young: SeenOnce, old: SeenOnce, key: np.uint64, counts: Floats) -> int:
    """Write the counts of an n-gram to `counts` [C]; returns its id, -2 where it was seen once, and -1 where never."""
    number = find(table.slots, table.keys, key)
    if number >= 0:
        counts[:] = table.counts[number]
        return number
    counts[:] = 0.0
    for once in (young, old):
        i = find_slot(once.keys, once.classes, key)
        if once.classes[i] >= 0:
            counts[once.classes[i]] = once.weights[i]
            return -2
    return -1


class Room(NamedTuple):
    """Scratch for texts of up to T words."""

    ids: Ints
    """The ids of words, [T]; -1 for a word that is not admitted."""
    words_gv: Floats
    """The global values of words, [T, C]."""
    words_cv: Floats
    """The confidence values of words, [T, C]."""
    longer: Bools
    """Whether an n-gram of several words may be recognised where a word stands, [T]."""
    cv: Floats
    """The values of the n-grams that begin at one word, by length, [L, C]."""
    there: Bools
    """Whether each of these was seen in the class, [L, C]."""
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
def new_room(T: int, order: int, C: int) -> Room:
    """Scratch for texts of up to T words."""
    return Room(
        np.empty(T, np.int64),
        np.empty((T, C)),
        np.empty((T, C)),
        np.empty(T, np.bool_),
        np.empty((order, C)),
        np.empty((order, C), np.bool_),
        np.empty((3, C)),
    )


@kernel
def new_found(T: int, C: int) -> Found:
    """Room for the n-grams of up to T words."""
    return Found(np.empty(T, np.int64), np.empty(T, np.int64), np.empty((T, C)))


@kernel
def look_up_words(keys: Keys, T: int, state: ReadingState, room: Room) -> None:
    """Write the ids and values of the first T words to `room`; -1 and 0 for a word that is not admitted."""
    ids, words_gv, words_cv, scratch = room.ids, room.words_gv, room.words_cv, room.scratch
    slots, table_keys, versions = state.table.slots, state.table.keys, state.cache.versions
    word_values, values = state.cache.word_values, state.cache.values
    C = words_gv.shape[1]
    for t in range(T):
        number = find(slots, table_keys, keys[t])
        ids[t] = number
        for c in range(C):
            words_gv[t, c], words_cv[t, c] = 0.0, 0.0
        if number < 0:
            continue
        if versions[number] != state.version:
            value_word(number, state, scratch)
        for c in range(C):
            words_gv[t, c], words_cv[t, c] = word_values[number, c], values[number, c]


@kernel
def find_longer(keys: Keys, before: Flags, stop: int, state: ReadingState, room: Room, T: int) -> None:
    """Mark in `room.longer` the words at which an admitted n-gram begins that is worth as much as the word.

    All other words are read as words, which are most of what is written. Without a filter all words are marked.
    """
    words_gv, words_cv, longer = room.words_gv, room.words_cv, room.longer
    known, versions, values, version = state.known, state.cache.versions, state.cache.values, state.version
    slots, table_keys = state.table.slots, state.table.keys
    order, C = state.top.shape
    for t in range(T):
        longer[t] = len(known) == 0
        peak = 0.0
        for c in range(C):
            peak = max(peak, words_cv[t, c])
        key = keys[t]
        for depth in range(1, min(order, T - t)):
            if longer[t] or before[t + depth] & stop:
                break
            key = step(step(key, TWIST), keys[t + depth])
            if not may_hold(known, key):
                break
            number = find(slots, table_keys, key)
            if number < 0:
                continue
            if versions[number] != version:
                value_ngram(number, words_gv[t : t + depth + 1], state, room.scratch)
            for c in range(C):
                longer[t] = longer[t] or (values[number, c] > 0.0 and values[number, c] >= peak)


@inlined
def length_of_best(t: int, depth: int, least: float, words_cv: Floats, cv: Floats, there: Bools) -> int:
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
def recognise_into(keys: Keys, before: Flags, stop: int, state: ReadingState, room: Room, T: int, found: Found) -> int:
    """`recognise` of the first T words into arrays that are there already; returns m."""
    look_up_words(keys, T, state, room)
    find_longer(keys, before, stop, state, room, T)
    firsts, lengths, found_values = found
    ids, words_gv, words_cv, longer, cv, there, scratch = room
    least, version = state.rule.a, state.version
    slots, table_keys, counts, versions = state.table.slots, state.table.keys, state.table.counts, state.cache.versions
    young_keys, young_classes = state.young.keys, state.young.classes
    old_keys, old_classes, values = state.old.keys, state.old.classes, state.cache.values
    order, C = state.top.shape
    m = t = 0
    while t < T:
        depth, key, length = 0, keys[t], 1
        while longer[t] and depth < order and t + depth < T:
            if depth > 0:
                if before[t + depth] & stop:
                    break
                key = step(step(key, TWIST), keys[t + depth])
            number = ids[t] if depth == 0 else find(slots, table_keys, key)
            once = -1
            if number < 0:
                once = young_classes[find_slot(young_keys, young_classes, key)]
                if once < 0:
                    once = old_classes[find_slot(old_keys, old_classes, key)]
                if once < 0:
                    break
            elif versions[number] != version:
                value_ngram(number, words_gv[t : t + depth + 1], state, scratch)
            for c in range(C):  # an n-gram that was seen once is there, and is worth nothing
                there[depth, c] = counts[number, c] > 0.0 if number >= 0 else c == once
                cv[depth, c] = values[number, c] if number >= 0 else 0.0
            depth += 1
        if depth > 0:
            length = length_of_best(t, depth, least, words_cv, cv, there)
        firsts[m], lengths[m] = t, length
        for c in range(C):
            v = cv[length - 1, c] if depth > 0 else words_cv[t, c]
            found_values[m, c] = v if v > least else 0.0
        m += 1
        t += length
    return m


@kernel
def recognise(keys: Keys, before: Flags, stop: int, state: ReadingState) -> tuple[Ints, Ints, Floats]:
    """The n-grams that t-SS3 recognises in the words of a text: their first words [m], lengths [m] and values [m, C].

    At each word the n-gram of the largest value in any class is taken, unless its words alone are worth more in some
    class. Words that are worth nothing are kept, too. `stop` is the mark that ends an n-gram: SENTENCE or BREAK.
    """
    T = len(keys)
    order, C = state.top.shape
    found = new_found(T, C)
    m = recognise_into(keys, before, stop, state, new_room(T, order, C), T, found)
    return found.firsts[:m], found.lengths[:m], found.values[:m]
