"""Past decisions: the records of the topic `decisions`, in the order of their chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.decode import UNREADABLE
from tocsin.streams.wire.kinds.link import Link
from tocsin.streams.wire.proof.chain import is_whole
from tocsin.streams.wire.records import Decision, ModelVersion, Shed


class DecisionHead(msgspec.Struct, frozen=True):
    """What of a decision tells where it belongs; reading it alone takes a part of the time and memory of the whole."""

    event: str
    subject: str
    decided_at: int
    """Epoch milliseconds."""
    model: ModelVersion
    shed: Shed | None = None
    chain: Link | None = None


class PastDecision(NamedTuple):
    """One record of the topic `decisions`."""

    record: Record
    """As it lies in the topic. Its value is missing where it was not asked for."""
    head: DecisionHead
    whole: bool
    """Whether the digest in its link is that of its bytes."""

    @property
    def link(self) -> Link | None:
        """Its place in the chain of its partition of the events; None where an older worker wrote it."""
        return self.head.chain

    @property
    def value(self) -> bytes:
        """The bytes as they were produced."""
        return self.record.value or b""

    @property
    def decision(self) -> Decision:
        """The whole decision, read anew each time. Raises one of `tocsin.streams.wire.decode.UNREADABLE`."""
        return read_decision(self.value)


class PastDecisions(NamedTuple):
    """What the topic holds."""

    decisions: list[PastDecision]
    """By `chain.partition` and `chain.offset`, then by their own place; those without a link come first."""
    unreadable: list[Record]
    """Records that are no decisions, in the order of the topic."""
    trimmed: dict[int, int | None]
    """The partitions of the topic whose beginning is deleted, each with the timestamp of the first record that is left
    (epoch ms); None where none is left."""

    @property
    def trimmed_before(self) -> int | None:
        """The latest of these timestamps: no record that is later can have been deleted so. None where all is there."""
        return max((time for time in self.trimmed.values() if time is not None), default=None)


_HEAD = msgspec.json.Decoder(DecisionHead)
read_decision = msgspec.json.Decoder(Decision).decode
"""The decision in a record. Raises one of `tocsin.streams.wire.decode.UNREADABLE`."""


def past_decisions(
    reader: Transport, topic: str, keeps: Callable[[DecisionHead], bool] = lambda _: True
) -> PastDecisions:
    """All committed decisions that the topic still holds. Raises TransportError.

    Of those that `keeps` says no to only the head is kept, so that a long log needs less memory.
    """
    decisions: list[PastDecision] = []
    unreadable: list[Record] = []
    firsts = reader.first_offsets(topic)
    trimmed: dict[int, int | None] = {partition.index: None for partition, first in firsts.items() if first}
    for partition, end in reader.end_offsets(topic).items():
        for record in reader.read(partition, 0, end):
            if trimmed.get(record.partition, 0) is None:
                trimmed[record.partition] = record.timestamp
            try:
                head = _HEAD.decode(record.value or b"")
            except UNREADABLE:
                unreadable.append(record)
                continue
            kept = record if keeps(head) else record._replace(value=None, headers=())
            decisions.append(PastDecision(kept, head, is_whole(record.value or b"")))
    decisions.sort(key=_in_chain)
    return PastDecisions(decisions, unreadable, trimmed)


def _in_chain(past: PastDecision) -> tuple[int, int, int, int]:
    link, record = past.link, past.record
    partition, offset = (-1, -1) if link is None else (link.partition, link.offset)
    return partition, offset, record.partition, record.offset
