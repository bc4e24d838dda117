"""A service in this process whose events come with labels one batch late, and the time that it takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from tocsin.config import Settings
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.transport.topics import ONE_PARTITION
from tocsin.streams.worker.worker import Worker

from .service.config import PARTITIONS
from .service.events import Events


class Course:
    """A service on a broker in memory."""

    def __init__(self, settings: Settings, text: bool, batch: int) -> None:
        self.settings, self._batch = settings, batch
        self._events = Events(settings, text)
        self.broker = MemoryBroker()
        one_partition = {settings.topics.by_role()[role] for role in ONE_PARTITION}
        for topic in settings.topics.names():
            self.broker.create(topic, 1 if topic in one_partition else PARTITIONS)
        self._producer = MemoryTransport(self.broker)
        self._next = 0

    def open(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        """A transport of the worker."""
        group = self.settings.group
        return MemoryTransport(self.broker, shared=shared, whole=whole, group=group, rebalance=rebalance)

    def run(self, worker: Worker, events: int) -> float:
        """Have events decided and their labels learnt; returns the seconds that the worker's steps took."""
        topics, seconds, late = self.settings.topics, 0.0, list[tuple[bytes | None, bytes]]()
        for _ in range(0, events, self._batch):
            some = self._events.take(self._next, self._batch)
            self._next += len(some)
            for past in some:
                self._producer.produce(topics.events, past.key, past.event)
            for key, label in late:
                self._producer.produce(topics.labels, key, label)
            late = [(past.key, self._events.label(past)) for past in some]
            began = time.perf_counter()
            while worker.step(0):
                pass
            seconds += time.perf_counter() - began
        return seconds
