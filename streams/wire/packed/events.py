"""Packed events: what is kept of an event until its label comes, and what its feedback says of it, in one small blob.

A blob is a msgpack array (`PackedEvent`) whose numbers are one row of float64, in little-endian bytes, as a `Layout`
says. Many rows become columns without an object for each of their numbers. `unpacked` gives the same as records.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, get_args

import msgspec
import numpy as np

from tocsin.models.data.batch import Floats
from tocsin.models.data.feedback import Contexts
from tocsin.streams.wire.encode import finite
from tocsin.streams.wire.packed.beside import SeenBeside
from tocsin.streams.wire.packed.context import context_to_wire
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.records import Context, Decision, Event, Figure, ModelVersion, Reason, Scalar, SubjectState

REASONS: tuple[str, ...] = get_args(Reason)
_UNSAID = "-"


class More(msgspec.Struct, frozen=True, array_like=True):
    """What few events have beside their numbers."""

    over_budget: str | None = _UNSAID
    """As in `Decision`, where there is a budget."""
    risk: SubjectState | None = None
    decision: Decision | None = None
    """What was decided, where it is known from the decisions topic alone, or from an older version."""
    context: Context | None = None
    """What the model saw, where an older version kept it."""
    alert: float | None = None
    """As in `Decision`."""
    beside: SeenBeside | None = None
    """What the model saw that does not decide, where there is one."""


class PackedEvent(msgspec.Struct, frozen=True, array_like=True):
    """One event, packed."""

    layout: bytes
    """`Layout.key` of what its numbers mean."""
    id: str
    subject: str
    time: int
    partition: int
    """The partition of the events topic that it came in."""
    content: bytes | None
    """A digest of what was sent; None where it is not known."""
    categories: tuple[str | None, ...]
    """The values of the features that are categories."""
    text: str | None
    numbers: bytes
    more: More | None = None


class Unpacked(NamedTuple):
    """The records that a packed event stands for."""

    event: Event
    decision: Decision | None
    """What was said of it, without the explanation; None where that is not known."""
    context: Context | None
    """What the model saw of it; None where that is lost, and the learner scores the event anew."""


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(PackedEvent)
pack = _ENCODER.encode
"""The blob of a `PackedEvent`."""
read_packed = _DECODER.decode
"""What `pack` gave. Raises msgspec.MsgspecError."""


def packed_alone(
    event: Event, layout: Layout, partition: int, content: bytes | None, more: More | None = None
) -> PackedEvent:
    """An event of which nothing is known but its features, packed; `layout` is that of undecided events."""
    values = [event.features.get(name) for name in layout.features]
    categories = tuple(
        None if value is None else str(value)
        for value, kind in zip(values, layout.kinds, strict=True)
        if kind == "category"
    )
    row = [
        math.nan if value is None or kind == "category" else float(value)
        for value, kind in zip(values, layout.kinds, strict=True)
    ]
    numbers = np.array(row, "<f8").tobytes()
    return PackedEvent(
        layout.key, event.id, event.subject, event.time, partition, content, categories, event.text, numbers, more
    )


def rows_of(layout: Layout, packed: Sequence[PackedEvent]) -> Floats:
    """The numbers of B events of one layout, float64 [B, layout.width]. Raises ValueError where they do not fit it."""
    return np.frombuffer(b"".join(one.numbers for one in packed), "<f8").reshape(len(packed), layout.width)


def contexts_of(layout: Layout, rows: Floats) -> Contexts:
    """What the model saw of B events, from their numbers [B, layout.width]."""
    K, place = len(layout.classes), layout.places
    followed = layout.priors and bool((~np.isnan(rows[:, place["ratio"]])).any())
    return Contexts(
        classes=np.full(len(rows), K),
        history=rows[:, place["history"]].astype(np.int64),
        subject_label=rows[:, place["subject_label"]][:, 0].astype(np.int64),
        evidence=rows[:, place["evidence"]].reshape(len(rows), layout.experts, K),
        betp=rows[:, place["betp"]],
        threshold=rows[:, place["threshold"]][:, 0],
        learnt=rows[:, place["learnt"]][:, 0].astype(np.int64),
        limits=rows[:, place["limits"]] if layout.per_class else None,
        nonconformity=rows[:, place["nonconformity"]] if layout.nonconformity else None,
        plain=rows[:, place["plain"]] if followed else None,
        ratio=rows[:, place["ratio"]] if followed else None,
    )


def event_of(layout: Layout, packed: PackedEvent) -> Event:
    """The event, with its features by name."""
    row = np.frombuffer(packed.numbers, "<f8")
    categories = iter(packed.categories)
    features: dict[str, Scalar] = {}
    for name, kind, value in zip(layout.features, layout.kinds, row.tolist(), strict=False):
        if kind == "category":
            features[name] = next(categories)
        elif math.isnan(value):
            features[name] = None
        elif kind == "time":
            features[name] = int(value)
        else:
            features[name] = bool(value) if kind == "boolean" else value
    return Event(packed.id, packed.subject, packed.time, features, packed.text)


def unpacked(layout: Layout, packed: PackedEvent) -> Unpacked:
    """The records that a packed event stands for. Raises ValueError where it does not fit its layout."""
    event, more = event_of(layout, packed), packed.more or More()
    if not layout.decided:
        return Unpacked(event, _with_profiles(more.decision, layout, packed), more.context)
    rows = rows_of(layout, [packed])
    row, [seen] = rows[0], contexts_of(layout, rows).unpadded()
    return Unpacked(event, _decision(layout, packed, row, more), context_to_wire(seen))


def traffic_ratio(nonconformity: Sequence[float]) -> float | None:
    """The traffic ratio among an event's scores; None where it has none."""
    known = nonconformity[2:]
    return known[0] if known and math.isfinite(known[0]) else None


def _with_profiles(decision: Decision | None, layout: Layout, packed: PackedEvent) -> Decision | None:
    """A decision that was read back, with what profiles said, which stands among the numbers."""
    if decision is None or not layout.said:
        return decision
    return msgspec.structs.replace(decision, profiles=_profiles(layout, np.frombuffer(packed.numbers, "<f8")))


def _profiles(layout: Layout, row: Floats) -> dict[str, Figure]:
    """What profiles said of an event, by name."""
    said = row[len(layout.features) - layout.said : len(layout.features)].tolist()
    return {name: finite(value) for name, value in zip(layout.profiles, said, strict=True)}


def _decision(layout: Layout, packed: PackedEvent, row: Floats, more: More) -> Decision:
    place, classes = layout.places, layout.classes

    def number(name: str) -> float:
        return float(row[place[name]][0])

    label, reason = int(number("label")), int(number("reason"))
    ratio = row[place["ratio"]].tolist()
    follows = bool(ratio) and not math.isnan(ratio[0])
    said: str | msgspec.UnsetType | None = msgspec.UNSET if more.over_budget == _UNSAID else more.over_budget
    return msgspec.convert(
        {
            "event": packed.id,
            "subject": packed.subject,
            "time": packed.time,
            "decided_at": int(number("decided_at")),
            "status": "decided" if number("status") else "abstained",
            "label": classes[label] if label >= 0 else None,
            "belief": dict(zip(classes, row[place["belief"]].tolist(), strict=True)),
            "uncertainty": number("uncertainty"),
            "conflict": number("conflict"),
            "reason": REASONS[reason] if reason >= 0 else None,
            "set": [c for c, within in zip(classes, row[place["sets"]].tolist(), strict=True) if within],
            "explanation": None,
            "model": ModelVersion(
                int(number("feedback_offset")), layout.config, layout.segment, settings=layout.settings
            ),
            "priors": dict(zip(classes, ratio, strict=True)) if follows else None,
            "traffic_ratio": traffic_ratio(row[place["nonconformity"]].tolist()),
            "risk": more.risk,
            "alert": more.alert,
            "profiles": _profiles(layout, row) if layout.said else None,
        }
        | ({} if said is msgspec.UNSET else {"over_budget": said}),
        Decision,
    )
