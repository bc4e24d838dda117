"""The service on Kafka, put together: a worker with its transports and its topics."""

from __future__ import annotations

import gc
import logging
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tocsin.config.settings import Settings
from tocsin.kernels.common import backends
from tocsin.streams.transport import rights, topics, trimming
from tocsin.streams.transport.base import Partition, Rebalance, StoppedWaitingError, Transport
from tocsin.streams.transport.faust import AT_LEAST_ONCE, require_faust
from tocsin.streams.transport.guarantee import is_exactly_once
from tocsin.streams.transport.kafka import KafkaTransport, Terms, Transactional, TransactionalId
from tocsin.streams.transport.weaknesses import weaknesses
from tocsin.streams.wire.fit import LEAST_LETTER_BYTES, too_small
from tocsin.streams.worker.deciding import scoring
from tocsin.streams.worker.overload.batch_size import BoundedTime
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.warm_up import StoppedError
from tocsin.streams.worker.worker import Worker

log = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005
"""How long the thread that commits a batch waits for the one that works, each time the broker has answered. Python's
default is ten times as long, and a commit has several answers."""


class KafkaTransports:
    """Opens the transports of one worker to the settings' broker; see `tocsin.streams.worker.worker.OpenTransport`."""

    def __init__(self, settings: Settings, terms: Terms | None = None, faust: bool = False) -> None:
        """The transports wait for the broker as the terms say. With `faust` a Faust agent reads the shared topics."""
        self._settings = settings
        self._terms = terms or Terms()
        self._transactional: Transactional | None = None
        self._faust = faust
        self._chosen = faust
        """Whether it is known if this worker writes in transactions. Through Faust it does not."""

    def __call__(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        """A transport at these positions, which writes in transactions where it is a member. Raises TransportError."""
        transport = self._open(shared, whole, rebalance, self._in_transactions() if shared else None)
        letters = self._settings.topics.dead_letters
        if shared and (limit := transport.limit(letters)) < LEAST_LETTER_BYTES:
            transport.close()
            raise too_small(letters, limit)
        return transport

    def end_earlier(self) -> None:
        """End the transaction that an earlier process of this worker left open. Raises TransportError.

        Nobody else may use the state directory while this is called.
        """
        if (transactional := self._in_transactions()) is not None:
            self._open((), {}, None, transactional).close()

    def _open(
        self,
        shared: Sequence[str],
        whole: Mapping[Partition, int],
        rebalance: Rebalance | None,
        transactional: Transactional | None,
    ) -> Transport:
        settings = self._settings
        if shared and self._faust:
            from tocsin.streams.transport.faust.transport import FaustTransport  # an extra of its own

            return FaustTransport(
                settings.kafka,
                group=settings.group,
                directory=settings.state.directory / settings.name / "faust",
                client_id=settings.name,
                shared=shared,
                whole=whole,
                rebalance=rebalance,
                terms=self._terms,
            )
        return KafkaTransport(
            settings.kafka,
            group=settings.group,
            client_id=settings.name,
            shared=shared,
            whole=whole,
            rebalance=rebalance,
            terms=self._terms,
            transactional=transactional,
        )

    def _in_transactions(self) -> Transactional | None:
        if not self._chosen:
            settings = self._settings
            if self._terms.until_there(lambda: is_exactly_once(settings.kafka)):
                file = settings.state.directory / settings.name / "transactional-id"
                identity = TransactionalId(settings.group, settings.kafka.instance, file)
                named = settings.topics
                unwritten = {named.events, named.labels, *topics.unused_topics(settings)}
                written = [name for name in named.names() if name not in unwritten]
                self._transactional = Transactional(identity, written)
            self._chosen = True
        return self._transactional


def run(settings: Settings, stop: Callable[[], bool], faust: bool = False) -> Counts:
    """Run a worker until `stop` says so; returns what it did. Raises TransportError, StateError, FeedbackError.

    While the broker is away it waits, and says so in the log. With `faust` a Faust agent reads the shared topics.
    """
    needed = settings
    if faust:
        require_faust(settings.kafka)
        log.warning("%s", AT_LEAST_ONCE)
        at_least_once = settings.kafka.model_copy(update={"guarantee": "at-least-once"})
        needed = settings.model_copy(update={"kafka": at_least_once})
    scoring.check(settings)
    if "torch" in (settings.kernels.backend, os.environ.get(backends.VARIABLE)):
        import torch  # here, because only this back end needs it

        torch.set_num_threads(1)  # small matrices are faster so, and sums keep one order
    if settings.shadow is not None and settings.of_shadow is None:
        log.warning("shadow: %s decides by the same config, so that there is nothing to try", settings.shadow)
    terms = Terms(
        math.inf,
        stop=stop,
        kept=[settings.topics.feedback],
        limits=topics.configured_limits(settings.topics),
        say_seconds=settings.kafka.delivery_timeout_ms / 1000,
    )
    transports = KafkaTransports(settings, terms, faust)
    worker = Worker(
        settings,
        transports,
        stop=stop,
        end_earlier=transports.end_earlier,
        batch_size=BoundedTime.of(settings),
        trim=partial(trimming.delete_before, settings.kafka),
    )
    try:
        terms.until_there(lambda: _prepare(needed))
        with worker:
            _spare_garbage_collection()
            sys.setswitchinterval(_SWITCH_SECONDS)
            log.info("ready: %s reads %s on %s", worker.name, settings.topics.events, settings.kafka.bootstrap)
            worker.run(stop)
            log.info("stopping: the batch in hand is committed")
    except (StoppedError, StoppedWaitingError) as stopped:
        log.info("%s", stopped)
    return worker.counts


def _spare_garbage_collection() -> None:
    """Let the collector pass over what stays, which is nearly all: modules, kernels, the model.

    A batch makes thousands of objects, hardly one of them in a cycle. By default these bring about full collections,
    each of which walks all that stays.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _prepare(settings: Settings) -> None:
    """See to rights and topics, and say what is too weak. Raises TransportError."""
    needs = rights.of_worker(settings)
    rights.require(settings.kafka, needs)
    if settings.topics.create:
        created = [topic for topic, outcome in topics.create(settings, unused=False) if outcome == "created"]
        for topic in created:
            log.info("created topic %s", topic)
        if created:
            rights.require(settings.kafka, needs)
    for weakness in weaknesses(settings):
        log.warning("%s", weakness)
