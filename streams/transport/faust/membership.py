"""A worker's place in its group, between Faust's threads and the thread of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial

from tocsin.streams.transport.base import Offsets, Partition, Rebalance, Record
from tocsin.streams.transport.faust.delivery import Delivery
from tocsin.streams.transport.faust.inbox import Inbox
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.transport.kafka.member import require_owned

_ROOM = 10_000
"""Records that wait for the worker. When there are as many, the agent waits, and then Faust fetches no more."""

_READ_PAST = 1_000
"""Records of each partition that are read by other means where one of them cannot be read by aiokafka."""


class Membership:
    """Implements `tocsin.streams.transport.faust.application.AgentOwner`.

    Its coroutines run in Faust's threads, and all other methods in the worker's. At a rebalance Faust waits for the
    worker, which calls its `Rebalance` between two batches.
    """

    def __init__(
        self,
        kafka: KafkaTransport,
        rebalance: Rebalance | None,
        read_elsewhere: Collection[str],
        end_of: Callable[[Partition], int | None],
    ) -> None:
        """Partitions of the topics that are `read_elsewhere` are assigned and committed, but not read here."""
        self._kafka = kafka
        self._rebalance = rebalance
        self._read_elsewhere = read_elsewhere
        self._owned: set[Partition] = set()
        self._inbox = Inbox(_ROOM)
        self._delivery = Delivery(kafka.read, end_of)

    # In Faust's threads

    async def put(self, record: Record) -> None:
        """Take one record; awaits room for it."""
        await self._inbox.put(record)

    async def assigned(self, partitions: Sequence[Partition]) -> Offsets:
        """Have the worker take partitions over; returns where to start with those that are read here."""
        starts: Offsets = await asyncio.wrap_future(self._inbox.call(partial(self._take_over, partitions)))
        return starts

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Have the worker give partitions up."""
        await asyncio.wrap_future(self._inbox.call(partial(self._give_up, partitions)))

    async def unreadable(self) -> None:
        """Have the worker read on past a record that aiokafka cannot read."""
        await asyncio.wrap_future(self._inbox.call(self._read_past))

    def following(self) -> Offsets:
        """The offset of the record that comes next, by partition that is read here. For any thread."""
        return self._delivery.following

    # In the worker's thread

    def poll(self, limit: int) -> list[Record]:
        """Up to so many records that are there already. Raises TransportError, and what `Rebalance` raises."""
        self._inbox.make_calls()
        self._delivery.add(self._inbox.take(limit - self._delivery.held))
        return self._delivery.next(limit)

    def wait(self, seconds: float) -> None:
        """Return when there may be a record, or after so many seconds."""
        self._inbox.wait(seconds)

    def require_owned(self, offsets: Offsets, group: str) -> None:
        """Raise PartitionLostError where an offset is of a partition that this member does not own."""
        require_owned(offsets, self._owned, group)

    def close(self) -> None:
        """Let nobody wait for this member any more."""
        self._inbox.close()

    def _take_over(self, partitions: Sequence[Partition]) -> Offsets:
        topics = {partition.topic for partition in partitions}
        found = {p: committed for topic in topics for p, committed in self._kafka.committed(topic).items()}
        committed = {partition: found.get(partition) for partition in partitions}
        self._owned = set(partitions)
        wanted = self._rebalance.assigned(committed) if self._rebalance is not None else {}
        starts: dict[Partition, int] = {}
        for topic in topics - set(self._read_elsewhere):
            first, ends = self._kafka.first_offsets(topic), self._kafka.end_offsets(topic)
            for partition in (p for p in partitions if p.topic == topic):
                standing = committed[partition]
                start = wanted.get(partition, first[partition] if standing is None else standing.offset)
                # Nothing would come from beyond the end, nor from below the beginning.
                starts[partition] = start if first[partition] <= start <= ends[partition] else first[partition]
        self._inbox.clear()
        self._delivery.begin(starts)
        return starts

    def _read_past(self) -> None:
        following = self._delivery.following
        ends = {p: end for topic in {p.topic for p in following} for p, end in self._kafka.end_offsets(topic).items()}
        for partition, start in following.items():
            self._delivery.read_to(partition, min(start + _READ_PAST, ends[partition]))

    def _give_up(self, partitions: Sequence[Partition]) -> None:
        try:
            if self._rebalance is not None:
                self._rebalance.revoked(partitions)
        finally:
            self._owned = set()
            self._inbox.clear()
            self._delivery.begin({})
