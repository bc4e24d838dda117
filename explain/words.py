"""The words that moved a text expert, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tocsin.models.experts.base import Reader


def words(expert: Reader, text: str, classes: Sequence[str], most: int | None) -> list[dict[str, Any]]:
    """The strongest words of a text as `Word`s, at most `most`."""
    found = [(word, values) for word, values in expert.words(text) if values.any()]
    found.sort(key=lambda pair: (-float(pair[1].max()), pair[0]))
    return [
        {
            "word": word,
            "values": {c: round(v, 6) for c, v in zip(classes, values.tolist(), strict=False) if v},
        }
        for word, values in found[:most]
    ]
