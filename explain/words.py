"""The words that moved a text expert, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.explain.explanation import Word
from tocsin.models.experts.base import Expert


def words(expert: Expert, text: str, classes: Sequence[str], most: int | None) -> list[Word]:
    """The words of a text that added most to the expert's evidence, the strongest first; at most `most`."""
    found = [(word, values) for word, values in expert.words(text) if values.any()]
    found.sort(key=lambda pair: (-float(pair[1].max()), pair[0]))
    return [
        Word(word, {c: round(v, 6) for c, v in zip(classes, values.tolist(), strict=False) if v})
        for word, values in found[:most]
    ]
