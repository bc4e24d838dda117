"""What a shadow must know of a rebalance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tocsin.streams.transport.base import Committed, Offsets, Partition, Rebalance
from tocsin.streams.worker.shadow.models import Models


class TakingOver:
    """Lets the models know of partitions of the events that came, after their owner does."""

    def __init__(self, owner: Rebalance, models: Models, topic: str) -> None:
        """`topic` is that of the events."""
        self._owner = owner
        self._models = models
        self._topic = topic

    def assigned(self, committed: Mapping[Partition, Committed | None]) -> Offsets:
        """See `Rebalance`."""
        starts = self._owner.assigned(committed)
        events = {
            place: one.offset for place, one in committed.items() if one is not None and place.topic == self._topic
        }
        self._models.took_over(events)
        return starts

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """See `Rebalance`."""
        self._owner.revoked(partitions)
