"""Gaps: records that were deleted from a topic before this worker read them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.worker.learning.learn import FeedbackError
from tocsin.streams.worker.reporting.counts import Counts

log = logging.getLogger(__name__)

FirstOffsets = Callable[[str], dict[Partition, int]]
"""The offset of the oldest record that still exists, of every partition of a topic."""


class Gaps:
    """Compares the offsets that come with those that should come.

    Offsets may be missing without a loss: a transaction leaves a marker, and compaction takes records out. So a jump is
    a loss only as far as the partition begins after it.
    """

    def __init__(self, counts: Counts, first_offsets: FirstOffsets) -> None:
        self._counts = counts
        self._first_offsets = first_offsets
        self._next: dict[Partition, int] = {}

    def start(self, partition: Partition, position: int | None) -> None:
        """A partition is read from a position on, or from its beginning where it was never read before (None)."""
        self._next.pop(partition, None)
        if position is not None:
            self._next[partition] = position

    def see(self, records: Sequence[Record]) -> Counter[str]:
        """Count and report what is missing before these records, which are in the order of each partition.

        Returns how many records are lost, by topic.
        """
        lost: Counter[str] = Counter()
        following = self._next
        for record in records:
            partition = Partition(record.topic, record.partition)
            expected = following.get(partition)
            if expected is not None and record.offset > expected:
                lost += Counter({partition.topic: self.check(partition, expected, record.offset)})
            following[partition] = record.offset + 1
        return lost

    def check(self, partition: Partition, start: int, stop: int) -> int:
        """Count and report which of the offsets from `start` below `stop` are deleted; returns how many are."""
        end = min(self._first_offsets(partition.topic).get(partition, 0), stop)
        if end <= start:
            return 0
        log.warning(
            "%s: %d records were deleted before they were read, offsets %d to %d; the topic keeps them for too short a "
            "time, or this worker was away for too long",
            partition.name,
            end - start,
            start,
            end - 1,
        )
        self._counts.lost[partition.topic] += end - start
        return end - start


def beginning_deleted(partition: Partition, first: int, offset: int) -> FeedbackError:
    """The error for a feedback log that begins at `first`, for a model that has learnt up to `offset`."""
    return FeedbackError(
        f"{partition.name} begins at offset {first}, and this worker's model has learnt up to offset {offset}: "
        "feedback that it needs is deleted. Set the topic to keep records for ever (retention.ms=-1, "
        "retention.bytes=-1). To go on, copy the state directory of a worker whose model has learnt more, or name a "
        "new topic in topics.feedback and begin with an empty model"
    )


def next_offsets(records: Iterable[Record]) -> dict[Partition, int]:
    """By partition, the offset after its last record."""
    last = {(record.topic, record.partition): record.offset for record in records}
    return {Partition(topic, index): offset + 1 for (topic, index), offset in last.items()}
