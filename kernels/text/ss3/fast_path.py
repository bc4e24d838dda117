"""Texts of ASCII to confidence vectors in one pass: the fast path beside `confidence`, which gives the same bits.

Texts are cut into words and valued portion by portion, so that what was read of a portion is still in the cache of the
CPU when it is valued.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ss3.confidence import Operators, add_up, add_up_words
from tocsin.kernels.text.ss3.reading_state import ReadingState
from tocsin.kernels.text.ss3.recognise import new_found, new_room, recognise_into
from tocsin.kernels.text.tokeniser.ascii import PORTION, new_portion, read_portion
from tocsin.kernels.text.tokeniser.reference import SENTENCE
from tocsin.kernels.text.tokeniser.to_ascii import Bytes, Ints

Floats = NDArray[np.float64]


@kernel
def end_of_portion(ends: Ints, b0: int) -> int:
    """The text before which the portion ends that begins with text b0."""
    start = ends[b0 - 1] + 1 if b0 > 0 else 0
    b1 = b0 + 1
    while b1 < len(ends) and ends[b1] - start <= PORTION:
        b1 += 1
    return b1


@kernel
def fast_word_confidence_of(letters: Bytes, ends: Ints, longest: int, state: ReadingState) -> Floats:
    """`word_confidence_of` B texts as `to_ascii.Flat` has them."""
    B, C = len(ends), state.top.shape[1]
    into = new_portion(max(PORTION, longest) + 1, B)
    out = np.zeros((B, C))
    b0 = 0
    while b0 < B:
        b1 = end_of_portion(ends, b0)
        read_portion(letters, ends, b0, b1, False, into)
        add_up_words(into.keys, into.bounds[: b1 - b0 + 1], state, out[b0:b1])
        b0 = b1
    return out


@kernel
def fast_confidence_of(letters: Bytes, ends: Ints, longest: int, state: ReadingState, how: Operators) -> Floats:
    """`confidence_of` B texts as `to_ascii.Flat` has them; n-grams end with sentences."""
    B = len(ends)
    order, C = state.top.shape
    into = new_portion(max(PORTION, longest) + 1, B)
    out = np.zeros((B, C))
    room, found = new_room(len(into.keys), order, C), new_found(len(into.keys), C)
    b0 = 0
    while b0 < B:
        b1 = end_of_portion(ends, b0)
        T = read_portion(letters, ends, b0, b1, True, into)
        m = recognise_into(into.keys, into.before, SENTENCE, state, room, T, found)
        add_up(into.before, into.bounds[: b1 - b0 + 1], m, found.firsts, found.values, how, out[b0:b1])
        b0 = b1
    return out
