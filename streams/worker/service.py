"""The service on Kafka, put together: a worker with its transports and its topics."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence

from tocsin.config.settings import Settings
from tocsin.kernels.common import backends
from tocsin.streams.transport import rights, topics
from tocsin.streams.transport.base import Partition, Rebalance, StoppedWaitingError, Transport
from tocsin.streams.transport.kafka import KafkaTransport, Terms
from tocsin.streams.transport.weaknesses import weaknesses
from tocsin.streams.wire.fit import LEAST_LETTER_BYTES, too_small
from tocsin.streams.worker.counts import Counts
from tocsin.streams.worker.warm_up import StoppedError
from tocsin.streams.worker.worker import OpenTransport, Worker

log = logging.getLogger(__name__)


def kafka_transports(settings: Settings, terms: Terms | None = None) -> OpenTransport:
    """Opens transports to the settings' broker, which wait for it as the terms say."""
    terms = terms or Terms()

    def open_transport(shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        transport = KafkaTransport(
            settings.kafka,
            group=settings.group,
            client_id=settings.name,
            shared=shared,
            whole=whole,
            rebalance=rebalance,
            terms=terms,
        )
        letters = settings.topics.dead_letters
        if shared and (limit := transport.limit(letters)) < LEAST_LETTER_BYTES:
            transport.close()
            raise too_small(letters, limit)
        return transport

    return open_transport


def run(settings: Settings, stop: Callable[[], bool]) -> Counts:
    """Run a worker until `stop` says so; returns what it did. Raises TransportError, StateError, FeedbackError.

    While the broker is away it waits, and says so in the log.
    """
    if "torch" in (settings.kernels.backend, os.environ.get(backends.VARIABLE)):
        import torch  # here, because only this back end needs it

        torch.set_num_threads(1)  # small matrices are faster so, and sums keep one order
    terms = Terms(
        math.inf,
        stop=stop,
        kept=[settings.topics.feedback],
        limits=topics.configured_limits(settings.topics),
        say_seconds=settings.kafka.delivery_timeout_ms / 1000,
    )
    worker = Worker(settings, kafka_transports(settings, terms), stop=stop)
    try:
        terms.until_there(lambda: _prepare(settings))
        with worker:
            log.info("ready: %s reads %s on %s", worker.name, settings.topics.events, settings.kafka.bootstrap)
            worker.run(stop)
            log.info("stopping: the batch in hand is committed")
    except (StoppedError, StoppedWaitingError) as stopped:
        log.info("%s", stopped)
    return worker.counts


def _prepare(settings: Settings) -> None:
    """See to rights and topics, and say what is too weak. Raises TransportError."""
    needs = rights.of_worker(settings)
    rights.require(settings.kafka, needs)
    if settings.topics.create:
        created = [topic for topic, outcome in topics.create(settings) if outcome == "created"]
        for topic in created:
            log.info("created topic %s", topic)
        if created:
            rights.require(settings.kafka, needs)
    for weakness in weaknesses(settings):
        log.warning("%s", weakness)
