"""Deleting the beginning of a partition, for what is kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from confluent_kafka import TopicPartition
from confluent_kafka.admin._listoffsets import OffsetSpec

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport.base import Partition
from tocsin.streams.transport.kafka.connection import Connection
from tocsin.streams.transport.kafka.reading import read_first_offsets
from tocsin.streams.transport.kafka.terms import Terms

_ANSWER_SECONDS = 10.0
_T = TypeVar("_T")


def delete_before(kafka: KafkaSettings, partition: Partition, before: int, since: int) -> int:
    """Delete the records below an offset, but none that is as young as `since` (epoch ms).

    Returns the first offset that is left. May be called from any thread. Raises TransportError.
    """
    connection = Connection(kafka, "tocsin-trim", Terms(_ANSWER_SECONDS))
    target = TopicPartition(partition.topic, partition.index)

    def ask(request: Callable[[], dict[TopicPartition, Future[_T]]]) -> _T:
        [answer] = request().values()
        return answer.result(_ANSWER_SECONDS + 1)

    try:
        spec = {target: OffsetSpec.for_timestamp(since)}
        listed = partial(connection.admin.list_offsets, spec, request_timeout=_ANSWER_SECONDS)
        what = f"which records of {partition.name} are young is not known"
        young = int(connection.retry(what, partial(ask, listed), _ANSWER_SECONDS).offset)
        first = read_first_offsets(connection, "tocsin-trim", [partition])[partition]
        limit = before if young < 0 else min(before, young)  # none is so young where the broker names none
        if limit <= first:
            return first
        to = TopicPartition(partition.topic, partition.index, limit)
        deleted = partial(connection.admin.delete_records, [to], request_timeout=_ANSWER_SECONDS)
        what = f"the beginning of {partition.name} was not deleted"
        return int(connection.retry(what, partial(ask, deleted), _ANSWER_SECONDS).low_watermark)
    finally:
        connection.close()
