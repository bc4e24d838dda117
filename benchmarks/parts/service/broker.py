"""The broker that the service is timed on, and its own word on when each record was appended."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from parts.generators import Ints
from parts.service.config import APPEND_TIME, PARTITIONS, ROOT
from parts.service.events import Events
from tocsin.streams.replay.past_event import PastEvent
from tocsin.streams.transport.embedded import EmbeddedBroker

MIDDLE = (0.1, 0.9)
"""Rates are of the records between these shares of all: starting and ending are left out."""
PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "partitioner": "murmur2_random",
    "log_level": 3,
}
"""As the service's own; a broker that has only just started is no warning."""
_PATIENCE, _COMPILING = 60.0, 600.0
"""Seconds without a record after which a reader gives up, and where a worker is at work, which may have to compile."""


def reading(bootstrap: str) -> dict[str, Any]:
    """The options of a consumer that is assigned partitions by hand, and sees only what is committed."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": "benchmark",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "fetch.queue.backoff.ms": 5,
        "log_level": 2,
    }


@contextmanager
def broker(address: str | None, directory: Path) -> Iterator[tuple[str, str]]:
    """The broker's name and address: the one given, else Apache Kafka, else the embedded one."""
    if address:
        yield "the broker given", address
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from brokers import ApacheKafka, NoBrokerError

    try:
        home = directory / "kafka"
        home.mkdir()
        kafka = ApacheKafka(home)
        kafka.start()
    except NoBrokerError as error:
        print(f"Apache Kafka is not here ({error}); the embedded broker stands in", file=sys.stderr)
        with EmbeddedBroker() as embedded:
            yield "Tansu (embedded)", embedded.bootstrap
        return
    try:
        yield "Apache Kafka", kafka.bootstrap
    finally:
        kafka.stop()


def create(bootstrap: str, topic: str) -> None:
    """Create a topic whose records carry the broker's append times."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    new = NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1, config=APPEND_TIME)
    for created in admin.create_topics([new]).values():
        created.result(30.0)


class Reader:
    """Reads a topic from where it ends now, only what is committed; belongs to no group."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer(reading(bootstrap))
        self._topic = topic
        self.offsets = self._ends()

    def _ends(self) -> dict[int, int]:
        """Where each partition ends. A topic that was only just made may have no leader yet."""
        found = self._consumer.list_topics(self._topic, timeout=30.0).topics[self._topic].partitions
        deadline = time.monotonic() + 30.0
        while True:
            try:
                ends = [self._consumer.get_watermark_offsets(TopicPartition(self._topic, p), 30.0)[1] for p in found]
                return dict(zip(found, ends, strict=True))
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def take(self, count: int, worker: subprocess.Popen[bytes] | None = None) -> list[tuple[int, bytes]]:
        """The next records, when they are there, each with its append time (epoch ms), in no certain order.

        `worker` is the process that they are waited for from. Once it has ended none is waited for.
        """
        patience = _PATIENCE if worker is None else _COMPILING
        self._consumer.assign([TopicPartition(self._topic, p, offset) for p, offset in self.offsets.items()])
        taken: list[tuple[int, bytes]] = []
        waited_since = time.monotonic()
        while len(taken) < count:
            messages = self._consumer.consume(min(1_000, count - len(taken)), 0.2)
            for message in messages:
                if message.error() is not None:
                    raise SystemExit(f"{self._topic} cannot be read: {message.error()}")
                taken.append((message.timestamp()[1], message.value() or b""))
                self.offsets[message.partition() or 0] = (message.offset() or 0) + 1
            if messages:
                waited_since = time.monotonic()
            elif time.monotonic() - waited_since > patience or (worker is not None and worker.poll() is not None):
                raise SystemExit(f"{self._topic}: of {count:,} records only {len(taken):,} came")
        return taken

    def append_times(self, count: int) -> Ints:
        """When the next records were appended, epoch milliseconds, in ascending order."""
        return np.sort(np.array([appended for appended, _ in self.take(count)], np.int64))

    def close(self) -> None:
        self._consumer.close()


def rate(appended: Ints) -> float:
    """Records a second in the middle of the records, whose append times [N] ascend.

    Records of one batch of a producer have one time: a batch counts where it ends.
    """
    low, high = (appended[min(int(share * len(appended)), len(appended) - 1)] for share in MIDDLE)
    if high <= low:
        return float("nan")
    return float(1000 * int(((appended > low) & (appended <= high)).sum()) / (high - low))


def fill(bootstrap: str, topic: str, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
    """Put records into a topic, and return when all are there."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **PRODUCER})
    for key, value in zip(keys, values, strict=True):
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(_PATIENCE):
        raise SystemExit(f"{topic} cannot be filled")


def fill_events(bootstrap: str, topic: str, some: Sequence[PastEvent]) -> None:
    """Put events into their topic."""
    fill(bootstrap, topic, [past.key for past in some], [past.event for past in some])


def fill_labels(bootstrap: str, topic: str, some: Sequence[PastEvent], events: Events) -> None:
    """Put the labels of events into their topic."""
    fill(bootstrap, topic, [past.key for past in some], [events.label(past) for past in some])
