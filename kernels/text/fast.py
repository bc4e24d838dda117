"""Texts of ASCII to confidence vectors in one pass: the quick form of `confidence`, to the same bits.

A portion of the texts is cut into words and valued before the next one, so that what is kept of it stays near.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ascii import (
    PORTION,
    Ints,
    portion,
    read_portion,
)
from tocsin.kernels.text.confidence import add_up, add_up_words
from tocsin.kernels.text.letters import Codes, Flags
from tocsin.kernels.text.lexicon import Lexicon
from tocsin.kernels.text.recognise import found_room, recognise_into, scratch_room
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
    text: NDArray[np.uint8], ends: Ints, longest: int, flags: Flags, lower: Codes, lexicon: Lexicon
) -> Floats:
    """`word_confidence_of` the texts that end at `ends` [B], as `flat.flatten` has them."""
    B, C = len(ends), lexicon.top.shape[1]
    into = portion(max(PORTION, longest) + 1, B)
    out, scratch = np.zeros((B, C)), np.empty((3, C))
    b0 = 0
    while b0 < B:
        b1 = _last(ends, b0)
        read_portion(text, ends, b0, b1, False, flags, lower, into)
        add_up_words(into.keys, into.bounds[: b1 - b0 + 1], lexicon, scratch, out[b0:b1])
        b0 = b1
    return out


@kernel
def quick_ngrams(
    text: NDArray[np.uint8],
    ends: Ints,
    longest: int,
    flags: Flags,
    lower: Codes,
    lexicon: Lexicon,
    of_words: int,
    of_sentences: int,
) -> Floats:
    """`confidence_of` the texts that end at `ends` [B], as `flat.flatten` has them; n-grams end with sentences."""
    B = len(ends)
    order, C = lexicon.top.shape
    into = portion(max(PORTION, longest) + 1, B)
    out, sentence = np.zeros((B, C)), np.empty(C)
    room, found = scratch_room(len(into.keys), order, C), found_room(len(into.keys), C)
    b0 = 0
    while b0 < B:
        b1 = _last(ends, b0)
        T = read_portion(text, ends, b0, b1, True, flags, lower, into)
        m = recognise_into(into.keys, into.before, SENTENCE, lexicon, room, T, found)
        bounds = into.bounds[: b1 - b0 + 1]
        add_up(into.before, bounds, m, found.firsts, found.values, of_words, of_sentences, sentence, out[b0:b1])
        b0 = b1
    return out
