"""What the behaviour suite and the tests of each transport share: a stage for one transport, and its owner."""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from tocsin.streams.transport.base import Committed, Offsets, Partition, Record, Transport, Whole

# The test vectors of Java's own client: keys and their murmur2, unsigned.
MURMUR2 = {
    b"21": 0xFFFFFFFF & -973932308,
    b"foobar": 0xFFFFFFFF & -790332482,
    b"a-little-bit-long-string": 0xFFFFFFFF & -985981536,
    b"a-little-bit-longer-string": 0xFFFFFFFF & -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": 0xFFFFFFFF & -58897971,
    b"abc": 479470107,
}


class Owner:
    """A `Rebalance` that notes how it was called, and starts at the offsets that a test gives it."""

    def __init__(self, starts: Offsets | None = None) -> None:
        self.starts = starts or {}
        self.held: set[Partition] = set()
        self.committed: list[Mapping[Partition, int | None]] = []
        self.notes: list[Mapping[Partition, str]] = []
        self.given_up: list[Partition] = []
        self.at_revoke: Callable[[Sequence[Partition]], None] = lambda partitions: None

    def assigned(self, committed: Mapping[Partition, Committed | None]) -> Offsets:
        self.committed.append({p: None if found is None else found.offset for p, found in committed.items()})
        self.notes.append({p: found.note for p, found in committed.items() if found is not None})
        self.held |= set(committed)
        return {p: offset for p, offset in self.starts.items() if p in committed}

    def revoked(self, partitions: Sequence[Partition]) -> None:
        self.at_revoke(partitions)
        self.given_up += partitions
        self.held -= set(partitions)


class Stage(ABC):
    """What a test needs of one implementation: topics, transports, and closing them all."""

    keeps_notes = True
    """Whether the broker gives back what was written beside a committed offset."""
    patience = 10.0
    """Seconds to wait for a record that should come."""

    def __init__(self) -> None:
        self.transports: list[Transport] = []

    @abstractmethod
    def create(self, topic: str, partitions: int, limit: int | None) -> None: ...

    @abstractmethod
    def delete(self, topic: str) -> None: ...

    @abstractmethod
    def make(
        self,
        shared: Sequence[str],
        whole: Whole,
        group: str,
        rebalance: Owner | None,
        kept: Sequence[str] = (),
        writes: Sequence[str] | None = None,
    ) -> Transport:
        """Open a transport, a transactional one where it is said what it `writes`."""

    @abstractmethod
    def evict(self, transport: Transport, group: str) -> None:
        """Take all its partitions from the only member of a group, which does not notice."""

    @abstractmethod
    def add_partitions(self, topic: str, count: int) -> None:
        """Give a topic more partitions, `count` in all."""

    @abstractmethod
    def delete_before(self, partition: Partition, offset: int) -> None:
        """Delete the records below an offset, as retention does."""

    def topic(self, partitions: int = 1, limit: int | None = None) -> str:
        name = f"t-{uuid.uuid4().hex[:12]}"
        self.create(name, partitions, limit)
        return name

    def open(
        self,
        shared: Sequence[str] = (),
        whole: Whole = (),
        group: str | None = None,
        rebalance: Owner | None = None,
        kept: Sequence[str] = (),
        writes: Sequence[str] | None = None,
    ) -> Transport:
        transport = self.make(shared, whole, group or f"g-{uuid.uuid4().hex[:12]}", rebalance, kept, writes)
        self.transports.append(transport)
        return transport

    def close(self) -> None:
        for transport in self.transports:
            transport.close()

    def fill(self, topic: str, count: int, key: bytes | None = None, start: int = 0) -> None:
        transport = self.open()
        for i in range(start, start + count):
            transport.produce(topic, key, b"%d" % i)
        transport.flush()

    def drain(self, transport: Transport, count: int, batch: int = 1000) -> list[Record]:
        """Poll until so many records came, or `patience` is over."""
        records: list[Record] = []
        deadline = time.monotonic() + self.patience
        while len(records) < count and time.monotonic() < deadline:
            records += transport.poll(batch, 0.2)
        return records

    def settle(self, transports: Sequence[Transport], *owners: Owner, total: int) -> None:
        """Poll all members until every one of `total` partitions is held by exactly one and all hold some."""
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            for transport in transports:
                assert not transport.poll(100, 0.1)
            if all(o.held for o in owners) and sum(len(o.held) for o in owners) == total:
                return
        raise AssertionError(f"the group did not settle: {[sorted(o.held) for o in owners]}")


def lags(transport: Transport) -> dict[Partition, int]:
    """The lag of each partition that a transport reads."""
    return {partition: progress.lag for partition, progress in transport.progress().items()}


def values(records: Sequence[Record]) -> list[bytes | None]:
    return [r.value for r in records]


def numbers(start: int, stop: int) -> list[bytes]:
    return [b"%d" % i for i in range(start, stop)]
