"""Reads the monitor's topics outside of every group, so that nothing is committed and no worker is disturbed."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tocsin.config.settings import Settings
from tocsin.streams.transport import rights
from tocsin.streams.transport.base import Partition, Record, TransportError
from tocsin.streams.transport.kafka import Terms
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.messages import partition_of, record_of
from tocsin.streams.transport.kafka.options import reader_options
from tocsin.streams.transport.kafka.reading import read_end_offsets

_log = logging.getLogger(__name__)

TAIL = 10_000
"""How many records before the end of each partition the monitor starts at."""
_ANSWER_SECONDS = 10.0
_METADATA_SECONDS = 30.0
"""Time between two questions for partitions that were added."""
_POLL_RECORDS = 2_000
"""Records that one poll returns at most."""
_WARNING_SECONDS = 30.0
"""Time between two warnings that polling fails."""


class Reader:
    """Reads all partitions of some topics, from `TAIL` records before their ends on."""

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        """Connect and find out where to start.

        Raises TransportError where the broker or a topic is absent, or a right is missing.
        """
        self._topics = topics
        self._asked_at = time.monotonic()
        self._warned_at: float | None = None
        self.errors = 0
        """Polls that failed."""
        group = f"{settings.group}-monitor"
        self._connection = Connection(settings.kafka, f"{settings.name}-monitor", Terms(_ANSWER_SECONDS))
        try:
            self._connection.partitions([])  # which says clearly what is wrong with the broker or the credentials
            rights.require(settings.kafka, rights.of_monitor(settings, group))
            ends = read_end_offsets(self._connection, group, self._connection.partitions(topics))
            self._next = {partition: max(0, end - TAIL) for partition, end in ends.items()}
            self._consumer = self._connection.consumer(reader_options(settings.kafka, group))
        except BaseException:
            self._connection.close()
            raise
        self._assign()

    def poll(self, seconds: float) -> list[Record]:
        """The records that came, waiting for them up to so many seconds; none while the broker is away."""
        try:
            self._ask_for_partitions()
            self._connection.serve()
            self._connection.check()
            first = self._consumer.poll(seconds)
            rest = [] if first is None else self._consumer.consume(_POLL_RECORDS - 1, 0)
        except (KafkaException, TransportError) as error:
            self._fail(str(error))
            time.sleep(min(seconds, 1.0))
            return []
        records = [] if first is None else [record_of(m) for m in (first, *rest) if self._is_record(m)]
        for record in records:
            self._next[Partition(record.topic, record.partition)] = record.offset + 1
        return records

    def lag(self) -> dict[str, int]:
        """By topic, how many records are known to be there and not read yet."""
        lag = dict.fromkeys(self._topics, 0)
        for partition, position in self._next.items():
            # The end offset as of the last fetch; below zero before the first one.
            target = TopicPartition(partition.topic, partition.index)
            end = self._consumer.get_watermark_offsets(target, cached=True)[1]
            lag[partition.topic] += max(0, end - position)
        return lag

    def close(self) -> None:
        """Close every connection."""
        self._connection.closed = True
        self._consumer.close()
        self._connection.close()

    def _is_record(self, message: Message) -> bool:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            self._fail(f"{partition_of(message).name}: {error.str()}")
        return error is None

    def _ask_for_partitions(self) -> None:
        if time.monotonic() - self._asked_at < _METADATA_SECONDS:
            return
        self._asked_at = time.monotonic()
        known = len(self._next)
        there = self._connection.admin.list_topics(timeout=1.0).topics
        for topic in self._topics:
            for index in there[topic].partitions if topic in there else ():
                self._next.setdefault(Partition(topic, index), 0)
        if len(self._next) > known:
            self._assign()

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(p.topic, p.index, offset) for p, offset in self._next.items()])

    def _fail(self, why: str) -> None:
        self.errors += 1
        now = time.monotonic()
        if self._warned_at is None or now - self._warned_at > _WARNING_SECONDS:
            self._warned_at = now
            _log.warning("the monitor cannot read at present and tries again: %s", why)
