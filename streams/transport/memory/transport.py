"""One member's view of a broker in memory."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from tocsin.streams.transport.base import (
    Committed,
    Headers,
    Offsets,
    Partition,
    PartitionLostError,
    Progress,
    Rebalance,
    Record,
    TopicReplacedError,
    TransportError,
    Whole,
)
from tocsin.streams.transport.memory.broker import MemoryBroker, StoredPartition
from tocsin.streams.transport.memory.group import Group


class _Cursor:
    """How far one reader is in one partition."""

    __slots__ = ("partition", "position", "stored")

    def __init__(self, partition: Partition, stored: StoredPartition, position: int) -> None:
        self.partition = partition
        self.stored = stored
        self.position = position


class MemoryTransport:
    """One member's view of a `MemoryBroker`; implements `Transport`.

    One transport belongs to one thread; the transports of one broker may live in several.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        shared: Sequence[str] = (),
        whole: Whole = (),
        group: str = "tocsin",
        rebalance: Rebalance | None = None,
        kept: Sequence[str] = (),
        transactional: bool = False,
        concurrent: bool = False,
    ) -> None:
        """Join `group` for the `shared` topics and read the `whole` ones.

        `kept` are those among them that must not be deleted or made anew while they are read: `poll` raises
        TopicReplacedError then. A `transactional` one keeps what is produced until it is committed. Raises
        TransportError where a topic does not exist.
        """
        self.concurrent = concurrent
        """See `Transport.concurrent`. A commit takes no time here, so that nothing is gained by a second thread."""
        self._transactional = transactional
        self._produced: list[tuple[str, bytes | None, bytes | None, Headers]] = []
        """What the open transaction holds."""
        self.shared = frozenset(shared)
        self._broker = broker
        self._lock = broker.lock
        self._group_name = group
        self._rebalance = rebalance
        self._closed = False
        self._turn = 0
        """The cursor that the next batch begins with."""
        self._owned: dict[Partition, _Cursor] = {}
        self._revoked_generation = -1
        """The generation of the group for which this member has given up what it owned before."""
        self._settled_generation = -1
        """The generation for which it has also taken over its share."""
        with self._lock:
            for topic in shared:
                broker.stored_partitions(topic)
            self._whole: list[_Cursor] = []
            self._whole_topics = dict.fromkeys(_topics(whole), 0)
            """Of the whole topics, how many partitions are read."""
            self._open_whole(whole if isinstance(whole, Mapping) else {})
            self._first_ends = [(cursor, cursor.stored.end) for cursor in self._whole]
            self._cursors = list(self._whole)
            self._kept = {topic: broker.stored_partitions(topic) for topic in kept}
            self._group = broker.join(group, self) if shared else None

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See `Transport.poll`."""
        if self._closed:
            raise TransportError("this transport is closed")
        for topic, partitions in self._kept.items():
            if any(stored.deleted for stored in partitions):
                raise TopicReplacedError(topic)
        group = self._group
        if group is not None and self._settled_generation != group.generation:
            self._rebalance_to(group)
        with self._lock:
            records = self._take(max_records)
        if records or timeout <= 0:
            return records
        return self._wait(max_records, time.monotonic() + timeout)

    def attend(self) -> None:
        """See `Transport.attend`. There is nothing to do."""

    def caught_up(self) -> bool:
        """See `Transport.caught_up`."""
        return all(cursor.position >= end for cursor, end in self._first_ends)

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """See `Transport.produce`. Raises TransportError where the topic does not exist."""
        if self._transactional:
            self._broker.require_fit(topic, key, value, headers)
            self._produced.append((topic, key, value, headers))
        else:
            self._broker.append(topic, key, value, headers)

    def limit(self, topic: str) -> int:
        """See `Transport.limit`."""
        return self._broker.limit(topic)

    def flush(self) -> None:
        """See `Transport.flush`. It does nothing, because a record is delivered the moment it is produced."""

    def commit(self, offsets: Offsets, notes: Mapping[Partition, str] | None = None) -> None:
        """See `Transport.commit`. Raises PartitionLostError for a partition that this member does not own."""
        notes = notes or {}
        group = self._group
        produced, self._produced = self._produced, []
        with self._lock:
            # What was produced may rest on any partition of this member.
            for partition in (*offsets, *(self._owned if produced else ())):
                if group is None or group.owners.get(partition) is not self:
                    raise PartitionLostError(f"{partition.name} belongs to another member of the group")
            for record in produced:
                self._broker.append(*record)
            if group is not None:
                group.committed.update({p: Committed(offset, notes.get(p, "")) for p, offset in offsets.items()})

    def committed(self, topic: str) -> dict[Partition, Committed]:
        """See `Transport.committed`."""
        found = self._broker.commits(self._group_name)
        return {partition: committed for partition, committed in found.items() if partition.topic == topic}

    def add_new_partitions(self) -> None:
        """See `Transport.add_new_partitions`."""
        with self._lock:
            if self._whole_topics.keys() <= self._broker.topics().keys():  # one that is gone is noticed by `poll`
                self._open_whole({})
                self._cursors = [*self._whole, *self._read_as_shared()]

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """See `Transport.topic_ids`."""
        return self._broker.topic_ids(topics)

    def first_offsets(self, topic: str) -> dict[Partition, int]:
        """See `Transport.first_offsets`."""
        with self._lock:
            return {Partition(topic, i): p.first for i, p in enumerate(self._broker.stored_partitions(topic))}

    def end_offsets(self, topic: str) -> dict[Partition, int]:
        """See `Transport.end_offsets`."""
        with self._lock:
            return {Partition(topic, i): p.end for i, p in enumerate(self._broker.stored_partitions(topic))}

    def progress(self) -> dict[Partition, Progress]:
        """See `Transport.progress`."""
        with self._lock:
            cursors = (*self._whole, *self._read_as_shared())
            return {cursor.partition: Progress(cursor.position, cursor.stored.end) for cursor in cursors}

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        """See `Transport.read`. What is appended after the call is not read."""
        with self._lock:
            stored = self._broker.stored_partition(partition)
            return iter(stored.records[max(start - stored.first, 0) : max(stop - stored.first, 0)])

    def close(self) -> None:
        """See `Transport.close`."""
        if not self._closed:
            self._closed = True
            self._owned = {}
            self._produced = []
            if self._group is not None:
                self._broker.leave(self._group, self)

    def _open_whole(self, starts: Mapping[Partition, int]) -> None:
        """Read those partitions of the whole topics that are not read yet."""
        for topic, known in self._whole_topics.items():
            stored_partitions = self._broker.stored_partitions(topic)
            for index, stored in enumerate(stored_partitions[known:], known):
                partition = Partition(topic, index)
                self._whole.append(_Cursor(partition, stored, stored.start(starts.get(partition, 0))))
            self._whole_topics[topic] = len(stored_partitions)

    def _read_as_shared(self) -> list[_Cursor]:
        """The cursors of what is owned, without the topics that are read whole."""
        return [cursor for partition, cursor in self._owned.items() if partition.topic not in self._whole_topics]

    # Taking records

    def _take(self, limit: int) -> list[Record]:
        """What lies ahead of the cursors; each batch begins with the next cursor, so that none starves another."""
        taken: list[Record] = []
        cursors = self._cursors
        count = len(cursors)
        turn = self._turn
        for step in range(count):
            cursor = cursors[(turn + step) % count]
            stored = cursor.stored
            if stored.deleted:
                stored = self._follow(cursor)
            begin = cursor.position - stored.first
            if begin < len(stored.records):
                begin = max(begin, 0)
                taken += stored.records[begin : begin + limit - len(taken)]
                cursor.position = taken[-1].offset + 1
                if len(taken) >= limit:
                    self._turn = (turn + step + 1) % count
                    break
        return taken

    def _follow(self, cursor: _Cursor) -> StoredPartition:
        """The partition of a topic that was deleted, as it was made anew; the old one until then."""
        index = cursor.partition.index
        anew = self._broker.topics().get(cursor.partition.topic, 0) > index
        if anew:
            cursor.stored = self._broker.stored_partition(cursor.partition)
            cursor.position = cursor.stored.start(cursor.position)
        else:
            cursor.position = max(cursor.position, cursor.stored.end)
        return cursor.stored

    def _wait(self, max_records: int, deadline: float) -> list[Record]:
        """Wait for records until the deadline, and follow a rebalance as soon as it comes."""
        group = self._group
        while True:
            with self._lock:
                records = self._take(max_records)
                left = deadline - time.monotonic()
                if records or left <= 0:
                    return records
                if group is None or not self._must_act(group):
                    self._broker.wait_for_change(left)
            if group is not None and self._settled_generation != group.generation:
                self._rebalance_to(group)

    # Rebalance

    def _must_act(self, group: Group) -> bool:
        """Whether this member has partitions to give up, or to take over because they have become available."""
        if self._settled_generation == group.generation:
            return False
        return self._revoked_generation != group.generation or group.available(self)

    def _rebalance_to(self, group: Group) -> None:
        """Give up what goes to others, then take over what comes once its former owners have given it up.

        What stays is left as it is. `Rebalance` is called without the broker's lock: an owner that rebuilds its state
        must not stop the others.
        """
        with self._lock:
            generation = group.generation
            first = self._revoked_generation != generation
        if first:
            self._give_up(group)
            self._revoked_generation = generation
        with self._lock:
            if self not in group.members:
                self._broker.join(self._group_name, self)  # it was evicted
            if group.generation != generation or not group.available(self):
                return
            share = [p for p in group.target[self] if p not in self._owned]
            group.owners.update(dict.fromkeys(share, self))
            committed = {p: group.committed.get(p) for p in share}
            self._owned |= {p: self._cursor(p, None if c is None else c.offset) for p, c in committed.items()}
            self._settled_generation = generation
        starts = self._rebalance.assigned(committed) if self._rebalance is not None and share else {}
        with self._lock:
            for partition, offset in starts.items():
                if partition in self._owned:
                    self._owned[partition] = self._cursor(partition, offset)
            self._cursors = [*self._whole, *self._read_as_shared()]
            self._turn = 0

    def _give_up(self, group: Group) -> None:
        with self._lock:
            stays = set(group.target.get(self, ()))
            gone = [p for p in self._owned if p not in stays or group.owners.get(p) is not self]
        self._cursors = [cursor for cursor in self._cursors if cursor.partition not in gone or cursor in self._whole]
        self._turn = 0
        try:
            if gone and self._rebalance is not None:
                self._rebalance.revoked(gone)
        finally:
            with self._lock:
                for partition in gone:
                    del self._owned[partition]
                    if group.owners.get(partition) is self:
                        del group.owners[partition]
                self._broker.notify()

    def _cursor(self, partition: Partition, offset: int | None) -> _Cursor:
        stored = self._broker.stored_partition(partition)
        return _Cursor(partition, stored, stored.first if offset is None else stored.start(offset))


def _topics(whole: Whole) -> list[str]:
    """The topics that are named, each once."""
    names = [p.topic for p in whole] if isinstance(whole, Mapping) else whole
    return list(dict.fromkeys(names))
