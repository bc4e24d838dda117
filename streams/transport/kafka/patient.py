"""Calls of librdkafka that wait for the broker without end, made in threads, so that their caller need not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue

from confluent_kafka import Consumer, KafkaException, TopicPartition

_log = logging.getLogger(__name__)

_CLOSE_SECONDS = 10.0
"""How long a consumer may take to leave its broker in order; one whose broker is away would take for ever."""


class Calls:
    """Makes calls one after another in a thread of its own."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Future[None], Callable[[], object]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def __call__(self, call: Callable[[], object]) -> Future[None]:
        """Make a call; the future ends when it returns, with the exception that it raises."""
        future: Future[None] = Future()
        self._calls.put((future, call))
        return future

    def end(self) -> None:
        """Let the thread end once it has nothing to do."""
        self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            try:
                call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)


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
