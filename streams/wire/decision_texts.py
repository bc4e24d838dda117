"""The decisions of a batch as JSON, written from arrays. `tocsin.streams.wire.records.Decision` is their definition."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import orjson

from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts, where
from tocsin.models.data.batch import Ints
from tocsin.models.decision.scores import Scores
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.packed.packing import Verdicts
from tocsin.streams.wire.records import Shed, SubjectState

Column = int | Ints


def decision_texts(
    events: EventColumns,
    scores: Scores,
    verdicts: Verdicts,
    explanations: Sequence[Column],
    endings: Sequence[bytes | None],
    profiles: Sequence[str],
    texts: JsonTexts,
) -> list[bytes]:
    """The records of B decisions.

    `explanations` are columns of `texts`, `endings` what `ending` gave for the events that have one. `profiles` are the
    names of what profiles say, the last features.
    """
    B = events.size
    quoted = [orjson.dumps(c) for c in scores.classes]
    named = np.array([texts.fragment(name) for name in (*quoted, b"null")])
    reasons = [texts.fragment(b"null" if reason is None else b'"%b"' % reason.encode()) for reason in verdicts.reasons]
    numbers = texts.numbers(np.stack([scores.uncertainty, scores.conflict], axis=1))
    status = np.where(verdicts.decided, texts.fragment(b"decided"), texts.fragment(b"abstained"))
    [model] = texts.fragments([b',"model":' + encode(verdicts.model)]).tolist()
    columns: list[Column] = [
        *(texts.fragment(b'{"event":'), texts.strings(events.ids)),
        *(texts.fragment(b',"subject":'), texts.strings(events.subjects)),
        *(texts.fragment(b',"time":'), texts.numbers(np.array(events.times, np.int64))),
        *(texts.fragment(b',"decided_at":'), _times(verdicts, texts), texts.fragment(b',"status":"')),
        *(status, texts.fragment(b'","label":'), named[verdicts.label]),
        *(texts.fragment(b',"belief":{'), *_beliefs(scores, quoted, texts)),
        *(texts.fragment(b'},"uncertainty":'), numbers[:, 0], texts.fragment(b',"conflict":'), numbers[:, 1]),
        *(texts.fragment(b',"reason":'), np.array(reasons)),
        *(texts.fragment(b',"set":['), *_sets(scores, quoted, texts), texts.fragment(b'],"explanation":')),
        *explanations,
        model,
        *_profiles(scores, profiles, texts),
        _endings(endings, texts, B),
        texts.fragment(b"}"),
    ]
    return texts.join(columns, B)


def ending(
    over_budget: str | msgspec.UnsetType | None,
    priors: dict[str, float] | None,
    risk: SubjectState | None,
    shed: Shed | None = None,
    traffic_ratio: float | None = None,
    alert: float | None = None,
) -> bytes | None:
    """What few decisions have at their end; None for those that have nothing."""
    text = b""
    if over_budget is not msgspec.UNSET:
        text += b',"over_budget":' + orjson.dumps(over_budget)
    if priors is not None:
        text += b',"priors":' + orjson.dumps(priors)
    if traffic_ratio is not None:
        text += b',"traffic_ratio":' + orjson.dumps(traffic_ratio)
    if risk is not None:
        text += b',"risk":' + encode(risk)
    if alert is not None:
        text += b',"alert":' + orjson.dumps(alert)
    if shed is not None:
        text += b',"shed":"%b"' % shed.encode()
    return text or None


def _times(verdicts: Verdicts, texts: JsonTexts) -> Column:
    """When each was decided."""
    if isinstance(verdicts.decided_at, int):
        return int(texts.fragments([b"%d" % verdicts.decided_at])[0])
    return texts.numbers(verdicts.decided_at)


def _beliefs(scores: Scores, quoted: Sequence[bytes], texts: JsonTexts) -> list[Column]:
    """The members of the object `belief`."""
    numbers = texts.numbers(scores.belief)
    columns: list[Column] = []
    for k, name in enumerate(quoted):
        columns += [texts.fragment((b"," if k else b"") + name + b":"), numbers[:, k]]
    return columns


def _profiles(scores: Scores, names: Sequence[str], texts: JsonTexts) -> list[Column]:
    """The member `profiles`, where there are any."""
    if not names:
        return []
    numbers = texts.numbers(scores.given[:, scores.given.shape[1] - len(names) :])
    columns: list[Column] = [texts.fragment(b',"profiles":{')]
    for c, name in enumerate(names):
        columns += [texts.fragment((b"," if c else b"") + orjson.dumps(name) + b":"), numbers[:, c]]
    return [*columns, texts.fragment(b"}")]


def _sets(scores: Scores, quoted: Sequence[bytes], texts: JsonTexts) -> list[Column]:
    """The members of the array `set`."""
    before: Ints = np.cumsum(scores.sets, axis=1, dtype=np.int64) - scores.sets
    columns: list[Column] = []
    for k, name in enumerate(quoted):
        first, later = texts.fragment(name), texts.fragment(b"," + name)
        columns.append(where(scores.sets[:, k], np.where(before[:, k] > 0, later, first)))
    return columns


def _endings(endings: Sequence[bytes | None], texts: JsonTexts, rows: int) -> Column:
    there = [i for i, text in enumerate(endings) if text is not None]
    if not there:
        return NOTHING
    column = np.full(rows, NOTHING)
    column[there] = texts.fragments([text for text in endings if text is not None])
    return column
