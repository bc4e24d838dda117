"""The words that moved a text expert, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.explain.explanation import Word
from tocsin.explain.rounding import six_digits
from tocsin.models.data.batch import Floats
from tocsin.models.experts.base import Expert


def words(expert: Expert, text: str, classes: Sequence[str], most: int | None) -> list[Word]:
    """The words of a text that did most for any class, the strongest first; at most `most`."""
    return _told(expert, expert.words(text), classes, most)


def _told(expert: Expert, words: Sequence[tuple[str, Floats]], classes: Sequence[str], most: int | None) -> list[Word]:
    found = [(word, values) for word, values in words if values.any()]
    found.sort(key=lambda pair: (-float(pair[1].max()), pair[0]))
    return [
        Word(
            word=word,
            values={c: six_digits(v) for c, v in zip(classes, values.tolist(), strict=False) if v},
            expert=expert.name,
            part_of=expert.words_add_up_to,
        )
        for word, values in found[:most]
    ]
