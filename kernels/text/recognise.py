"""The n-grams that a text is read as.

Source: Burdisso et al. 2020, "t-SS3: a text classifier with dynamic n-grams for early risk detection over text
streams", Pattern Recognition Letters 138; pyss3 0.6.5.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.compiled import kernel
from tocsin.kernels.text.counts import EMPTY, Once, Table, find, find_in, find_once
from tocsin.kernels.text.filter import may_hold
from tocsin.kernels.text.keys import TWIST, step
from tocsin.kernels.text.memo import Memo, confidence_value, value_word
from tocsin.kernels.text.values import Rule

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
    """Scratch for one text: ids [T], global and confidence values of its words [T, C], values and presence of the
    n-grams at one word [order, C], and a row or three more."""

    ids: NDArray[np.int64]
    words_gv: Floats
    words_cv: Floats
    cv: Floats
    there: NDArray[np.bool_]
    scratch: Floats


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
def recognise_into(
    keys: Keys,
    before: Flags,
    stop: int,
    young: Once,
    old: Once,
    known: Keys,
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
    room: Room,
    T: int,
    firsts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    values: Floats,
) -> int:
    """`recognise` of the first T words into arrays that are there already: [T], [T], [T, C]; returns m.

    `known` is the filter of admitted n-grams; where it is empty, all are looked for.
    """
    order, C = top.shape
    ids, words_gv, words_cv, cv, there, scratch = room
    # Arrays by themselves: what is in a tuple is counted at every call.
    slots, table_keys, counted = table.slots, table.keys, table.counts
    young_keys, young_classes, old_keys, old_classes = young.keys, young.classes, old.keys, old.classes
    read, memo_values = memo.read, memo.values
    for t in range(T):
        ids[t] = find_in(slots, table_keys, keys[t])
        for c in range(C):
            words_gv[t, c], words_cv[t, c] = 0.0, 0.0
        if ids[t] >= 0:
            if read[ids[t]] != moment:
                value_word(ids[t], table, top, best, r, memo, moment, scratch)
            for c in range(C):
                words_gv[t, c], words_cv[t, c] = memo.words[ids[t], c], memo.values[ids[t], c]
    m = 0
    t = 0
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
                    parts, value = words_gv[t : t + depth + 1], memo_values[number]
                    confidence_value(counted[number], top[depth], best[depth], parts, depth + 1, r, scratch, value)
                for c in range(C):
                    v = memo_values[number, c]
                    longer = longer or (v > 0.0 and v >= peak)
            if not longer:
                firsts[m], lengths[m] = t, 1
                for c in range(C):
                    v = words_cv[t, c]
                    values[m, c] = v if v > r.a else 0.0
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
                parts, value = words_gv[t : t + depth + 1], memo_values[number]
                confidence_value(counted[number], top[depth], best[depth], parts, depth + 1, r, scratch, value)
            for c in range(C):
                there[depth, c] = counted[number, c] > 0.0
                cv[depth, c] = memo_values[number, c]
            depth += 1
        most, length, apart = 0.0, 1, 0.0
        for c in range(C):
            alone = 0.0
            for d in range(depth):
                if not there[d, c]:
                    break
                alone += words_cv[t + d, c]
                if cv[d, c] > most:
                    most, length = cv[d, c], d + 1
            apart = max(apart, alone)
        if most <= r.a or apart > most:
            length = 1
        firsts[m], lengths[m] = t, length
        for c in range(C):
            v = cv[length - 1, c] if depth > 0 else 0.0
            values[m, c] = v if v > r.a else 0.0
        m += 1
        t += length
    return m


@kernel
def recognise(
    keys: Keys,
    before: Flags,
    stop: int,
    young: Once,
    old: Once,
    known: Keys,
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The n-grams that t-SS3 recognises in the words of a text: first word [m], length [m], values [m, C].

    At each word the n-gram of the largest value in any class is taken, unless its words alone are worth more
    in some class; words that are worth nothing are kept too. `stop` is what ends an n-gram: SENTENCE or
    BREAK.
    """
    T = len(keys)
    order, C = top.shape
    firsts, lengths, values = np.empty(T, np.int64), np.empty(T, np.int64), np.zeros((T, C))
    m = recognise_into(
        keys, before, stop, young, old, known, table, top, best, r, memo, moment, scratch_room(T, order, C), T,
        firsts, lengths, values,
    )  # fmt: skip
    return firsts[:m], lengths[:m], values[:m]
