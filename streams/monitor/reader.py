"""Reads the monitor's topics outside of every group, so that nothing is committed and no worker is disturbed."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Partition, Record, TransportError
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.transport.security import admin_options

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
        """Connect and find out where to start. Raises TransportError where the broker or a topic is absent."""
        self._topics = topics
        self._asked_at = time.monotonic()
        self._warned_at: float | None = None
        self.errors = 0
        """Polls that failed."""
        where = f"{settings.kafka.bootstrap} (kafka.bootstrap, or TOCSIN_KAFKA__BOOTSTRAP)"
        # The end offsets are read by librdkafka, whose errors say clearly what is wrong with broker, credentials or
        # topics, and by a fetch, because not every broker answers kafka-python's direct question correctly.
        self._next = {
            TopicPartition(p.topic, p.index): max(0, end - TAIL) for p, end in _end_offsets(settings, topics).items()
        }
        try:
            self._consumer = KafkaConsumer(
                client_id=f"{settings.name}-monitor",
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                allow_auto_create_topics=False,
                # The embedded broker does not wake a waiting fetch when a record comes.
                fetch_max_wait_ms=100,
                reconnect_backoff_max_ms=1_000,
                metadata_max_age_ms=int(_METADATA_SECONDS * 1000),
                metrics_enabled=False,
                **admin_options(settings.kafka),
            )
        except (KafkaError, OSError) as error:
            raise TransportError(f"the monitor cannot read from the broker {where}: {error}") from error
        self._assign()

    def poll(self, seconds: float) -> list[Record]:
        """The records that came, waiting for them up to so many seconds; none while the broker is away."""
        try:
            self._ask_for_partitions()
            found = self._consumer.poll(timeout_ms=int(seconds * 1000), max_records=_POLL_RECORDS)
        except (KafkaError, OSError) as error:
            self.errors += 1
            self._warn(error)
            time.sleep(min(seconds, 1.0))
            return []
        for partition, records in found.items():
            self._next[partition] = records[-1].offset + 1
        return [
            Record(
                r.topic, r.partition, r.offset, r.timestamp, r.key, r.value,
                tuple((name, value) for name, value in r.headers if value is not None),
            )
            for records in found.values()
            for r in records
        ]  # fmt: skip

    def lag(self) -> dict[str, int]:
        """By topic, how many records are known to be there and not read yet."""
        lag = dict.fromkeys(self._topics, 0)
        for partition in self._consumer.assignment():
            # The end offset as of the last fetch; None before the first one.
            if (end := self._consumer.highwater(partition)) is not None:
                lag[partition.topic] += max(0, end - self._next[partition])
        return lag

    def close(self) -> None:
        """Close every connection."""
        self._consumer.close(autocommit=False, timeout_ms=1_000)

    def _ask_for_partitions(self) -> None:
        if time.monotonic() - self._asked_at < _METADATA_SECONDS:
            return
        self._asked_at = time.monotonic()
        known = len(self._next)
        for topic in self._topics:
            for index in self._consumer.partitions_for_topic(topic) or ():
                self._next.setdefault(TopicPartition(topic, index), 0)
        if len(self._next) > known:
            self._assign()

    def _assign(self) -> None:
        self._consumer.assign(list(self._next))
        for partition, offset in self._next.items():
            self._consumer.seek(partition, offset)

    def _warn(self, error: Exception) -> None:
        now = time.monotonic()
        if self._warned_at is None or now - self._warned_at > _WARNING_SECONDS:
            self._warned_at = now
            _log.warning("the monitor cannot read at present and tries again: %s", error)


def _end_offsets(settings: Settings, topics: Sequence[str]) -> dict[Partition, int]:
    transport = KafkaTransport(
        settings.kafka,
        group=f"{settings.group}-monitor",
        client_id=f"{settings.name}-monitor",
        patience=_ANSWER_SECONDS,
    )
    try:
        return {partition: end for topic in topics for partition, end in transport.end_offsets(topic).items()}
    finally:
        transport.close()
