"""Past events: records of the topic `events` by partition and offset, read in ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tocsin.streams.transport.base import Partition, Record, Transport

GAP = 1_000
"""Offsets so far apart are read in two ranges: a range costs as much time as some thousand records."""
Place = tuple[int, int]
"""Partition and offset."""


def events_at(reader: Transport, topic: str, places: Iterable[Place]) -> dict[Place, Record]:
    """The records at these places. One that the topic holds no more is missing. Raises TransportError.

    Callers ask for some thousand places at once, of one stretch of time: then each range is read once.
    """
    wanted: dict[int, set[int]] = {}
    for partition, offset in places:
        wanted.setdefault(partition, set()).add(offset)
    there = {partition.index: partition for partition in reader.first_offsets(topic)}
    found: dict[Place, Record] = {}
    for index, offsets in sorted(wanted.items()):
        if index in there:
            for record in _read(reader, there[index], sorted(offsets)):
                if record.offset in offsets:
                    found[index, record.offset] = record
    return found


def _read(reader: Transport, partition: Partition, offsets: list[int]) -> Iterator[Record]:
    for start, stop in _ranges(offsets):
        yield from reader.read(partition, start, stop)


def _ranges(offsets: list[int]) -> Iterator[tuple[int, int]]:
    """Ranges [start, stop) that hold these offsets, which rise."""
    start = last = offsets[0]
    for offset in offsets[1:]:
        if offset - last > GAP:
            yield start, last + 1
            start = offset
        last = offset
    yield start, last + 1
