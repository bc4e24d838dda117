"""Texts of ASCII to confidence vectors in one pass: the quick form of `confidence`, to the same bits.

A portion of the texts is cut into words and valued before the next one, so that what is kept of it stays near.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.compiled import kernel
from tocsin.kernels.text.ascii import PORTION, Ints, portion, read_portion
from tocsin.kernels.text.confidence import add_up
from tocsin.kernels.text.counts import Once, Table, find_in
from tocsin.kernels.text.keys import Keys
from tocsin.kernels.text.letters import Codes, Flags
from tocsin.kernels.text.memo import Memo, value_word
from tocsin.kernels.text.recognise import recognise_into, scratch_room
from tocsin.kernels.text.values import Rule
from tocsin.kernels.text.words import SENTENCE

Floats = NDArray[np.float64]


@kernel
def _last(ends: Ints, b0: int) -> int:
    """Where the portion that begins with text b0 ends: before this text."""
    start = ends[b0 - 1] + 1 if b0 > 0 else 0
    b1 = b0 + 1
    while b1 < len(ends) and ends[b1] - start <= PORTION:
        b1 += 1
    return b1


@kernel
def quick_words(
    text: NDArray[np.uint8],
    ends: Ints,
    longest: int,
    flags: Flags,
    lower: Codes,
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
) -> Floats:
    """`word_confidence_of` the texts that end at `ends` [B], as `ascii.joined` has them."""
    B, C = len(ends), top.shape[1]
    into = portion(max(PORTION, longest) + 1, B)
    out = np.zeros((B, C))
    scratch = np.empty((3, C))
    slots, table_keys, read, values, keys = table.slots, table.keys, memo.read, memo.values, into.keys
    b0 = 0
    while b0 < B:
        b1 = _last(ends, b0)
        read_portion(text, ends, b0, b1, False, flags, lower, into)
        for b in range(b0, b1):
            for t in range(into.bounds[b - b0], into.bounds[b - b0 + 1]):
                number = find_in(slots, table_keys, keys[t])
                if number < 0:
                    continue
                if read[number] != moment:
                    value_word(number, table, top, best, r, memo, moment, scratch)
                for c in range(C):
                    v = values[number, c]
                    out[b, c] += v if v > r.a else 0.0
        b0 = b1
    return out


@kernel
def quick_ngrams(
    text: NDArray[np.uint8],
    ends: Ints,
    longest: int,
    flags: Flags,
    lower: Codes,
    young: Once,
    old: Once,
    known: Keys,
    table: Table,
    top: Floats,
    best: Floats,
    r: Rule,
    memo: Memo,
    moment: int,
    of_words: int,
    of_sentences: int,
) -> Floats:
    """`confidence_of` the texts that end at `ends` [B], as `ascii.joined` has them; n-grams end with sentences."""
    B = len(ends)
    order, C = top.shape
    into = portion(max(PORTION, longest) + 1, B)
    out = np.zeros((B, C))
    most, sentence = len(into.keys), np.empty(C)
    room = scratch_room(most, order, C)
    firsts, lengths, values = np.empty(most, np.int64), np.empty(most, np.int64), np.empty((most, C))
    b0 = 0
    while b0 < B:
        b1 = _last(ends, b0)
        T = read_portion(text, ends, b0, b1, True, flags, lower, into)
        m = recognise_into(
            into.keys, into.before, SENTENCE, young, old, known, table, top, best, r, memo, moment, room, T,
            firsts, lengths, values,
        )  # fmt: skip
        bounds = into.bounds[: b1 - b0 + 1]
        add_up(into.before, bounds, m, firsts, values, of_words, of_sentences, sentence, out[b0:b1])
        b0 = b1
    return out
