"""A text taken apart by SS3."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WordValue:
    """One recognised n-gram of a text and what it is worth for each class."""

    ngram: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of a text: its n-grams in order and what they come to (their sum, unless it is said otherwise)."""

    words: tuple[WordValue, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph of a text: its sentences in order and what they come to."""

    sentences: tuple[Sentence, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TextExplanation:
    """A text taken apart: paragraphs, their sentences and words, and the classes that the values are for."""

    classes: tuple[str, ...]
    paragraphs: tuple[Paragraph, ...]
    confidence: tuple[float, ...]

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Those of all paragraphs."""
        return tuple(sentence for paragraph in self.paragraphs for sentence in paragraph.sentences)
