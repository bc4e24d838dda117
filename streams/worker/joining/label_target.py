"""What a label speaks of: an event, or a subject."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tocsin.streams.state.entries import fingerprint
from tocsin.streams.state.known_labels import Place
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.records import Label


class LabelTarget(NamedTuple):
    """An event by its id, or a subject by its name."""

    about: Literal["event", "subject"]
    identity: str

    key: bytes
    """What labels of it are kept under."""

    @classmethod
    def of(cls, about: Literal["event", "subject"], identity: str) -> LabelTarget:
        """What a label speaks of that is about this."""
        return cls(about, identity, fingerprint(about, identity))


def target_of(label: Label) -> LabelTarget:
    """What a label speaks of: the event where it names one, else the subject."""
    if label.event is not None:
        return LabelTarget.of("event", label.event)
    assert label.subject is not None  # or it would have been refused
    return LabelTarget.of("subject", label.subject)


def place_of(record: Record) -> Place:
    """Where a label lies in its topic."""
    return record.partition, record.offset
