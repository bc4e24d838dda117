"""The votes of the experts that put most into the decisions of a batch, as JSON."""

from __future__ import annotations

import numpy as np
import orjson

from tocsin.explain.experts import Influence
from tocsin.kernels.text.json_texts import JsonTexts, where
from tocsin.models.data.batch import Ints

Column = int | Ints


def vote_columns(influence: Influence, names: list[str], most: int, texts: JsonTexts) -> list[Column]:
    """What stands in the array `experts` of each explanation; `tocsin.explain.experts.votes` says the same."""
    scores = influence.scores
    engaged = scores.engaged.sum(axis=1)
    places = min(most, int(engaged.max(initial=0)))
    if not scores.classes or not places:
        return []
    told = influence.order[:, :places]
    rows = np.arange(len(engaged))[:, None]
    evidence = scores.evidence[rows, told]
    sums, best = evidence.sum(axis=2), evidence.argmax(axis=2)
    total = influence.strength.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        probability = np.where(sums > 0, evidence.max(axis=2, initial=0.0) / sums, 0.0)
        weight = np.where(total > 0, influence.strength[rows, told] / total, 0.0)
    change = np.stack([influence.changes(place) for place in range(places)], axis=1)
    figures = np.stack([probability, scores.reliability[rows, told], weight, change], axis=2)
    numbers = texts.numbers(np.round(figures, 6))
    heads = _heads(names, scores.classes, texts)[told, np.where(sums > 0, best, len(scores.classes))]
    columns: list[Column] = []
    for place in range(places):
        there = place < engaged
        parts: list[Column] = [texts.fragment(b",")] if place else []
        parts += [heads[:, place], numbers[:, place, 0], texts.fragment(b',"reliability":'), numbers[:, place, 1]]
        parts += [texts.fragment(b',"weight":'), numbers[:, place, 2], texts.fragment(b',"change":')]
        parts += [numbers[:, place, 3], texts.fragment(b"}")]
        columns += [where(there, part) for part in parts]
    return columns


def _heads(names: list[str], classes: tuple[str, ...], texts: JsonTexts) -> Ints:
    """The beginning of each expert's vote for each class, [E, K + 1]; the last is that of a vote for none."""
    votes = [orjson.dumps(c) for c in classes] + [b"null"]
    heads = [b'{"expert":%b,"vote":%b,"probability":' % (orjson.dumps(name), vote) for name in names for vote in votes]
    return texts.fragments(heads).reshape(len(names), len(votes))
