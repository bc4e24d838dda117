"""Rollback: one control record that has every model be what it would be without the feedback since some record."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Partition, Transport
from tocsin.streams.wire.packed.control import Control, is_control, packed_control
from tocsin.streams.wire.packed.feedback import UNREADABLE, read, read_sealed
from tocsin.streams.worker.learning.leave_outs import LeaveOuts

ALL = msgspec.UNSET
"""All sources, in place of one."""
Source = str | msgspec.UnsetType | None


class RollbackError(Exception):
    """Nothing is rolled back; the text says why, and what can be done."""


class Rollback(NamedTuple):
    """What a rollback would leave out."""

    first: int
    """The first offset of the feedback that it is about."""
    end: int
    """The offset after the last one."""
    source: Source
    """Whose labels; `ALL` for those of every source, None for labels without one."""
    records: dict[str | None, int]
    """How many feedback records that are learnt now it leaves out, by source."""

    def control(self, time: int, by: str) -> Control:
        """The record to write at a time, epoch milliseconds; `by` is who asks for it."""
        return Control(
            kind="leave-out", reason="rollback", time=time, by=by, first=self.first, end=self.end, source=self.source
        )


def first_at(transport: Transport, settings: Settings, time: int) -> int:
    """The offset of the first feedback record whose own time (that of the Kafka record) is not before `time`.

    The end of the feedback where there is none. `time` is epoch milliseconds. Raises TransportError, RollbackError.
    """
    partition, end = _feedback(transport, settings)
    records = transport.read(partition, 0, end)
    return next((record.offset for record in records if record.timestamp >= time), end)


def rollback(transport: Transport, settings: Settings, first: int, source: Source = ALL) -> Rollback:
    """What it would leave out to go back to the model at feedback offset `first`. Raises TransportError, RollbackError.

    Only what `source` said is left out, where it is named.
    """
    partition, end = _feedback(transport, settings)
    if first > end:
        raise RollbackError(f"{partition.topic} ends at offset {end}, so that nothing stands behind offset {first}")
    oldest = transport.first_offsets(partition.topic)[partition]
    if first < oldest:
        raise RollbackError(
            f"{partition.topic} begins at offset {oldest}: what stood before it cannot be unlearnt any more. Name an "
            f"offset from {oldest} on"
        )
    leave_outs = LeaveOuts()
    leave_outs.clear(first)
    leave_outs.read(transport, partition, first, end)
    gone, counts = leave_outs.left_out(end), Counter[str | None]()
    for record in transport.read(partition, first, end):
        if is_control(record.value):
            continue
        try:
            said = read_sealed(record.value or b"") or read(record.value or b"")
        except UNREADABLE as error:
            raise RollbackError(f"{partition.name}, offset {record.offset} is no feedback record: {error}") from error
        if source in (ALL, said.source) and not gone.names(record.offset, said.source):
            counts[said.source] += 1
    return Rollback(first, end, source, dict(sorted(counts.items(), key=lambda item: item[0] or "")))


def write(transport: Transport, settings: Settings, control: Control) -> int:
    """Write a control record to the feedback; returns its offset once the broker has it. Raises TransportError."""
    partition, end = _feedback(transport, settings)
    value = packed_control(control)
    transport.produce(partition.topic, None, value)
    transport.flush()
    _, now = _feedback(transport, settings)
    return next(record.offset for record in transport.read(partition, end, now) if record.value == value)


def _feedback(transport: Transport, settings: Settings) -> tuple[Partition, int]:
    topic = settings.topics.feedback
    ends = transport.end_offsets(topic)
    if len(ends) != 1:
        raise RollbackError(
            f"topic {topic!r} has {len(ends)} partitions, and feedback has an order in one partition only; name a "
            "topic of one partition"
        )
    [(partition, end)] = ends.items()
    return partition, end
