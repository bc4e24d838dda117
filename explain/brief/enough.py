"""What would have been enough to decide the events of a batch that were abstained from, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson

from tocsin.explain.recourse import changes_nothing, without_sentence
from tocsin.kernels.decision.nearest import NO_DECISION, Nearest, nearest_decisions
from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts, stacked, where
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.decision.scores import Scores

if TYPE_CHECKING:
    from tocsin.explain.decision import Explainer

Column = int | Ints
Encode = Callable[[msgspec.Struct], bytes]


def enough_columns(explainer: Explainer, scores: Scores, texts: JsonTexts, encode: Encode) -> list[Column]:
    """What stands behind the key `enough` of each explanation, with the key; nothing for what is decided.

    `tocsin.explain.recourse.enough` says the same, with a sentence that a reader can make from the figures.
    """
    B = len(scores.batch)
    abstained = np.flatnonzero(~scores.decided)
    if not len(abstained):
        return []
    settings = explainer.model.abstention
    same = np.array([changes_nothing(scores, i, settings) for i in abstained.tolist()])
    single = np.full(B, NOTHING)
    _write_same(explainer, scores, abstained[same], single, texts, encode)
    rest = abstained[~same]
    if settings.controls == "cost" or not len(rest):
        if len(rest):
            single[rest] = texts.fragments([_text(explainer, scores, i, encode) for i in rest.tolist()])
        return [single]
    limits: Floats | float = scores.threshold
    if settings.controls != "error":
        K = len(scores.classes)
        by_class = settings.decides_by_class and scores.limits is not None
        limits = np.array(scores.limits) if by_class else np.full(K, scores.threshold)
    p = scores.betp[rest]
    found = nearest_decisions(p, limits)
    nothing = rest[found.label == NO_DECISION]
    if len(nothing):
        single[nothing] = texts.fragments([_text(explainer, scores, int(nothing[0]), encode)])[0]
    there = found.label != NO_DECISION
    written = _found(scores, p[there], Nearest(*(array[there] for array in found)), texts)
    columns = np.full((B, written.shape[1]), NOTHING)
    columns[rest[there]] = written
    return [single, columns]


def _write_same(
    explainer: Explainer, scores: Scores, rows: Ints, single: Ints, texts: JsonTexts, encode: Encode
) -> None:
    """Write what does not depend on the probabilities: the same for all events with one reason."""
    said: dict[str | None, int] = {}
    for i in rows.tolist():
        reason = scores.reasons[i]
        if reason not in said:
            said[reason] = int(texts.fragments([_text(explainer, scores, i, encode)])[0])
        single[i] = said[reason]


def _text(explainer: Explainer, scores: Scores, i: int, encode: Encode) -> bytes:
    enough = without_sentence(explainer.enough(scores, i))
    assert enough is not None  # the event was abstained from
    return b',"enough":' + encode(enough)


def _found(scores: Scores, p: Floats, found: Nearest, texts: JsonTexts) -> Ints:
    """The nearest decisions to R events with the probabilities p [R, K], int64 [R, P]."""
    R, change = len(p), found.betp - p
    rows = np.arange(R)
    # Those that rise most first, then those that fall most.
    rank = np.where(change > 0.0, -change, np.where(change < 0.0, 3.0 + change, 9.0))
    order = np.argsort(rank, axis=1, kind="stable")
    moves = (change != 0.0).sum(axis=1)
    rival = np.where((change < 0.0).any(axis=1), change.argmin(axis=1), -1)
    named = np.array([texts.fragment(orjson.dumps(c)) for c in scores.classes] + [texts.fragment(b"null")])
    figures = [p[rows, found.label], np.where(rival >= 0, p[rows, rival], 0.0)]
    figures += [np.where(rival >= 0, found.betp[rows, rival], 0.0), found.change]
    numbers = texts.numbers(np.round(np.stack(figures, axis=1), 6))
    columns: list[Column] = [texts.fragment(b',"enough":{"label":'), named[found.label]]
    columns += [texts.fragment(b',"rival":'), named[rival], texts.fragment(b',"probability":'), numbers[:, 0]]
    columns += [texts.fragment(b',"rival_probability":'), numbers[:, 1], texts.fragment(b',"needed":'), numbers[:, 2]]
    columns += [texts.fragment(b',"words":"","change":'), numbers[:, 3], texts.fragment(b',"probabilities":{')]
    keys = np.array([texts.fragment(orjson.dumps(c) + b":") for c in scores.classes])
    told = int(moves.max(initial=0))
    values = texts.numbers(np.round(np.take_along_axis(found.betp, order[:, :told], axis=1), 6))
    for place in range(told):
        parts: list[Column] = [texts.fragment(b",")] if place else []
        columns += [where(place < moves, part) for part in (*parts, keys[order[:, place]], values[:, place])]
    columns.append(texts.fragment(b"}}"))
    return stacked(columns, R)
