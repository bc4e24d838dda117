"""Calls of librdkafka that wait for the broker without end, made in threads, so that their caller need not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

_log = logging.getLogger(__name__)

_CLOSE_SECONDS = 10.0
"""How long a consumer may take to leave its broker in order; one whose broker is away would take for ever."""


def commit(consumer: Consumer, offsets: list[TopicPartition]) -> None:
    """Commit the offsets of one consumer, and return when the broker has taken them. Raises KafkaException."""
    raise_first(consumer.commit(offsets=offsets, asynchronous=False))


def close(consumer: Consumer) -> None:
    """Close a consumer, or leave that to a thread where the broker does not answer."""

    def leave() -> None:
        try:
            consumer.close()
        except KafkaException as error:
            # A member that may not read its group cannot leave it in order, and has said so before.
            _log.warning("leaving the broker: %s", error.args[0].str())

    thread = threading.Thread(target=leave, name="leaving", daemon=True)
    thread.start()
    thread.join(_CLOSE_SECONDS)
    if thread.is_alive():
        _log.warning("the broker does not answer: this member leaves its group without a word")


def raise_first(partitions: Sequence[TopicPartition]) -> None:
    """Raise the first error, because a call for many partitions may fail for one of them only."""
    for partition in partitions:
        if partition.error is not None:
            raise KafkaException(partition.error)
