"""Feedback on the wire: a label, and the packed event that it found, copied byte for byte.

A record begins with two bytes that no JSON begins with, the mark and the version. A msgpack array follows. Records that
an earlier version wrote are JSON, and are read as before; `read_feedback` gives either as a `Feedback`. Where erasure
is enabled, the event and the earlier posts are sealed, and the record has another mark.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from tocsin.streams.transport.base import Record
from tocsin.streams.wire.packed.events import More, PackedEvent, pack, packed_alone, read_packed, unpacked
from tocsin.streams.wire.packed.layout import Layout, read_layout
from tocsin.streams.wire.packed.older import FeedbackOfOld, renewed
from tocsin.streams.wire.records import Feedback
from tocsin.streams.wire.sealing.sealed import EVENT, POSTS, UNSEALED, Seals, key_id_of

MARK = b"\xc1\x01"
"""A byte that neither JSON nor msgpack uses, and the version of what follows."""
SEALED = b"\xc1\x03"
"""The same of feedback that is sealed."""
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
"""What is raised for bytes that are no feedback."""


class PackedFeedback(msgspec.Struct, frozen=True, array_like=True):
    """A record of the feedback topic as it is written; see `Feedback` for what each field is."""

    label: str
    labelled_at: int
    source: str | None
    weight: float
    about: Literal["event", "subject"]
    contradicts: str | None
    posts: list[str]
    layout: bytes
    """`Layout.packed`, so that a record can be read alone."""
    event: bytes
    """A `PackedEvent`."""
    place: tuple[int, int] | None = None

    def layout_read(self) -> Layout:
        """The layout. Raises msgspec.MsgspecError."""
        return _layout(self.layout)

    def event_read(self) -> PackedEvent:
        """The event. Raises msgspec.MsgspecError."""
        return read_packed(self.event)

    def record(self, packed: PackedEvent | None = None, layout: Layout | None = None) -> Feedback:
        """The same as a record with names; of what another model saw of the event, where that is given.

        Raises one of `UNREADABLE`.
        """
        packed, layout = packed or self.event_read(), layout or self.layout_read()
        event, decision, context = unpacked(layout, packed)
        return Feedback(
            event=event,
            label=self.label,
            labelled_at=self.labelled_at,
            delay=self.labelled_at - packed.time,
            source=self.source,
            weight=self.weight,
            about=self.about,
            contradicts=self.contradicts,
            decision=decision,
            context=context,
            posts=self.posts,
            place=msgspec.UNSET if self.place is None else list(self.place),
        )


class SealedFeedback(msgspec.Struct, frozen=True, array_like=True):
    """A record of the feedback topic whose event is sealed: all that is in clear is what the label says of itself."""

    label: str
    labelled_at: int
    source: str | None
    weight: float
    about: Literal["event", "subject"]
    contradicts: str | None
    posts: bytes
    """A msgpack array of the earlier texts, sealed; empty where there are none."""
    layout: bytes
    event: bytes
    """A `PackedEvent`, sealed."""
    place: tuple[int, int] | None = None


_ENCODER = msgspec.msgpack.Encoder()
_SEALED, _POSTS = msgspec.msgpack.Decoder(SealedFeedback), msgspec.msgpack.Decoder(list[str])
_PACKED = msgspec.msgpack.Decoder(PackedFeedback)
_JSON = msgspec.json.Decoder(Feedback)
_JSON_OF_OLD = msgspec.json.Decoder(FeedbackOfOld)


@lru_cache(maxsize=64)
def _layout(packed: bytes) -> Layout:
    return read_layout(packed)


def packed_feedback(feedback: PackedFeedback) -> bytes:
    """The bytes of a record."""
    return MARK + _ENCODER.encode(feedback)


def without_context(feedback: PackedFeedback) -> PackedFeedback:
    """The same without what the model saw of the event."""
    layout, event = feedback.layout_read(), feedback.event_read()
    if not layout.decided:
        more = None if event.more is None else msgspec.structs.replace(event.more, context=None)
        return msgspec.structs.replace(feedback, event=pack(msgspec.structs.replace(event, more=more)))
    found = unpacked(layout, event)
    alone = Layout(layout.features, layout.kinds, keys=layout.keys, said=layout.said)
    packed = packed_alone(found.event, alone, event.partition, event.content, More(decision=found.decision))
    return msgspec.structs.replace(feedback, layout=alone.packed, event=pack(packed))


def sealed_feedback(value: bytes, subject: str, seals: Seals) -> bytes:
    """The bytes of a record that `packed_feedback` gave, with its event and posts sealed."""
    found = _PACKED.decode(memoryview(value)[len(MARK) :])
    posts = seals.seal(subject, _ENCODER.encode(found.posts), POSTS) if found.posts else b""
    sealed = SealedFeedback(
        found.label,
        found.labelled_at,
        found.source,
        found.weight,
        found.about,
        found.contradicts,
        posts,
        found.layout,
        seals.seal(subject, found.event, EVENT),
        found.place,
    )
    return SEALED + _ENCODER.encode(sealed)


def read_sealed(value: bytes) -> SealedFeedback | None:
    """What a sealed record says in clear; None for any other. Raises one of `UNREADABLE`."""
    return _SEALED.decode(memoryview(value)[len(SEALED) :]) if value.startswith(SEALED) else None


def sealed_under(value: bytes) -> bytes | None:
    """The id of the key that a record is sealed under; None for one that is not sealed, or no feedback."""
    try:
        found = read_sealed(value)
    except UNREADABLE:
        return None
    return None if found is None else key_id_of(found.event)


def _opened(found: SealedFeedback, seals: Seals) -> PackedFeedback:
    return PackedFeedback(
        found.label,
        found.labelled_at,
        found.source,
        found.weight,
        found.about,
        found.contradicts,
        _POSTS.decode(seals.opened(found.posts, POSTS)) if found.posts else [],
        found.layout,
        seals.opened(found.event, EVENT),
        found.place,
    )


def read(value: bytes, seals: Seals = UNSEALED) -> PackedFeedback | Feedback:
    """What a record of the feedback topic holds. Raises one of `UNREADABLE`, whose text says what is wrong.

    Of one that is sealed, `seals` opens it: raises ErasedError where nobody can, and ErasureError.
    """
    if value.startswith(MARK):
        return _PACKED.decode(memoryview(value)[len(MARK) :])
    if (sealed := read_sealed(value)) is not None:
        return _opened(sealed, seals)
    try:
        return _JSON.decode(value)
    except UNREADABLE:
        try:
            return renewed(Feedback, _JSON_OF_OLD.decode(value))
        except UNREADABLE:
            pass
        raise


def read_feedback(record: Record, seals: Seals = UNSEALED) -> Feedback:
    """A record of the feedback topic, of this version or an earlier one. Raises as `read` does."""
    found = read(record.value or b"", seals)
    return found.record() if isinstance(found, PackedFeedback) else found
