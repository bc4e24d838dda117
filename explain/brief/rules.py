"""The declared rules that fired on the events of a batch, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from tocsin.explain.rules import fired_rules, told_rules
from tocsin.kernels.text.json_texts import JsonTexts, where
from tocsin.models.data.batch import Bools, Ints
from tocsin.models.decision.scores import Scores
from tocsin.models.experts.base import Expert

Column = int | Ints
Encode = Callable[[msgspec.Struct], bytes]


def rule_columns(
    experts: Sequence[Expert], scores: Scores, most: int, texts: JsonTexts, encode: Encode
) -> list[Column]:
    """What stands behind the key `rules` of each explanation, with the key; `tocsin.explain.rules` says the same."""
    found = fired_rules(experts, scores.batch, scores.engaged)
    if not found:
        return []
    fired = np.concatenate([there for _, there in found], axis=1)
    fired &= fired.cumsum(axis=1) <= most
    some: Bools = np.logical_or.reduce(fired, axis=1)
    columns: list[Column] = [where(some, texts.fragment(b',"rules":['))]
    said = texts.fragments([encode(rule) for expert, _ in found for rule in told_rules(expert, scores.classes)])
    before = np.zeros(len(fired), np.bool_)
    for r in np.flatnonzero(fired.any(axis=0)).tolist():
        columns += [where(fired[:, r] & before, texts.fragment(b",")), where(fired[:, r], int(said[r]))]
        before |= fired[:, r]
    return [*columns, where(some, texts.fragment(b"]"))]
