"""The seam between Tocsin and whatever carries its records.

Each transport (`memory`, `kafka`, `faust`) implements `Transport`, and one behaviour suite,
`tests/streams/transport/behaviour.py`, holds them to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes]]


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    index: int  # type: ignore[assignment]  # a partition's number; it hides tuple.index

    @property
    def name(self) -> str:
        """As Kafka's own tools write it: the topic, a dash, the number."""
        return f"{self.topic}-{self.index}"


Offsets = Mapping[Partition, int]
"""The next offset to read, by partition."""

Whole = Mapping[Partition, int] | Sequence[str]
"""What to read of whole topics: their names, or for partitions the offset to start at.

A partition of the same topic that is left out starts at its beginning.
"""


class Record(NamedTuple):
    """One raw record as it lies in a topic.

    `timestamp` is when it was produced or appended, in epoch milliseconds; it is not the time of the event in it.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Committed(NamedTuple):
    """What a group has committed of one partition."""

    offset: int
    """The next offset to be read."""
    note: str = ""
    """What its former owner wrote beside it. Some brokers keep no notes, and give back an empty one."""


class Progress(NamedTuple):
    """How far one partition is read."""

    position: int
    """The offset that is polled next."""
    end: int | None
    """Where the partition ended at the last fetch; None where nothing was fetched from it yet."""

    @property
    def lag(self) -> int:
        """How many offsets lie between both; 0 where the end is not known."""
        return 0 if self.end is None else max(0, self.end - self.position)


MOST_RECORD_BYTES = 128 << 20
"""No record is larger than this, whatever its topic takes: larger ones would not fit the producer's queue."""

_RECORD_BYTES, _HEADER_BYTES = 100, 10
"""What Kafka adds at most to a record that is alone in its batch, and to each header."""


def record_size(key: bytes | None, value: bytes | None, headers: Headers = ()) -> int:
    """How many bytes a record takes at most, as a topic's `max.message.bytes` counts them without compression."""
    size = _RECORD_BYTES + len(value or b"") + len(key or b"")
    for name, content in headers:
        size += _HEADER_BYTES + len(name.encode(errors="replace")) + len(content or b"")
    return size


class Rebalance(Protocol):
    """What a transport calls when partitions of the shared topics come to its owner or go.

    Both methods are called from inside `Transport.poll`, on the caller's thread, so no batch is being worked on then.
    """

    def assigned(self, committed: Mapping[Partition, Committed | None]) -> Offsets:
        """Take over partitions; `committed` holds what the group has committed of each, None where it has nothing.

        Returns where to start; a partition left out starts at its committed offset, else at its beginning.
        """
        ...

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Give partitions up. What was produced for them may still be flushed and committed here."""
        ...


class TransportError(Exception):
    """The transport cannot go on: the broker refused, a record cannot be delivered, a topic is missing."""


class BrokerAwayError(TransportError):
    """The broker does not answer. Another try may succeed."""


class StoppedWaitingError(TransportError):
    """The owner was told to stop while it waited for a broker that is away."""


class TopicReplacedError(TransportError):
    """A topic that its owner builds on was deleted, or made anew, while it was read."""

    def __init__(self, topic: str) -> None:
        """`topic` is its name."""
        super().__init__(
            f"topic {topic!r} was deleted, or made anew, while it was read: what this worker learnt is of records that "
            "are gone. Bring them back, or start all workers again: they begin with what the topic holds then"
        )


class BatchFailedError(TransportError):
    """The batch in hand cannot be finished. Its owner closes the transport and goes back to what is committed."""


class PartitionLostError(BatchFailedError):
    """A commit came too late: the partition belongs to another member of the group by now."""


class TransactionFailedError(BatchFailedError):
    """The transaction of the batch in hand failed, or nobody knows whether it took place.

    What the group has committed tells, once the transport is opened anew.
    """


class CommitAgainError(BatchFailedError):
    """The transaction of the batch in hand was refused and aborted. The same batch can be produced and committed again.

    The group divided its partitions anew meanwhile, and those of the batch are still the member's.
    """


class RecordRefusedError(BatchFailedError):
    """A record is larger than its topic takes by now. A transport that is opened anew knows the topic's new limit."""


class Transport(Protocol):
    """Poll a batch, produce, flush, commit.

    Topics are read in one of two ways, which is fixed when the transport is opened: the partitions of a *shared* topic
    are divided among the members of a consumer group; a *whole* topic is read by every member from all its partitions,
    at positions that its owner keeps. A topic that is both is read whole, and each of its partitions is assigned to one
    member, which is responsible for what only one of them may do, and which commits an offset of its own for it.

    Whether a transport writes in *transactions* is fixed as well. In a transactional one, everything that was produced
    since the last commit becomes visible together with the committed offsets, or never. A commit by a member whose
    partitions were given to others meanwhile fails, whatever it holds. After a failed one the transport is of no use
    any more: its owner closes it, and goes back to what the group has committed.

    What is polled and read here is committed: records of open and of aborted transactions are never seen.

    A transport belongs to one thread. To a *concurrent* one two may belong: one produces, flushes and commits a batch,
    while the other one polls the next and asks whatever else there is to ask. Partitions come and go in `poll` only.
    """

    @property
    def concurrent(self) -> bool:
        """Whether a batch may be produced and committed by another thread than the one that polls."""
        ...

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Up to `max_records` records, in offset order within a partition; waits up to `timeout` seconds.

        Returns as soon as there is any record; an empty list means that none came in time.
        Raises TransportError.
        """
        ...

    def attend(self) -> None:
        """Give a concurrent transport its turn, while the thread that polls waits for the one that commits."""
        ...

    def caught_up(self) -> bool:
        """Whether every partition of the whole topics was read to the end that it had when it was opened, or later."""
        ...

    def produce(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Hand one record over for delivery; it is durable only after `flush`, in a transaction only after `commit`.

        The hash of its key (murmur2, as in Java's client) decides its partition. A record without a value deletes those
        of its key from a topic that is compacted. Raises TransportError.
        """
        ...

    def limit(self, topic: str) -> int:
        """The most bytes that a record of a topic may have, as `record_size` counts them. Raises TransportError."""
        ...

    def flush(self) -> None:
        """Return when every produced record is acknowledged. Raises TransportError if one was not."""
        ...

    def commit(self, offsets: Offsets, notes: Mapping[Partition, str] | None = None) -> None:
        """Commit the group's offsets of shared partitions, synchronously, with a note beside some of them.

        In a transactional transport what was produced is committed with them; there may be no offsets then. Raises
        TransportError: PartitionLostError where a partition is another member's by now, TransactionFailedError.
        """
        ...

    def committed(self, topic: str) -> dict[Partition, Committed]:
        """What the group has committed of a topic, whoever owns its partitions. Raises TransportError."""
        ...

    def add_new_partitions(self) -> None:
        """Read partitions that were added to the whole topics since, from their beginning. Raises TransportError."""
        ...

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """By topic, the id that the broker gave it when it was made: one that is made anew has another.

        A topic whose id the broker does not tell is left out. Raises TransportError.
        """
        ...

    def first_offsets(self, topic: str) -> dict[Partition, int]:
        """The offset of the oldest record that still exists, by partition; the end offset where there is none.

        Raises TransportError.
        """
        ...

    def end_offsets(self, topic: str) -> dict[Partition, int]:
        """The end offset (the next to be written) of every partition of a topic. Raises TransportError."""
        ...

    def progress(self) -> dict[Partition, Progress]:
        """How far each partition that is read here was polled, and where it ended at the last fetch. Asks no broker."""
        ...

    def read(self, partition: Partition, start: int, stop: int) -> Iterator[Record]:
        """The records of a partition with start <= offset < stop, without touching any group or position.

        Starts at the first offset that still exists, and skips offsets that do not. A transaction that is still open
        below `stop` is waited for: it is seen whole or known to be aborted. Raises TransportError.
        """
        ...

    def close(self) -> None:
        """Leave the group and release every resource, without a flush, commit or callback. May be called twice."""
        ...
