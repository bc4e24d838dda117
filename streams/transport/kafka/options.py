"""The options of the librdkafka clients that one transport consists of."""

from __future__ import annotations

from typing import Any

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport.base import MOST_RECORD_BYTES
from tocsin.streams.transport.security import client_options

BATCH_BYTES = 1_000_000
"""Bytes of a batch of records, before it is compressed. A batch is never cut: a topic must take one of this size."""
_RESPONSE_BYTES = (1 << 31) - 1
"""The largest answer to a fetch that is read, which may hold one record of any size."""

SHORT_WAITS = {"fetch.wait.max.ms": 10}
"""For a reader that wants to know soon that it is at the end of a partition."""


def producer_options(settings: KafkaSettings, batch_bytes: int, endless: bool) -> dict[str, Any]:
    """An idempotent producer that chooses the same partitions as Java's client.

    A batch has `batch_bytes` at most, unless it is one record. An `endless` producer never gives a record up.
    """
    return client_options(settings) | {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        "compression.type": "lz4",
        "batch.size": batch_bytes,
        # Whether a record fits its topic is known before it is sent (`Transport.limit`).
        "message.max.bytes": MOST_RECORD_BYTES,
        "queue.buffering.max.messages": settings.send_queue_records,
        "queue.buffering.max.kbytes": 2 * MOST_RECORD_BYTES // 1024,
        "delivery.timeout.ms": 0 if endless else settings.delivery_timeout_ms,
        # Topics are created before a worker starts: one that is missing for longer than this is missing for good.
        "topic.metadata.propagation.max.ms": 5_000,
        # A callback for each delivered record would cost as much as sending it.
        "delivery.report.only.error": True,
    }


def transactional_options(settings: KafkaSettings, identity: str, batch_bytes: int) -> dict[str, Any]:
    """A producer as `producer_options` has it, with a transactional id."""
    return producer_options(settings, batch_bytes, endless=False) | {
        "transactional.id": identity,
        "transaction.timeout.ms": settings.transaction_timeout_ms,
        # A record that is not acknowledged until then can belong to no transaction that is committed.
        "delivery.timeout.ms": settings.transaction_timeout_ms,
        # The broker writes the markers of a transaction after it has answered, and refuses the next one for some
        # milliseconds: with the usual pauses between two tries every batch would last 100 ms.
        "retry.backoff.ms": 5,
        "retry.backoff.max.ms": 50,
    }


def reader_options(settings: KafkaSettings, group: str) -> dict[str, Any]:
    """A consumer that is assigned partitions by hand and reports the end of each. It never joins `group`."""
    return _consumer_options(settings, group) | {"enable.partition.eof": True}


def member_options(settings: KafkaSettings, group: str) -> dict[str, Any]:
    """A consumer that is a member of `group`."""
    session = settings.session_timeout_ms
    options = _consumer_options(settings, group) | {
        "enable.partition.eof": True,
        "max.poll.interval.ms": settings.poll_interval_ms,
        # Partitions that are added to a topic are noticed after this time.
        "topic.metadata.refresh.interval.ms": 10_000,
    }
    if settings.assignor == "broker":
        options["group.protocol"] = "consumer"  # in which session and heartbeat are the broker's to say
    else:
        options |= {
            "session.timeout.ms": session,
            "heartbeat.interval.ms": min(3_000, session // 3),
            "partition.assignment.strategy": settings.assignor,
        }
    return options | ({"group.instance.id": settings.instance} if settings.instance else {})


def _consumer_options(settings: KafkaSettings, group: str) -> dict[str, Any]:
    return client_options(settings) | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        # A client with a full queue fetches nothing: this is how partitions pause when their reader falls behind. The
        # queue is one for all partitions, first come first served, and a fetch has this much of each at the most.
        "queued.min.messages": settings.fetch_queue_records,
        "queued.max.messages.kbytes": settings.fetch_queue_kbytes,
        "fetch.message.max.bytes": 1 << 20,
        # With its queue full, librdkafka would sleep a second before it fetches again.
        "fetch.queue.backoff.ms": 5,
        # With less, a record that is larger than this would end all reading.
        "receive.message.max.bytes": _RESPONSE_BYTES,
        # Tansu does not wake a waiting fetch when a record comes.
        "fetch.wait.max.ms": settings.fetch_wait_ms,
    }
