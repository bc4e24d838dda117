"""Texts to confidence vectors: the values of their n-grams, added up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.counts import find_in
from tocsin.kernels.text.lexicon import Lexicon, value_word
from tocsin.kernels.text.operators import combine, conclude
from tocsin.kernels.text.recognise import recognise
from tocsin.kernels.text.words import SENTENCE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.uint8]


@kernel
def add_up(
    before: Flags,
    bounds: Ints,
    m: int,
    firsts: Ints,
    values: Floats,
    of_words: int,
    of_sentences: int,
    sentence: Floats,
    out: Floats,
) -> None:
    """The vectors of texts, into `out` [B, C] which is 0, from the values [m, C] of their n-grams, which begin at the
    words `firsts`; `sentence` [C] is scratch."""
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
def confidence_of(
    keys: Keys,
    before: Flags,
    bounds: Ints,
    stop: int,
    lexicon: Lexicon,
    of_words: int,
    of_sentences: int,
) -> Floats:
    """The confidence vectors [B, C] of B texts: n-grams make sentences by `of_words`, these texts by `of_sentences`.

    Texts are read as one, for what stands before a text's first word ends n-grams.
    """
    C = lexicon.top.shape[1]
    firsts, _, values = recognise(keys, before, stop, lexicon)
    out = np.zeros((len(bounds) - 1, C))
    add_up(before, bounds, len(firsts), firsts, values, of_words, of_sentences, np.empty(C), out)
    return out


@kernel
def add_up_words(keys: Keys, bounds: Ints, lexicon: Lexicon, scratch: Floats, out: Floats) -> None:
    """The vectors of texts where only single words count, into `out` [B, C] which is 0; `scratch` is [3, C]."""
    C, least = out.shape[1], lexicon.rule.a
    # Arrays by themselves: what is in a tuple is counted at every call.
    slots, table_keys, read, values = lexicon.table.slots, lexicon.table.keys, lexicon.memo.read, lexicon.memo.values
    for b in range(len(bounds) - 1):
        for t in range(bounds[b], bounds[b + 1]):
            number = find_in(slots, table_keys, keys[t])
            if number < 0:
                continue
            if read[number] != lexicon.moment:
                value_word(number, lexicon, scratch)
            for c in range(C):
                v = values[number, c]
                out[b, c] += v if v > least else 0.0


@kernel
def word_confidence_of(keys: Keys, bounds: Ints, lexicon: Lexicon) -> Floats:
    """`confidence_of` where only single words count."""
    C = lexicon.top.shape[1]
    out = np.zeros((len(bounds) - 1, C))
    add_up_words(keys, bounds, lexicon, np.empty((3, C)), out)
    return out
