"""Pending events that earlier versions kept as JSON, one entry under the event's fingerprint. They are packed once."""

from __future__ import annotations

import msgspec

from tocsin.streams.state.entries import FINGERPRINT, ORDER, DamagedError, LmdbEntries
from tocsin.streams.state.pending.events import PendingEvent, PendingEvents
from tocsin.streams.wire.packed.events import More
from tocsin.streams.wire.packed.layout import Kind, Layout
from tocsin.streams.wire.packed.older import ContextOfOld, renewed
from tocsin.streams.wire.records import Context, Decision, Event, Scalar

PENDING, BY_AGE, BY_SUBJECT = "pending", "pending_order", "posts"
_HEADER = ORDER + FINGERPRINT
"""Bytes before an entry's JSON: its order and its subject's fingerprint."""


class _Kept(msgspec.Struct, frozen=True):
    """What was kept of an event, see `tocsin.streams.wire.packed.events.Unpacked`."""

    event: Event
    decision: Decision | None
    context: Context | None
    partition: int
    content: str | None = None


class _KeptOfOld(_Kept, frozen=True):
    """As it was kept until 0.1.0."""

    context: ContextOfOld | None = msgspec.field(name="saw")


_DECODER = msgspec.json.Decoder(_Kept)
_DECODER_OF_OLD = msgspec.json.Decoder(_KeptOfOld)


def pack_pending(entries: LmdbEntries, pending: PendingEvents) -> None:
    """Take over what an earlier version kept, in its order. Raises DamagedError."""
    for order, key in list(entries.walk(BY_AGE)):
        kept = entries.get(PENDING, key)
        entries.delete(BY_AGE, order)
        if kept is None:
            continue
        entries.delete(BY_SUBJECT, kept[ORDER:_HEADER] + order)
        entries.delete(PENDING, key)
        found = _read(kept[_HEADER:])
        layout = _layout(found.event)
        content = None if found.content is None else bytes.fromhex(found.content)
        more = More(decision=found.decision, context=found.context)
        packed = PendingEvent.of(found.event, layout, found.partition, content, more)
        pending.add(packed, int.from_bytes(order[:8], "big"))


def _read(value: bytes) -> _Kept:
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError:
        try:
            return renewed(_Kept, _DECODER_OF_OLD.decode(value))
        except msgspec.MsgspecError as error:
            raise DamagedError(f"state.directory: an entry of {PENDING!r} is damaged ({error})") from error


def _layout(event: Event) -> Layout:
    return Layout(tuple(event.features), tuple(_kind(value) for value in event.features.values()))


def _kind(value: Scalar) -> Kind:
    if isinstance(value, bool):
        return "boolean"
    return "category" if isinstance(value, str) else "number"
