"""A subject's state as it lies in its database: an order, and the state as JSON."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from tocsin.streams.state.entries import decoded
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.records import SubjectState

SUBJECTS = "subjects"
ORDER = 8
"""Bytes of an order, which `Sequence.next` gives: the subject whose order is the least has been silent for longest."""
_DECODER = msgspec.json.Decoder(SubjectState)


class SubjectEntry(NamedTuple):
    """What is kept of one subject."""

    order: bytes
    state: SubjectState

    def encoded(self) -> bytes:
        """As it lies in the database."""
        return self.order + encode(self.state)

    @classmethod
    def decoded(cls, value: bytes) -> SubjectEntry:
        """From what lies in the database."""
        return cls(value[:ORDER], decoded(SUBJECTS, _DECODER, value[ORDER:]))
