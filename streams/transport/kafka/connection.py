"""What the clients of one transport share: its producer, its knowledge of topics, and what librdkafka reports."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from tocsin.config.kafka import KafkaSettings
from tocsin.streams.transport import faults
from tocsin.streams.transport.base import (
    Partition,
    RecordRefusedError,
    TransactionFailedError,
    TransportError,
    record_size,
)
from tocsin.streams.transport.kafka.limits import Limits
from tocsin.streams.transport.kafka.messages import headers_of
from tocsin.streams.transport.kafka.options import BATCH_BYTES, producer_options
from tocsin.streams.transport.kafka.terms import Terms
from tocsin.streams.transport.security import client_options

_log = logging.getLogger(__name__)
_client_log = logging.getLogger("tocsin.streams.transport.kafka.client")
"""librdkafka's own log lines, which repeat the same message many times while a broker is away."""
_T = TypeVar("_T")

RETRY_SECONDS = 30.0
"""How long a call is repeated that fails for a passing reason."""


class Connection:
    """The broker as one transport reaches it.

    librdkafka reports failures in callbacks, at a time of its own choosing. The first one that is final is remembered
    and raised by the next call of `check`.
    """

    def __init__(self, settings: KafkaSettings, client_id: str, terms: Terms) -> None:
        """Connect; whether the broker answers shows at the first question."""
        self.settings = settings
        self.terms = terms
        self.closed = False
        self._client_id = client_id
        self._failure: TransportError | None = None
        self.admin = AdminClient(self._with_callbacks(client_options(settings)), logger=_client_log)
        """Asks what topics there are. Not a producer, which a user who may not write cannot have."""
        self._producers: dict[int, Producer] = {}
        """By the most bytes of a batch; made when something is to be sent."""
        self._transactional: list[Producer] = []
        self.purged: set[str] = set()
        """The topics of records that went with their failed transaction."""
        self._limits: Limits | None = None
        self._known_topics: set[str] = set()
        """Topics that exist as far as was asked."""

    @property
    def limits(self) -> Limits:
        """How large a record each topic takes."""
        if self._limits is None:
            self._limits = Limits(self.admin, self.terms.limits)
        return self._limits

    @property
    def producers(self) -> list[Producer]:
        """All producers."""
        return [*self._producers.values(), *self._transactional]

    def producer_for(self, topic: str) -> Producer:
        """The producer whose batches a topic takes. Raises TransportError where the topic does not exist."""
        # Left to the producer, a missing topic would fail seconds later, or be created in the wrong shape.
        self.require(topic)
        batch = self.batch_bytes([topic])
        if batch not in self._producers:
            options = producer_options(self.settings, batch, endless=self.terms.endless)
            options = self._with_callbacks(options | {"on_delivery": self._on_delivery})
            self._producers[batch] = Producer(options, logger=_client_log)
        return self._producers[batch]

    def batch_bytes(self, topics: Sequence[str]) -> int:
        """The most bytes of a batch of records that each of these topics takes."""
        return min([BATCH_BYTES, *map(self.limits, topics)])

    def transactional_producer(self, options: dict[str, Any]) -> Producer:
        """A producer whose failures end the batch in hand, and not its owner."""
        callbacks = {"error_cb": self._on_transactional_error, "on_delivery": self._on_transactional_delivery}
        producer = Producer(self._with_callbacks(options) | callbacks, logger=_client_log)
        self._transactional.append(producer)
        return producer

    @property
    def patience(self) -> float:
        """How long a question is repeated that an open transaction holds up, in seconds.

        The broker looks every ten seconds for transactions whose time is over.
        """
        return max(RETRY_SECONDS, self.settings.transaction_timeout_ms / 1000 + 20)

    def consumer(self, options: dict[str, Any]) -> Consumer:
        """A consumer whose errors are reported here."""
        return Consumer(self._with_callbacks(options), logger=_client_log)

    def close(self) -> None:
        """Close the producers but the transactional ones; what they have not sent yet is dropped."""
        for producer in self._producers.values():
            producer.purge()
            try:
                producer.close()
            except KafkaException as error:
                # One that may not write has said so before.
                _log.debug("closing a producer: %s", error.args[0].str())

    def serve(self, seconds: float = 0.0) -> None:
        """Run the callbacks: what was not delivered, and errors that belong to no call. Waits up to so many seconds."""
        self.admin.poll(seconds)
        for producer in self.producers:
            producer.poll(0)

    # Topics

    def partitions(self, topics: Sequence[str]) -> list[Partition]:
        """All partitions of the topics. Raises TransportError where a topic is still missing after a moment."""
        deadline = time.monotonic() + 1
        while True:
            # It asks for all topics, because asking for one by its name may create it.
            patience = self.terms.patience
            ask = partial(self.admin.list_topics, timeout=min(5.0, patience))
            known = self.retry("the broker did not answer", ask, patience).topics
            missing = [topic for topic in topics if topic not in known or not known[topic].partitions]
            if not missing:
                self._known_topics.update(topics)
                return [Partition(topic, index) for topic in topics for index in sorted(known[topic].partitions)]
            if time.monotonic() > deadline:
                remedy = f"create it with `tocsin topics` {faults.where(self.settings.bootstrap, 'topics')}"
                raise TransportError(f"topic {missing[0]!r} does not exist: {remedy}")
            time.sleep(0.1)

    def require(self, topic: str) -> None:
        """Raise TransportError where a topic does not exist.

        One that is known is not asked for again: it may be asked for with every record, and the broker may be away.
        """
        if topic not in self._known_topics:
            self.partitions([topic])

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
        """Repeat a call as long as it fails for a passing reason, `patience` seconds at most, or as the terms say.

        Raises TransportError.
        """
        began = time.monotonic()
        while True:
            try:
                return call()
            except KafkaException as failed:
                error = failed.args[0]
                # librdkafka says of _TIMED_OUT that it is not retriable, although it is.
                passing = error.code() in faults.PASSING or error.retriable()
                if error.code() in faults.LOST or not passing or not self.terms.wait_on(doing, began, patience):
                    raise self.error(doing, error) from failed
            # This runs the callbacks, which may say why the call failed (that the password is wrong, for instance).
            self.serve(0.1)
            self.check()

    def _with_callbacks(self, options: dict[str, Any]) -> dict[str, Any]:
        return options | {"client.id": self._client_id, "error_cb": self._on_error}

    def _on_error(self, error: KafkaError) -> None:
        """librdkafka reports an error that belongs to no call. Most of these pass, and some never will."""
        if error.fatal() or error.code() in faults.REFUSED:
            self._failure = self._failure or self.error("the broker cannot be used", error)
        else:
            # Several clients try to connect again several times a second, and each reports that it failed.
            self.terms.say(f"{error.str()} (broker {self.settings.bootstrap})")

    def _on_transactional_error(self, error: KafkaError) -> None:
        """As `_on_error`; but a producer whose transactions are at an end is replaced, and then all goes on."""
        if error.fatal() and error.code() not in faults.REFUSED:
            said = f"the transactional producer is of no use any more: {error.str()} ({error.name()})"
            self._failure = self._failure or TransactionFailedError(said)
        else:
            self._on_error(error)

    def _on_transactional_delivery(self, error: KafkaError | None, message: Message) -> None:
        """As `_on_delivery`; but what may go better with the next transaction fails the batch in hand only."""
        if error is not None and error.code() in faults.PURGED:
            self.purged.add(message.topic() or "")
            return
        if error is not None and error.code() not in faults.NEVER and self._failure is None and not self.closed:
            said = f"a record for topic {message.topic()!r} was not delivered: {error.str()} ({error.name()})"
            self._failure = TransactionFailedError(said)
        self._on_delivery(error, message)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None or self._failure is not None or self.closed:
            return
        topic = message.topic() or ""
        doing = f"a record for topic {topic!r} was not delivered"
        self._failure = self.error(doing, error)
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            size = record_size(message.key(), message.value(), headers_of(message))
            self.limits.refused(topic, size)
            self._failure = RecordRefusedError(f"{self._failure}: it has {size} bytes, see max.message.bytes")
