"""How SS3 reads texts: as confidence vectors, or as the n-grams that it recognises in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import text as kernel
from tocsin.kernels.text import Flat, Operators, ReadingState
from tocsin.models.ss3.explanation import Recognised

Floats = NDArray[np.float64]


class Reading(NamedTuple):
    """What a model's settings say of reading."""

    sentences: bool
    """Whether texts are cut into sentences, as pyss3 does only where it looks for n-grams."""
    characters: bool
    """Whether each word character outside ASCII is a word of its own."""
    of_words: int
    """The kernel's number of the operator by which values of n-grams become a sentence's."""
    of_sentences: int
    """The one by which values of sentences become a paragraph's."""

    @property
    def stop(self) -> int:
        """The mark before a word that ends an n-gram."""
        return kernel.BREAK if self.characters else kernel.SENTENCE

    @property
    def border(self) -> int:
        """The mark before a word that begins a sentence of an explanation."""
        return kernel.SENTENCE if self.sentences else kernel.BREAK


def vectors(texts: Sequence[str], reading: Reading, state: ReadingState) -> Floats:
    """The confidence vectors [B, K] of B texts, each read as one paragraph."""
    if reading.characters or not texts:
        return tokenised_vectors(texts, reading, state)
    flat = kernel.flatten(texts, reading.sentences)
    out = _ascii_vectors(flat, reading, state)
    if len(flat.foreign):
        out[flat.foreign] = tokenised_vectors([texts[b] for b in flat.foreign.tolist()], reading, state)
    return out


def _ascii_vectors(flat: Flat, reading: Reading, state: ReadingState) -> Floats:
    """The fast path: texts of ASCII are cut into words and valued in one pass."""
    out: Floats
    if reading.sentences:
        how = Operators(reading.of_words, reading.of_sentences)
        out = kernel.fast_confidence_of(flat.letters, flat.ends, flat.longest, state, how)
    else:
        out = kernel.fast_word_confidence_of(flat.letters, flat.ends, flat.longest, state)
    return out


def tokenised_vectors(texts: Sequence[str], reading: Reading, state: ReadingState) -> Floats:
    """`vectors` by the plain path, to the same bits: any text is cut into words, and then these are valued."""
    found = kernel.tokenise(texts, reading.sentences, reading.characters, spell=False)
    out: Floats
    if reading.sentences:
        how = Operators(reading.of_words, reading.of_sentences)
        out = kernel.confidence_of(found.keys, found.before, found.bounds, reading.stop, state, how)
    else:
        out = kernel.word_confidence_of(found.keys, found.bounds, state)
    return out


def recognise(text: str, reading: Reading, state: ReadingState) -> Recognised:
    """The n-grams of a text that `vectors` values."""
    found = kernel.tokenise([text], sentences=reading.sentences, characters=reading.characters)
    return Recognised(found, *kernel.recognise(found.keys, found.before, reading.stop, state))


def strongest_of_all(
    texts: Sequence[str], most: int, scale: Floats, reading: Reading, state: ReadingState
) -> list[list[tuple[str, Floats]]]:
    """`explanation.strongest_of` what `recognise` finds in each of B texts, by one call of the kernel."""
    found = kernel.tokenise(texts, sentences=reading.sentences, characters=reading.characters)
    ends, firsts, lengths, values = kernel.strongest_ngrams(
        found.keys, found.before, found.bounds, reading.stop, state, scale, most
    )
    told = list(zip(found.all_spelt(firsts, lengths), values, strict=True))
    return [told[lo:hi] for lo, hi in pairwise([0, *ends.tolist()])]
