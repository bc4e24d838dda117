"""Each record of a partition once and in its order, whatever Faust delivers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice

from tocsin.streams.transport.base import Partition, Record

_log = logging.getLogger(__name__)

ReadRange = Callable[[Partition, int, int], Iterator[Record]]
"""The records of a partition from one offset to below another; see `Transport.read`."""


class Delivery:
    """Compares what Faust delivers with the stored offsets, and puts it right. Belongs to one thread.

    After a rebalance Faust goes back to an earlier offset and delivers records again: these are dropped. Where it goes
    on too far ahead, what lies between is read from the topic. Most often that is nothing, because a transaction leaves
    a marker where no record is.
    """

    def __init__(self, read: ReadRange, end_of: Callable[[Partition], int | None]) -> None:
        """`end_of` gives the end that a partition had when it was fetched from last, None where it is not known."""
        self._read = read
        self._end_of = end_of
        self._following: dict[Partition, int] = {}
        self._held: deque[Record] = deque()
        """What was delivered and is not looked at yet."""
        self._between: Iterator[Record] = iter(())
        """What Faust left out before the first record that is held."""

    @property
    def following(self) -> Mapping[Partition, int]:
        """By partition of this member, the offset of the record that comes next. A copy, for other threads."""
        return dict(self._following)

    @property
    def held(self) -> int:
        """How many records were delivered and not returned yet."""
        return len(self._held)

    def begin(self, starts: Mapping[Partition, int]) -> None:
        """These partitions, and no others, belong to this member, and are read from these offsets on."""
        self._following = dict(starts)
        self._held.clear()
        self._between = iter(())

    def add(self, records: Iterable[Record]) -> None:
        """Take what Faust has delivered."""
        self._held.extend(records)

    def read_to(self, partition: Partition, stop: int) -> None:
        """Read a partition from the topic itself, from its next record to below `stop`."""
        start = self._following[partition]
        if start < stop:
            self._between = chain(self._between, self._read(partition, start, stop))
            self._following[partition] = stop

    def next(self, limit: int) -> list[Record]:
        """Up to so many records, each of them the next of its partition. Raises TransportError."""
        records = self._left_out(limit)
        again = 0
        while self._held and len(records) < limit:
            record = self._held[0]
            partition = Partition(record.topic, record.partition)
            expected = self._following.get(partition)
            if expected is not None and record.offset > expected:
                self.read_to(partition, record.offset)
                records += self._left_out(limit - len(records))
                continue
            self._held.popleft()
            if expected is None:
                continue  # of a partition that is another member's by now
            if record.offset < expected and not self._made_anew(partition, expected):
                again += 1
                continue
            self._following[partition] = record.offset + 1
            records.append(record)
        if again:
            _log.info("Faust delivered %d records again; their stored offsets tell, and they are dropped", again)
        return records

    def _left_out(self, limit: int) -> list[Record]:
        """Up to so many of the records before the first one that is held."""
        records = list(islice(self._between, limit))
        if records:
            first = Partition(records[0].topic, records[0].partition)
            _log.warning("%s: Faust left %d records out, which were read from the topic", first.name, len(records))
        return records

    def _made_anew(self, partition: Partition, expected: int) -> bool:
        """Whether a partition ends before what was read of it, so that its records are others than those before."""
        end = self._end_of(partition)
        if end is None or end >= expected:
            return False
        _log.warning("%s ends before what was read of it: it was made anew, and is read from there on", partition.name)
        return True
