"""What a consumer group has committed, asked by a member of it or by anybody else."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from confluent_kafka import Consumer, TopicPartition

from tocsin.streams.transport.base import Committed, Partition
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.options import reader_options
from tocsin.streams.transport.kafka.patient import raise_first


def committed_of(
    connection: Connection, consumer: Consumer, partitions: Sequence[Partition]
) -> dict[Partition, Committed]:
    """What the group of a consumer has committed, without the partitions of which it has nothing.

    Raises TransportError.
    """
    wanted = [TopicPartition(p.topic, p.index) for p in partitions]
    # While a transaction is open that has offsets of theirs, the broker does not say them.
    found = connection.retry("the group's offsets are not known", partial(_ask, consumer, wanted), connection.patience)
    return {Partition(p.topic, p.partition): Committed(p.offset, p.metadata or "") for p in found if p.offset >= 0}


def read_committed(connection: Connection, group: str, partitions: Sequence[Partition]) -> dict[Partition, Committed]:
    """What a group has committed, without joining it. Raises TransportError."""
    consumer = connection.consumer(reader_options(connection.settings, group))
    try:
        return committed_of(connection, consumer, partitions)
    finally:
        consumer.close()


def _ask(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    found = consumer.committed(partitions, timeout=5)
    raise_first(found)
    return found
