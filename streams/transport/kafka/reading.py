"""Reading outside of every group: a range of one partition, and where partitions end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from tocsin.streams.transport import faults
from tocsin.streams.transport.base import BrokerAwayError, Partition, Record
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.messages import partition_of, record_of
from tocsin.streams.transport.kafka.options import SHORT_WAITS, reader_options

_CHUNK = 1_000
"""Records that a reader takes at a time."""


def read_range(connection: Connection, group: str, partition: Partition, start: int, stop: int) -> Iterator[Record]:
    """The records of a partition with start <= offset < stop, up to its end. Raises TransportError.

    The end is that of the first answer. Below it, an open transaction is waited for.
    """
    end = stop
    target = TopicPartition(partition.topic, partition.index)
    consumer = connection.consumer(reader_options(connection.settings, group) | SHORT_WAITS)
    try:
        consumer.assign([TopicPartition(partition.topic, partition.index, start)])
        for message in _messages(connection, consumer, f"{partition.name} cannot be read"):
            end = min(end, consumer.get_watermark_offsets(target, cached=True)[1])
            if message.error() is not None:
                # A reader of committed records meets its end where the first open transaction begins.
                if (message.offset() or 0) >= end:
                    return
                continue
            record = record_of(message)
            # A reader that starts beyond the end is sent back to the beginning of the partition.
            if not start <= record.offset < stop:
                return
            yield record
            if record.offset == stop - 1:
                return
    finally:
        consumer.close()


def read_end_offsets(connection: Connection, group: str, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """The end offset of each partition. Raises TransportError.

    It is taken from the answer to a fetch, because some brokers answer a direct question for it wrongly.
    """
    small = {"fetch.message.max.bytes": 1024, "queued.min.messages": 1}
    consumer = connection.consumer(reader_options(connection.settings, group) | SHORT_WAITS | small)
    ends: dict[Partition, int] = {}
    try:
        consumer.assign([TopicPartition(p.topic, p.index, 0) for p in partitions])
        for message in _messages(connection, consumer, "the end offsets of the partitions are not known"):
            partition = partition_of(message)
            if partition not in ends:
                target = TopicPartition(partition.topic, partition.index)
                ends[partition] = consumer.get_watermark_offsets(target, cached=True)[1]
                consumer.pause([target])
            if len(ends) == len(partitions):
                break
    finally:
        consumer.close()
    return {p: ends[p] for p in partitions}


def read_first_offsets(connection: Connection, group: str, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """The offset of the oldest record that each partition still has. Raises TransportError."""
    consumer = connection.consumer(reader_options(connection.settings, group))
    try:
        first: dict[Partition, int] = {}
        for p in partitions:
            ask = partial(consumer.get_watermark_offsets, TopicPartition(p.topic, p.index), timeout=5.0, cached=False)
            first[p] = connection.retry(f"the first offset of {p.name} is not known", ask)[0]
        return first
    finally:
        consumer.close()


def _messages(connection: Connection, consumer: Consumer, doing: str) -> Iterator[Message]:
    """What a consumer receives, including the reports that a partition's end is reached; passing errors are skipped."""
    began = time.monotonic()
    while connection.terms.wait_on(doing, began, connection.patience):
        first = consumer.poll(0.1)
        connection.check()
        for message in [first, *consumer.consume(_CHUNK, 0)] if first is not None else ():
            error = message.error()
            if error is None or error.code() == KafkaError._PARTITION_EOF:
                began = time.monotonic()
                yield message
            elif error.code() not in faults.PASSING and not error.retriable():
                raise connection.error(doing, error)
    where = faults.where(connection.settings.bootstrap)
    raise BrokerAwayError(f"{doing}: nothing came for {connection.patience:.0f} s {where}")
