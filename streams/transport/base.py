"""The seam between Tocsin and whatever carries its records.

Three things stand behind it (`memory`, `kafka`, and a Faust host), and one behaviour suite,
`tests/streams/logs/behaviour.py`, says what all of them do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes]]


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    index: int  # type: ignore[assignment]  # a partition's number; it hides tuple.index


Offsets = Mapping[Partition, int]
"""The next offset to read, by partition."""


class Record(NamedTuple):
    """One raw record as it lies in a log.

    `timestamp` is the log's own time in epoch milliseconds (producer or append time), not the event's.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Rebalance(Protocol):
    """What a log tells its owner when partitions of the shared topics come and go.

    Both are called from inside `Log.poll`, on the caller's thread, so nothing is in flight.
    """

    def assigned(self, committed: Mapping[Partition, int | None]) -> Offsets:
        """Take over partitions; `committed` holds the group's offset of each, None where there is none.

        Returns where to start; a partition left out starts at its committed offset, else at its beginning.
        """
        ...

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Give partitions up. What was emitted for them may still be flushed and committed here."""
        ...


class TransportError(Exception):
    """A log cannot go on: the broker refused, a record cannot be delivered, a topic is missing."""


class PartitionLostError(TransportError):
    """A commit came too late: the partition belongs to another member of the group by now."""


class Transport(Protocol):
    """Poll a batch, emit, flush, commit.

    Topics are read in one of two ways, fixed when the log is made: a *shared* topic's partitions are divided
    among the members of a consumer group; a *whole* topic is read by every member from all its partitions, at
    positions that its owner keeps.
    """

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to `max_records` records, in offset order within a partition; waits up to `timeout` seconds.

        Returns at once when anything is there; an empty list says that nothing came in time.
        Raises LogError.
        """
        ...

    def caught_up(self) -> bool:
        """Whether every partition of the whole topics was read to the end it had when opened, or later."""
        ...

    def produce(self, topic: str, key: bytes | None, value: bytes, headers: Headers = ()) -> None:
        """Hand one record over for delivery: not durable before `flush`.

        Its partition follows from its key (murmur2, as Java's).
        """
        ...

    def flush(self) -> None:
        """Return when everything emitted is acknowledged. Raises LogError if one record was not."""
        ...

    def commit(self, offsets: Offsets) -> None:
        """Commit the group's offsets of shared partitions, synchronously. Raises LogError."""
        ...

    def end_offsets(self, topic: str) -> dict[Partition, int]:
        """The end (next offset to be written) of every partition of a topic. Raises LogError."""
        ...

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        """The records of a partition with start <= offset < stop, apart from any group and any position.

        Starts at the first offset that is still there; skips what is not. Raises LogError.
        """
        ...

    def close(self) -> None:
        """Leave the group and let go of every resource: no flush, commit or callback. Twice is fine."""
        ...
