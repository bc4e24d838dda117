"""The broker in memory: topics, their records, and the consumer groups."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from tocsin.streams.transport.base import (
    MOST_RECORD_BYTES,
    Committed,
    Headers,
    Partition,
    Record,
    TransportError,
    record_size,
)
from tocsin.streams.transport.memory.group import Group, Member
from tocsin.streams.transport.memory.partitioner import partition_of


class StoredPartition:
    """The records of one partition; `first` is the offset of the oldest one that is kept."""

    __slots__ = ("deleted", "first", "records")

    def __init__(self) -> None:
        self.deleted = False
        """Whether its topic was deleted since."""
        self.first = 0
        self.records: list[Record] = []

    @property
    def end(self) -> int:
        """The offset of the record that is appended next."""
        return self.first + len(self.records)

    def start(self, offset: int) -> int:
        """Where a reader of `offset` begins: at the oldest record where it is out of range, as Kafka's `earliest`."""
        return offset if self.first <= offset <= self.end else self.first


class MemoryBroker:
    """Topics in this process's memory. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        """`clock` gives the records' timestamps in epoch milliseconds; by default it is the machine's clock."""
        self.lock = threading.RLock()
        """Held while topics and groups are read or changed."""
        self._clock = clock or _now
        self._changed = threading.Condition(self.lock)
        self._waiting = 0
        """Threads that wait for a record or a rebalance."""
        self._topics: dict[str, list[StoredPartition]] = {}
        self._ids: dict[str, str] = {}
        self._limits: dict[str, int] = {}
        """By topic, the most bytes that a record may have."""
        self._keyless: dict[str, int] = {}
        """By topic, how many records without a key it has received: they go to its partitions in turn."""
        self._groups: dict[str, Group] = {}

    # For owners of the broker

    def create(self, topic: str, partitions: int = 1) -> None:
        """Create a topic; one that exists keeps its records.

        Raises TransportError where it has another number of partitions, ValueError below one.
        """
        if partitions < 1:
            raise ValueError(f"a topic needs at least one partition, not {partitions}")
        with self.lock:
            stored = self._topics.setdefault(topic, [StoredPartition() for _ in range(partitions)])
            if len(stored) != partitions:
                raise TransportError(f"topic {topic!r} exists with {len(stored)} partitions, not {partitions}")
            self._ids.setdefault(topic, uuid.uuid4().hex)

    def set_limit(self, topic: str, most: int) -> None:
        """Refuse larger records from now on, as Kafka's `max.message.bytes` does; see `record_size`."""
        with self.lock:
            self._limits[topic] = most

    def limit(self, topic: str) -> int:
        """The most bytes that a record of a topic may have. Raises TransportError where the topic does not exist."""
        with self.lock:
            self.stored_partitions(topic)
            return self._limits.get(topic, MOST_RECORD_BYTES)

    def delete(self, topic: str) -> None:
        """Delete a topic with its records. Raises TransportError where it does not exist."""
        with self.lock:
            for stored in self.stored_partitions(topic):
                stored.deleted = True
            del self._topics[topic], self._ids[topic]
            self._changed.notify_all()

    def topics(self) -> dict[str, int]:
        """The number of partitions of every topic."""
        with self.lock:
            return {topic: len(stored) for topic, stored in self._topics.items()}

    def expire(self, partition: Partition, before: int) -> None:
        """Delete the records below an offset, as retention does. Raises TransportError for an unknown partition."""
        with self.lock:
            stored = self.stored_partition(partition)
            drop = min(before, stored.end) - stored.first
            if drop > 0:
                del stored.records[:drop]
                stored.first += drop

    def committed(self, group: str) -> dict[Partition, int]:
        """What a group has committed."""
        with self.lock:
            return {partition: committed.offset for partition, committed in self.commits(group).items()}

    def evict(self, group: str, member: Member) -> None:
        """Take a member out of its group without its knowing, as Kafka does with one whose session is over."""
        with self.lock:
            self.leave(self._groups[group], member)

    def add_partitions(self, topic: str, count: int) -> None:
        """Give a topic more partitions, `count` in all. Raises TransportError where it does not exist."""
        with self.lock:
            stored = self.stored_partitions(topic)
            stored += [StoredPartition() for _ in range(len(stored), count)]
            for group in self._groups.values():
                self._redistribute(group)

    # For transports

    def commits(self, group: str) -> dict[Partition, Committed]:
        """What a group has committed, with its notes."""
        with self.lock:
            return dict(self._groups[group].committed) if group in self._groups else {}

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """What each of these topics was given when it was made; one that is made anew has another."""
        with self.lock:
            return {topic: self._ids[topic] for topic in topics if topic in self._ids}

    def identify(self, ids: Mapping[str, str]) -> None:
        """Give topics the ids of others, of which this broker holds a copy."""
        with self.lock:
            self._ids.update(ids)

    def stored_partitions(self, topic: str) -> list[StoredPartition]:
        """The partitions of a topic. Raises TransportError where it does not exist."""
        try:
            return self._topics[topic]
        except KeyError:
            raise TransportError(
                f"topic {topic!r} does not exist: create it first with create({topic!r}, partitions)"
            ) from None

    def stored_partition(self, partition: Partition) -> StoredPartition:
        """One partition. Raises TransportError where it does not exist."""
        stored = self.stored_partitions(partition.topic)
        if not 0 <= partition.index < len(stored):
            raise TransportError(f"topic {partition.topic!r} has no partition {partition.index}: it has {len(stored)}")
        return stored[partition.index]

    def append(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Store one record. Raises TransportError where the topic does not exist or takes no record so large."""
        self.require_fit(topic, key, value, headers)
        partitions = self._topics[topic]
        index, count = 0, len(partitions)
        timestamp = self._clock()
        with self.lock:
            if count > 1:
                index = self._next_keyless(topic, count) if key is None else partition_of(key, count)
            stored = partitions[index]
            records = stored.records
            records.append(Record(topic, index, stored.first + len(records), timestamp, key, value, tuple(headers)))
            if self._waiting:
                self._changed.notify_all()

    def require_fit(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Raise TransportError where the topic does not exist or takes no record so large."""
        if topic not in self._topics:
            self.stored_partitions(topic)
        if topic in self._limits and (size := record_size(key, value, headers)) > self._limits[topic]:
            raise TransportError(f"a record of {size} bytes is more than topic {topic!r} takes: {self._limits[topic]}")

    def _next_keyless(self, topic: str, count: int) -> int:
        received = self._keyless.get(topic, 0)
        self._keyless[topic] = received + 1
        return received % count

    def join(self, group: str, member: Member) -> Group:
        """Make `member` one of a group's members; returns the group."""
        with self.lock:
            joined = self._groups.setdefault(group, Group())
            joined.members.append(member)
            self._redistribute(joined)
            return joined

    def leave(self, group: Group, member: Member) -> None:
        """Remove a member from its group, and distribute what it owned among the others."""
        with self.lock:
            if member not in group.members:
                return  # it was evicted
            group.members.remove(member)
            group.release(member)
            self._redistribute(group)

    def _redistribute(self, group: Group) -> None:
        group.redistribute({topic: len(stored) for topic, stored in self._topics.items()})
        self._changed.notify_all()

    def wait_for_change(self, seconds: float) -> None:
        """Release the lock, which the caller holds, until a record or a rebalance comes, or the time is over."""
        self._waiting += 1
        try:
            self._changed.wait(seconds)
        finally:
            self._waiting -= 1

    def notify(self) -> None:
        """Wake the threads that wait; the caller holds the lock."""
        self._changed.notify_all()


def _now() -> int:
    """The machine's clock, in epoch milliseconds."""
    return time.time_ns() // 1_000_000
