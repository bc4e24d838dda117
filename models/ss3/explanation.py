"""A text taken apart by SS3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import text as kernel
from tocsin.kernels.text import Words


@dataclass(frozen=True, slots=True)
class WordValue:
    """One recognised n-gram of a text and what it is worth for each class."""

    ngram: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a text: its n-grams in order, and their values combined by the model's operator."""

    words: tuple[WordValue, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph of a text: its sentences in order, and their values combined by the model's operator."""

    sentences: tuple[Sentence, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TextExplanation:
    """A text taken apart into paragraphs, sentences and n-grams, whose values are for `classes` in this order."""

    classes: tuple[str, ...]
    paragraphs: tuple[Paragraph, ...]
    confidence: tuple[float, ...]

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences of all paragraphs."""
        return tuple(sentence for paragraph in self.paragraphs for sentence in paragraph.sentences)


class Recognised(NamedTuple):
    """The n-grams that were recognised in a paragraph, in order."""

    found: Words
    """The paragraph's words."""
    firsts: NDArray[np.int64]
    """The first word of each n-gram, [m]."""
    lengths: NDArray[np.int64]
    """How many words each has, [m]."""
    values: NDArray[np.float64]
    """What each is worth to each class, [m, C]."""

    def ngram(self, i: int) -> str:
        """N-gram i, words apart by spaces."""
        return self.found.spelt(int(self.firsts[i]), int(self.firsts[i] + self.lengths[i]))


def strongest(parts: Sequence[Recognised], top: int | None) -> NDArray[np.bool_]:
    """Which n-grams of all paragraphs have the largest value in any class: `top` that are worth something, or all."""
    strength = np.concatenate([part.values.max(axis=1, initial=0.0) for part in parts] or [np.empty(0)])
    listed = np.zeros(len(strength), np.bool_)
    listed[np.argsort(-strength, kind="stable")[:top]] = True
    return listed if top is None else listed & (strength > 0)


def take_apart(part: Recognised, listed: NDArray[np.bool_], border: int, of_words: int, of_sentences: int) -> Paragraph:
    """A paragraph of recognised n-grams, of which those that are `listed` [m] are named.

    A word that has a mark of `border` before it begins a sentence. `of_words` and `of_sentences` are the operators by
    which the values of all n-grams become a sentence's, and these the paragraph's.
    """
    classes = part.values.shape[1]
    sentences: list[Sentence] = []
    starts = [i for i, first in enumerate(part.firsts.tolist()) if part.found.before[first] & border]
    for lo, hi in pairwise([*starts, len(part.firsts)]):
        words = tuple(WordValue(part.ngram(i), tuple(part.values[i].tolist())) for i in range(lo, hi) if listed[i])
        total = kernel.reference_combined(of_words, part.values[lo:hi].tolist(), classes)
        sentences.append(Sentence(words, tuple(total)))
    rows = [sentence.values for sentence in sentences]
    return Paragraph(tuple(sentences), tuple(kernel.reference_combined(of_sentences, rows, classes)))


def take_all_apart(
    parts: Sequence[Recognised], top: int | None, border: int, of_words: int, of_sentences: int
) -> tuple[Paragraph, ...]:
    """`take_apart` all paragraphs of a text; the `top` n-grams of largest value are named, or all."""
    listed = strongest(parts, top)
    starts = accumulate((len(part.firsts) for part in parts), initial=0)
    return tuple(
        take_apart(part, listed[start:], border, of_words, of_sentences)
        for part, start in zip(parts, starts, strict=False)
    )


def strongest_of(
    found: Recognised, most: int, scale: NDArray[np.float64] | None = None
) -> list[tuple[str, NDArray[np.float64]]]:
    """The `most` recognised n-grams of largest value, in order, and those that are worth as much as the last of them.

    Values are multiplied by `scale` [C], where it is given. It is the reference of `reading.strongest_of_all`, which
    does this for many texts.
    """
    if not found.values.size:
        return []
    values = found.values if scale is None else found.values * scale
    largest = values.max(axis=1)
    least = 0.0
    if len(largest) > most:
        least = float(np.partition(largest, len(largest) - most)[len(largest) - most])
    return [(found.ngram(i), values[i]) for i in np.flatnonzero((largest > 0.0) & (largest >= least)).tolist()]
