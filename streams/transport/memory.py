"""A log inside this process: for replays, tests and notebooks.

`MemoryBroker` keeps the records, any number of `MemoryTransport`s read and write them. Nothing is durable, nothing
waits for a network, and everything the behaviour suite asks of Kafka holds here too.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from tocsin.streams.transport.base import (
    Headers,
    Offsets,
    Partition,
    PartitionLostError,
    Rebalance,
    Record,
    TransportError,
)

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


@functools.lru_cache(maxsize=1 << 16)
def murmur2(key: bytes) -> int:
    """The 32-bit murmur2 hash of a key, with the seed of Java's Kafka client; unsigned.

    Remembered for the keys seen last, because a stream's keys come again and again.
    """
    length = len(key)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(key[i : i + 4], "little") * _M & _MASK
        h = (h * _M & _MASK) ^ ((k ^ (k >> 24)) * _M & _MASK)
    if whole < length:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key among so many, as Java's default partitioner chooses it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


class _Track:
    """The records of one partition; `first` is the offset of the oldest one that is kept."""

    __slots__ = ("first", "records")

    def __init__(self) -> None:
        self.first = 0
        self.records: list[Record] = []

    @property
    def end(self) -> int:
        return self.first + len(self.records)

    def start(self, offset: int) -> int:
        """Where a reader of `offset` begins: out of range, at the oldest record, as Kafka's `earliest`."""
        return offset if self.first <= offset <= self.end else self.first


class _Cursor:
    """How far one reader is in one partition."""

    __slots__ = ("position", "track")

    def __init__(self, track: _Track, position: int) -> None:
        self.track = track
        self.position = position


class _Group:
    """A consumer group: who is in it, who should have what, who still holds what, and what was committed."""

    def __init__(self) -> None:
        self.generation = 0
        self.members: list[MemoryTransport] = []
        self.target: dict[MemoryTransport, list[Partition]] = {}
        self.owners: dict[Partition, MemoryTransport] = {}
        self.committed: dict[Partition, int] = {}

    def redistribute(self, counts: Mapping[str, int]) -> None:
        """Share every topic out in contiguous ranges: equal indexes of two topics meet in one member."""
        self.generation += 1
        self.target = {member: [] for member in self.members}
        for topic, count in counts.items():
            candidates = [member for member in self.members if topic in member.shared]
            for index in range(count if candidates else 0):
                member = candidates[index * len(candidates) // count]
                self.target[member].append(Partition(topic, index))


class MemoryBroker:
    """Topics in this process's memory. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        """`clock` gives the records' timestamps in epoch milliseconds; the machine's where none is given."""
        self._clock = clock or _now
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0
        self._topics: dict[str, list[_Track]] = {}
        self._turn: dict[str, int] = {}
        self._groups: dict[str, _Group] = {}

    def create(self, topic: str, partitions: int = 1) -> None:
        """Make a topic; one that exists is kept.

        Raises LogError where it has another number of partitions, ValueError below one.
        """
        if partitions < 1:
            raise ValueError(f"a topic needs at least one partition, not {partitions}")
        with self._lock:
            tracks = self._topics.setdefault(topic, [_Track() for _ in range(partitions)])
            if len(tracks) != partitions:
                raise TransportError(f"topic {topic!r} exists with {len(tracks)} partitions, not {partitions}")

    def topics(self) -> dict[str, int]:
        """The number of partitions of every topic."""
        with self._lock:
            return {topic: len(tracks) for topic, tracks in self._topics.items()}

    def expire(self, partition: Partition, before: int) -> None:
        """Forget the records below an offset, as retention does. Raises LogError for an unknown partition."""
        with self._lock:
            track = self._track(partition)
            drop = min(before, track.end) - track.first
            if drop > 0:
                del track.records[:drop]
                track.first += drop

    def committed(self, group: str) -> dict[Partition, int]:
        """What a group has committed."""
        with self._lock:
            return dict(self._groups[group].committed) if group in self._groups else {}

    def _tracks(self, topic: str) -> list[_Track]:
        try:
            return self._topics[topic]
        except KeyError:
            raise TransportError(
                f"topic {topic!r} does not exist: make it first with create({topic!r}, partitions)"
            ) from None

    def _track(self, partition: Partition) -> _Track:
        tracks = self._tracks(partition.topic)
        if not 0 <= partition.index < len(tracks):
            raise TransportError(f"topic {partition.topic!r} has no partition {partition.index}: it has {len(tracks)}")
        return tracks[partition.index]

    def _append(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        tracks = self._topics.get(topic) or self._tracks(topic)
        index, count = 0, len(tracks)
        timestamp = self._clock()
        with self._lock:
            if count > 1:
                index = self._next_turn(topic, count) if key is None else partition_of(key, count)
            track = tracks[index]
            records = track.records
            records.append(Record(topic, index, track.first + len(records), timestamp, key, value, tuple(headers)))
            if self._waiting:
                self._changed.notify_all()

    def _next_turn(self, topic: str, count: int) -> int:
        turn = self._turn.get(topic, 0)
        self._turn[topic] = turn + 1
        return turn % count

    def _join(self, group: str, member: MemoryTransport) -> _Group:
        with self._lock:
            joined = self._groups.setdefault(group, _Group())
            joined.members.append(member)
            self._redistribute(joined)
            return joined

    def _leave(self, group: _Group, member: MemoryTransport) -> None:
        with self._lock:
            group.members.remove(member)
            group.owners = {p: owner for p, owner in group.owners.items() if owner is not member}
            self._redistribute(group)

    def _redistribute(self, group: _Group) -> None:
        group.redistribute({topic: len(tracks) for topic, tracks in self._topics.items()})
        self._changed.notify_all()


class MemoryTransport:
    """One member's view of a `MemoryBroker`; implements `Log`.

    One log belongs to one thread; logs of one broker may live in several.
    """

    def __init__(
        self,
        broker: MemoryBroker,
        *,
        shared: Sequence[str] = (),
        whole: Mapping[Partition, int] | Sequence[str] = (),
        group: str = "tocsin",
        rebalance: Rebalance | None = None,
    ) -> None:
        """Join `group` for the `shared` topics and read the `whole` ones.

        `whole` names topics, or maps partitions to the offset to start at; a partition left out starts at 0.
        Raises LogError where a topic does not exist.
        """
        self.shared = frozenset(shared)
        self._broker = broker
        self._lock = broker._lock
        self._rebalance = rebalance
        self._closed = False
        self._turn = 0
        self._held: dict[Partition, _Cursor] = {}
        self._settled = -1
        self._revoked_at = -1
        with self._lock:
            for topic in shared:
                broker._tracks(topic)
            self._whole = self._open_whole(whole)
            self._goals = [(cursor, cursor.track.end) for cursor in self._whole]
            self._cursors = list(self._whole)
            self._group = broker._join(group, self) if shared else None

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """See `Log.poll`."""
        if self._closed:
            raise TransportError("this log is closed")
        group = self._group
        if group is not None and self._settled != group.generation:
            self._follow(group)
        with self._lock:
            records = self._take(max_records)
        if records or timeout <= 0:
            return records
        return self._wait(max_records, time.monotonic() + timeout)

    def caught_up(self) -> bool:
        """See `Log.caught_up`."""
        return all(cursor.position >= goal for cursor, goal in self._goals)

    def produce(self, topic: str, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        """See `Log.emit`. Raises LogError where the topic does not exist."""
        self._broker._append(topic, key, value, headers)

    def flush(self) -> None:
        """See `Log.flush`; here a record is delivered the moment it is emitted."""

    def commit(self, offsets: Offsets) -> None:
        """See `Log.commit`. Raises PartitionLostError for a partition that this member does not own."""
        group = self._group
        with self._lock:
            for partition in offsets:
                if group is None or group.owners.get(partition) is not self:
                    raise PartitionLostError(
                        f"{partition.topic}-{partition.index} belongs to another member of the group"
                    )
            if group is not None:
                group.committed.update(offsets)

    def end_offsets(self, topic: str) -> dict[Partition, int]:
        """See `Log.ends`."""
        with self._lock:
            return {Partition(topic, i): t.end for i, t in enumerate(self._broker._tracks(topic))}

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        """See `Log.read`; what is appended after the call is not read."""
        with self._lock:
            track = self._broker._track(partition)
            return iter(track.records[max(start - track.first, 0) : max(stop - track.first, 0)])

    def close(self) -> None:
        """See `Log.close`."""
        if not self._closed:
            self._closed = True
            self._held = {}
            if self._group is not None:
                self._broker._leave(self._group, self)

    def _open_whole(self, whole: Mapping[Partition, int] | Sequence[str]) -> list[_Cursor]:
        starts = whole if isinstance(whole, Mapping) else {}
        topics = dict.fromkeys(p.topic for p in whole) if isinstance(whole, Mapping) else whole
        return [
            _Cursor(track, track.start(starts.get(Partition(topic, index), 0)))
            for topic in topics
            for index, track in enumerate(self._broker._tracks(topic))
        ]

    def _take(self, limit: int) -> list[Record]:
        """What lies ahead of the cursors; each poll begins at the next one, so that none starves another."""
        taken: list[Record] = []
        cursors = self._cursors
        count = len(cursors)
        turn = self._turn
        for step in range(count):
            cursor = cursors[(turn + step) % count]
            track = cursor.track
            at = cursor.position - track.first
            if at < len(track.records):
                at = max(at, 0)
                taken += track.records[at : at + limit - len(taken)]
                cursor.position = taken[-1].offset + 1
                if len(taken) >= limit:
                    self._turn = (turn + step + 1) % count
                    break
        return taken

    def _wait(self, max_records: int, deadline: float) -> list[Record]:
        group = self._group
        while True:
            with self._lock:
                records = self._take(max_records)
                left = deadline - time.monotonic()
                if records or left <= 0:
                    return records
                if group is None or self._settled == group.generation or not self._may_settle(group):
                    self._sleep(left)
            if group is not None and self._settled != group.generation:
                self._follow(group)

    def _sleep(self, seconds: float) -> None:
        self._broker._waiting += 1
        try:
            self._broker._changed.wait(seconds)
        finally:
            self._broker._waiting -= 1

    def _may_settle(self, group: _Group) -> bool:
        """Whether this member has something to do about the group: give up, or take what has become free."""
        return self._revoked_at != group.generation or self._free(group)

    def _free(self, group: _Group) -> bool:
        return all(group.owners.get(p, self) is self for p in group.target[self])

    def _follow(self, group: _Group) -> None:
        """Give up what was held, then take over the new share once its former owners have given it up.

        The owner is called without the broker's lock: rebuilding its state must not stop the other members.
        """
        with self._lock:
            generation = group.generation
            first = self._revoked_at != generation
        if first:
            self._revoke(group)
            self._revoked_at = generation
        with self._lock:
            if group.generation != generation or not self._free(group):
                return
            share = group.target[self]
            group.owners.update(dict.fromkeys(share, self))
            committed = {p: group.committed.get(p) for p in share}
            self._held = {p: self._cursor(p, committed[p]) for p in share}
            self._settled = generation
        starts = self._rebalance.assigned(committed) if self._rebalance is not None else {}
        with self._lock:
            for partition, offset in starts.items():
                if partition in self._held:
                    self._held[partition] = self._cursor(partition, offset)
            self._cursors = [*self._whole, *self._held.values()]
            self._turn = 0

    def _revoke(self, group: _Group) -> None:
        held = list(self._held)
        self._cursors = list(self._whole)
        self._turn = 0
        try:
            if held and self._rebalance is not None:
                self._rebalance.revoked(held)
        finally:
            with self._lock:
                self._held = {}
                for partition in held:
                    if group.owners.get(partition) is self:
                        del group.owners[partition]
                self._broker._changed.notify_all()

    def _cursor(self, partition: Partition, offset: int | None) -> _Cursor:
        track = self._broker._track(partition)
        return _Cursor(track, track.first if offset is None else track.start(offset))


def _now() -> int:
    """The machine's clock, in epoch milliseconds."""
    return time.time_ns() // 1_000_000
