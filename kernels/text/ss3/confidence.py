"""From words to the confidence vectors of texts: the values of n-grams, combined by sentence and by text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ss3.counts import find
from tocsin.kernels.text.ss3.operators import combine, conclude
from tocsin.kernels.text.ss3.reading_state import ReadingState, value_word
from tocsin.kernels.text.ss3.recognise import recognise
from tocsin.kernels.text.tokeniser.reference import SENTENCE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.uint8]


class Operators(NamedTuple):
    """How values become one, as numbers of `operators`."""

    of_words: int
    """How the values of n-grams become one of a sentence."""
    of_sentences: int
    """How those of sentences become one of a text."""


@kernel
def add_up(before: Flags, bounds: Ints, m: int, firsts: Ints, values: Floats, how: Operators, out: Floats) -> None:
    """Write the vectors of texts to `out` [B, C], which is 0, from the values [m, C] of their n-grams.

    `firsts` [m] are the words at which these begin, `before` [T] the marks before words, and text b has the words
    bounds[b] to bounds[b + 1].
    """
    of_words, of_sentences = how
    sentence = np.empty(out.shape[1])
    i = 0
    for b in range(len(bounds) - 1):
        grams, sentences = 0, 0
        sentence[:] = 0.0
        while i < m and firsts[i] < bounds[b + 1]:
            if grams > 0 and before[firsts[i]] & SENTENCE:
                conclude(of_words, sentence, grams)
                combine(of_sentences, out[b], sentence)
                sentence[:] = 0.0
                grams = 0
                sentences += 1
            combine(of_words, sentence, values[i])
            grams += 1
            i += 1
        conclude(of_words, sentence, grams)
        combine(of_sentences, out[b], sentence)
        conclude(of_sentences, out[b], sentences + 1)


@kernel
def confidence_of(keys: Keys, before: Flags, bounds: Ints, stop: int, state: ReadingState, how: Operators) -> Floats:
    """The confidence vectors [B, C] of B texts.

    The texts are read as one, since the mark before the first word of a text ends n-grams.
    """
    firsts, _, values = recognise(keys, before, stop, state)
    out = np.zeros((len(bounds) - 1, state.top.shape[1]))
    add_up(before, bounds, len(firsts), firsts, values, how, out)
    return out


@kernel
def add_up_words(keys: Keys, bounds: Ints, state: ReadingState, out: Floats) -> None:
    """Write the vectors of texts in which only single words count to `out` [B, C], which is 0."""
    C, least, scratch = out.shape[1], state.rule.a, np.empty((3, out.shape[1]))
    # numba counts the references of an array whenever it is taken out of a tuple, so that is done before the loop.
    slots, table_keys = state.table.slots, state.table.keys
    versions, values = state.cache.versions, state.cache.values
    for b in range(len(bounds) - 1):
        for t in range(bounds[b], bounds[b + 1]):
            number = find(slots, table_keys, keys[t])
            if number < 0:
                continue
            if versions[number] != state.version:
                value_word(number, state, scratch)
            for c in range(C):
                v = values[number, c]
                out[b, c] += v if v > least else 0.0


@kernel
def word_confidence_of(keys: Keys, bounds: Ints, state: ReadingState) -> Floats:
    """`confidence_of` where only single words count."""
    out = np.zeros((len(bounds) - 1, state.top.shape[1]))
    add_up_words(keys, bounds, state, out)
    return out
