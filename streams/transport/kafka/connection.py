"""What the clients of one transport share: its producer, its knowledge of topics, and what librdkafka reports."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import Partition, TransportError
from tocsin.streams.transport.kafka.options import producer_options

_log = logging.getLogger(__name__)
_client_log = logging.getLogger("tocsin.streams.transport.kafka.client")
"""librdkafka's own log lines, which repeat the same message many times while a broker is away."""
_T = TypeVar("_T")

RETRY_SECONDS = 30.0
"""How long a call is repeated that fails for a passing reason."""
_WARNING_SECONDS = 10.0
"""Time between two warnings about the same error."""


class Connection:
    """The broker as one transport reaches it. Belongs to one thread.

    librdkafka reports failures in callbacks, at a time of its own choosing. The first one that is final is remembered
    and raised by the next call of `check`.
    """

    def __init__(self, settings: KafkaSettings, client_id: str, patience: float) -> None:
        """`patience` is how long, in seconds, the broker may take to answer what topics it has."""
        self.settings = settings
        self.closed = False
        self._client_id = client_id
        self._patience = patience
        self._warned_at: dict[int, float] = {}
        """By error code, in seconds of the monotonic clock."""
        self._failure: TransportError | None = None
        self.known_topics: set[str] = set()
        """Topics that exist as far as was asked."""
        options = producer_options(settings) | {"on_delivery": self._on_delivery}
        self.producer = Producer(self._with_callbacks(options), logger=_client_log)

    def consumer(self, options: dict[str, Any]) -> Consumer:
        """A consumer whose errors are reported here."""
        return Consumer(self._with_callbacks(options), logger=_client_log)

    def close(self) -> None:
        """Close the producer; what it has not sent yet is dropped."""
        self.producer.purge()
        self.producer.close()

    # Topics

    def partitions(self, topics: Sequence[str]) -> list[Partition]:
        """All partitions of the topics. Raises TransportError where a topic is still missing after a moment."""
        deadline = time.monotonic() + 1
        while True:
            # It asks for all topics, because asking for one by its name may create it.
            ask = partial(self.producer.list_topics, timeout=min(5.0, self._patience))
            known = self.retry("the broker did not answer", ask, self._patience).topics
            missing = [topic for topic in topics if topic not in known or not known[topic].partitions]
            if not missing:
                self.known_topics.update(topics)
                return [Partition(topic, index) for topic in topics for index in sorted(known[topic].partitions)]
            if time.monotonic() > deadline:
                remedy = f"create it with `tocsin topics` {faults.where(self.settings.bootstrap, 'topics')}"
                raise TransportError(f"topic {missing[0]!r} does not exist: {remedy}")
            time.sleep(0.1)

    # Failures

    def check(self) -> None:
        """Raise TransportError where the transport is closed or has failed."""
        if self.closed:
            raise TransportError("this transport is closed")
        if self._failure is not None:
            raise self._failure

    def error(self, doing: str, error: KafkaError) -> TransportError:
        """The exception to raise for an error that came while `doing` something."""
        return faults.error(doing, error, self.settings.bootstrap)

    def retry(self, doing: str, call: Callable[[], _T], patience: float = RETRY_SECONDS) -> _T:
        """Repeat a call as long as it fails for a passing reason, `patience` seconds at most. Raises TransportError."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return call()
            except KafkaException as failed:
                error = failed.args[0]
                # librdkafka says of _TIMED_OUT that it is not retriable, although it is.
                passing = error.code() in faults.PASSING or error.retriable()
                if error.code() in faults.LOST or not passing or time.monotonic() > deadline:
                    raise self.error(doing, error) from failed
            # This runs the callbacks, which may say why the call failed (that the password is wrong, for instance).
            self.producer.poll(0.1)
            self.check()

    def _with_callbacks(self, options: dict[str, Any]) -> dict[str, Any]:
        return options | {"client.id": self._client_id, "error_cb": self._on_error}

    def _on_error(self, error: KafkaError) -> None:
        """librdkafka reports an error that belongs to no call. Most of these pass, and some never will."""
        if error.fatal() or error.code() in faults.REFUSED:
            self._failure = self._failure or self.error("the broker cannot be used", error)
        elif time.monotonic() >= self._warned_at.get(error.code(), 0.0) + _WARNING_SECONDS:
            # Three clients try to connect again several times a second, and each reports that it failed.
            self._warned_at[error.code()] = time.monotonic()
            _log.warning("%s (broker %s)", error.str(), self.settings.bootstrap)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None and not self.closed:
            self._failure = self.error(f"a record for topic {message.topic()!r} was not delivered", error)
