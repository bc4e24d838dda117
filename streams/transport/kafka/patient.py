"""Calls of librdkafka that wait for the broker without end, made in threads, so that their caller need not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from queue import SimpleQueue

from confluent_kafka import Consumer, KafkaException, TopicPartition

_log = logging.getLogger(__name__)

_CLOSE_SECONDS = 10.0
"""How long a consumer may take to leave its broker in order; one whose broker is away would take for ever."""


class Commits:
    """Commits the offsets of one consumer, one call after another, in a thread of its own."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._calls: SimpleQueue[tuple[Future[None], list[TopicPartition]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name="commits", daemon=True).start()

    def __call__(self, offsets: list[TopicPartition]) -> Future[None]:
        """Commit offsets; the future ends when the broker has taken them, with KafkaException where it refuses."""
        call: Future[None] = Future()
        self._calls.put((call, offsets))
        return call

    def end(self) -> None:
        """Let the thread end once it has nothing to do."""
        self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            call, offsets = item
            try:
                raise_first(self._consumer.commit(offsets=offsets, asynchronous=False))
            except BaseException as error:
                call.set_exception(error)
            else:
                call.set_result(None)


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
