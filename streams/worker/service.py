"""The service on Kafka, put together: a worker with its transports and its topics."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence

from tocsin.config.settings import Settings
from tocsin.kernels.common import backends
from tocsin.streams.transport import topics
from tocsin.streams.transport.base import Partition, Rebalance, Transport
from tocsin.streams.transport.kafka import KafkaTransport
from tocsin.streams.worker.counts import Counts
from tocsin.streams.worker.warm_up import StoppedError
from tocsin.streams.worker.worker import OpenTransport, Worker

log = logging.getLogger(__name__)


def kafka_transports(settings: Settings) -> OpenTransport:
    """Opens transports to the settings' broker."""

    def open_transport(shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        return KafkaTransport(
            settings.kafka,
            group=settings.group,
            client_id=settings.name,
            shared=shared,
            whole=whole,
            rebalance=rebalance,
        )

    return open_transport


def run(settings: Settings, stop: Callable[[], bool]) -> Counts:
    """Run a worker until `stop` says so; returns what it did. Raises TransportError, StateError, FeedbackError."""
    if "torch" in (settings.kernels.backend, os.environ.get(backends.VARIABLE)):
        import torch  # here, because only this back end needs it

        torch.set_num_threads(1)  # small matrices are faster so, and sums keep one order
    if settings.topics.create:
        for topic, outcome in topics.create(settings):
            if outcome == "created":
                log.info("created topic %s", topic)
    worker = Worker(settings, kafka_transports(settings), stop=stop)
    try:
        with worker:
            log.info("ready: %s reads %s on %s", worker.name, settings.topics.events, settings.kafka.bootstrap)
            worker.run(stop)
            log.info("stopping: the batch in hand is committed")
    except StoppedError as stopped:
        log.info("%s", stopped)
    return worker.counts
