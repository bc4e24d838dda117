"""Texts to confidence vectors: the n-grams that a text is read as, their values, and how they add up.

Source: Burdisso et al. 2020, "t-SS3: a text classifier with dynamic n-grams for early risk detection over text
streams", Pattern Recognition Letters 138; pyss3 0.6.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.compiled import kernel
from tocsin.kernels.text.counts import EMPTY, Once, Table, find, find_in, find_once
from tocsin.kernels.text.keys import TWIST, step
from tocsin.kernels.text.values import BONUS, GUARD, Rule, global_values
from tocsin.kernels.text.words import SENTENCE

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
Ids = NDArray[np.int32]
Flags = NDArray[np.uint8]


@kernel
def confidence_value(
    counts: Floats,
    top: Floats,
    best: Floats,
    parts: Floats,
    length: int,
    r: Rule,
    scratch: Floats,
    out: Floats,
) -> None:
    """The confidence value (cv) of one n-gram for every class, into `out` [C].

    `top` and `best` [C] are for its length, `parts` [length, C] the global values of its words.
    """
    global_values(counts, top, r, scratch, out)
    if not r.xai:
        return
    C = len(counts)
    guard = 0.0
    if length > 1:
        for w in range(length):
            for c in range(C):
                guard += parts[w, c]
    for c in range(C):
        if counts[c] <= 0.0 or best[c] <= 0.0 or (length > 1 and guard < GUARD):
            out[c] = 0.0
            continue
        out[c] /= best[c]
        if length > 1:
            strong = True
            for w in range(length):
                strong = strong and parts[w, c] >= BONUS
            if strong:
                out[c] += guard


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


class Memo(NamedTuple):
    """The values of n-grams as they were last read; a moment is a state of the counts, from 1."""

    read: NDArray[np.int64]
    """The moment at which an n-gram was last valued, int64 [room]."""
    words: Floats
    """Its global values [room, C], where it is a single word."""
    values: Floats
    """Its confidence values [room, C]."""


def memo(room: int, classes: int) -> Memo:
    """Nothing was read yet."""
    return Memo(np.zeros(room, np.int64), np.empty((room, classes)), np.empty((room, classes)))


@kernel
def value_word(
    number: int, table: Table, top: Floats, best: Floats, r: Rule, memo: Memo, moment: int, scratch: Floats
) -> None:
    """Value an admitted word in the memo."""
    memo.read[number] = moment
    word, value = memo.words[number], memo.values[number]
    global_values(table.counts[number], top[0], r, scratch, word)
    for c in range(len(word)):
        value[c] = word[c]
        if r.xai:
            value[c] = word[c] / best[0, c] if best[0, c] > 0.0 else 0.0


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
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
    room: Room,
    firsts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    values: Floats,
) -> int:
    """`recognise` into arrays that are there already: [T], [T], [T, C]; returns m."""
    T = len(keys)
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
        keys, before, stop, young, old, table, top, best, r, memo, moment, scratch_room(T, order, C),
        firsts, lengths, values,
    )  # fmt: skip
    return firsts[:m], lengths[:m], values[:m]


SUM, MAX, MEAN = range(3)
"""How values become one: by sum (SS3's own), by the largest of each class, or by the mean."""


@kernel
def combine(operator: int, total: Floats, value: Floats) -> None:
    """Take one more value [C] into the total [C], which begins at 0."""
    for c in range(len(total)):
        total[c] = max(total[c], value[c]) if operator == MAX else total[c] + value[c]


@kernel
def conclude(operator: int, total: Floats, count: int) -> None:
    """Make the total of so many values what the operator says."""
    if operator == MEAN and count > 0:
        for c in range(len(total)):
            total[c] /= count


def reference_combined(operator: int, values: Sequence[Sequence[float]], classes: int) -> list[float]:
    """`combine` and `conclude` of values [n, C], as one would write them.

    >>> reference_combined(MEAN, [[1, 0], [2, 4]], 2)
    [1.5, 2.0]
    """
    columns = [[row[c] for row in values] for c in range(classes)]
    if operator == MAX:
        return [max(column, default=0.0) for column in columns]
    divisor = len(values) if operator == MEAN and values else 1
    return [sum(column) / divisor for column in columns]


@kernel
def confidence_of(
    keys: Keys,
    before: Flags,
    bounds: NDArray[np.int64],
    stop: int,
    young: Once,
    old: Once,
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
    of_words: int,
    of_sentences: int,
) -> Floats:
    """The confidence vectors [B, C] of B texts: n-grams make sentences by `of_words`, these texts by `of_sentences`."""
    B = len(bounds) - 1
    order, C = top.shape
    longest = 0
    for b in range(B):
        longest = max(longest, bounds[b + 1] - bounds[b])
    room = scratch_room(longest, order, C)
    firsts, lengths, values = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty((longest, C))
    out = np.zeros((B, C))
    sentence = np.zeros(C)
    for b in range(B):
        lo, hi = bounds[b], bounds[b + 1]
        m = recognise_into(
            keys[lo:hi], before[lo:hi], stop, young, old, table, top, best, r, memo, moment, room,
            firsts, lengths, values,
        )  # fmt: skip
        grams, sentences = 0, 0
        sentence[:] = 0.0
        for i in range(m):
            if grams > 0 and before[lo + firsts[i]] & SENTENCE:
                conclude(of_words, sentence, grams)
                combine(of_sentences, out[b], sentence)
                sentence[:] = 0.0
                grams = 0
                sentences += 1
            combine(of_words, sentence, values[i])
            grams += 1
        conclude(of_words, sentence, grams)
        combine(of_sentences, out[b], sentence)
        conclude(of_sentences, out[b], sentences + 1)
    return out


@kernel
def word_confidence_of(
    keys: Keys,
    bounds: NDArray[np.int64],
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
) -> Floats:
    """`confidence_of` where only single words count."""
    B = len(bounds) - 1
    C = top.shape[1]
    out = np.zeros((B, C))
    scratch = np.empty((3, C))
    slots, table_keys, read, values = table.slots, table.keys, memo.read, memo.values
    for b in range(B):
        for t in range(bounds[b], bounds[b + 1]):
            number = find_in(slots, table_keys, keys[t])
            if number < 0:
                continue
            if read[number] != moment:
                value_word(number, table, top, best, r, memo, moment, scratch)
            for c in range(C):
                v = values[number, c]
                out[b, c] += v if v > r.a else 0.0
    return out
