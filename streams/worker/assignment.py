"""Which partitions of the events are assigned to a worker, and which labels it is responsible for."""

from __future__ import annotations

from collections.abc import Iterable

from tocsin.streams.transport.base import Partition, Record


class Assignment:
    """The partitions of the events that one worker has now."""

    def __init__(self, topic: str) -> None:
        """`topic` is that of the events."""
        self._topic = topic
        self._assigned: set[Partition] = set()
        self.partitions = 1
        """How many partitions the topic has."""

    def add(self, partition: Partition) -> None:
        """It was assigned."""
        self._assigned.add(partition)

    def remove(self, partitions: Iterable[Partition]) -> None:
        """They were revoked."""
        self._assigned.difference_update(partitions)

    def clear(self) -> None:
        """All were lost."""
        self._assigned.clear()

    def has(self, partition: int) -> bool:
        """Whether a partition of the events is assigned to this worker."""
        return Partition(self._topic, partition) in self._assigned

    def responsible(self, label: Record) -> bool:
        """Whether this worker does what no event decides about a label: exactly one worker is responsible for each."""
        return self.has(label.partition % self.partitions)
