"""One worker: polls a micro-batch, learns, decides, joins, commits; and again."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.streams.state.store import State, Transaction, discard
from tocsin.streams.transport.base import (
    Offsets,
    Partition,
    PartitionLostError,
    Rebalance,
    Record,
    Transport,
)
from tocsin.streams.wire.decode import Decoder, read_own
from tocsin.streams.wire.encode import Output, encode
from tocsin.streams.wire.records import Decision
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker.assignment import Assignment
from tocsin.streams.worker.commit import Commit
from tocsin.streams.worker.counts import Counts
from tocsin.streams.worker.model import Model, next_offsets
from tocsin.streams.worker.pipeline import Pipeline
from tocsin.streams.worker.rebuild import Rebuild, tail
from tocsin.streams.worker.telemetry import Backlog, Identity, report
from tocsin.streams.worker.warm_up import warm_up

log = logging.getLogger(__name__)


class OpenTransport(Protocol):
    """Opens a transport for a worker: a member of the group where shared topics are named, else a mere reader."""

    def __call__(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        """A transport at these positions. Raises TransportError."""
        ...


def wall_clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Worker:
    """Runs the whole way of an event for the partitions it is given.

    Use as a context manager: entering restores the state and folds the feedback log to its end, leaving commits
    nothing more, writes a snapshot and leaves the group.
    """

    def __init__(
        self,
        settings: Settings,
        open_transport: OpenTransport,
        clock: Callable[[], int] = wall_clock,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stop` is asked while the worker starts; `run` is given its own."""
        self.settings = settings
        self.clock = clock
        self._stop = stop
        self.counts = Counts()
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self._open_transport = open_transport
        self._directory = settings.state.directory / settings.name
        self._decoder = Decoder(EventSchema(settings))
        self._assignment = Assignment(settings.topics.events)
        self._assigned_anew = False
        self._model = Model(settings, self._decoder, self._directory / "snapshot", self.counts)
        self._pipeline = Pipeline(settings, self._decoder, self._model, self._assignment, self.counts, self._produce)
        self._started_at = clock()
        self._reported_at = 0

    @property
    def classifier(self) -> Classifier:
        """The model that decides."""
        return self._model.classifier

    # Start and stop

    def __enter__(self) -> Worker:
        self._reader = self._open_transport((), {}, None)
        try:
            self._state = self._open_state()
        except BaseException:
            self._reader.close()
            raise
        try:
            self._model.load_snapshot(self._reader)
            if self.classifier.classes:
                warm_up(self.classifier, self._stop)
            partitions = len(self._reader.end_offsets(self.settings.topics.events))
            self._assignment.partitions = self._model.decide.partitions = partitions
            self._model.catch_up(self._reader, self._state)
            self._note_earlier_decisions()
            self._transport = self._open_shared()
        except BaseException:
            self._state.close()
            self._reader.close()
            raise
        return self

    def _open_shared(self) -> Transport:
        return self._open_transport((self.settings.topics.events,), self._whole_positions(), self)

    def _open_state(self) -> State:
        """The state, begun anew where it is of other logs than the broker has (topics made anew, say)."""
        directory = self._directory / "lmdb"
        topics = self.settings.topics
        ends = {
            partition: end
            for topic in (topics.events, topics.labels, topics.feedback)
            for partition, end in self._reader.end_offsets(topic).items()
        }
        state = State(directory, self.settings.state.max_bytes)
        with state.transaction() as t:
            ahead = [partition for partition, end in ends.items() if (t.positions.get(partition) or 0) > end]
        if not ahead:
            return state
        log.warning("the state is ahead of %s %d: these are other logs; it is begun anew", *ahead[0])
        state.close()
        discard(directory)
        discard(self._directory / "snapshot")
        return State(directory, self.settings.state.max_bytes)

    def __exit__(self, *exception: object) -> None:
        try:
            if exception[0] is None:
                with self._state.transaction() as t:
                    t.notes.stopped_cleanly = True
                self._report(force=True)
                self._transport.flush()
                self._model.save_snapshot()
        finally:
            self._transport.close()
            self._reader.close()
            self._state.close()

    def _note_earlier_decisions(self) -> None:
        """After an unclean stop, or without a state, know which events have a decision in the log already."""
        with self._state.transaction() as t:
            stopped_cleanly = t.notes.stopped_cleanly
            t.notes.stopped_cleanly = False
        if stopped_cleanly:
            return
        most = 4 * self.settings.batching.max_events
        for record in tail(self._reader, self.settings.topics.decisions, most):
            decision = read_own(record, Decision)
            if decision is not None:
                self._pipeline.decided_before.add(decision.event)
        if stopped_cleanly is False:
            log.warning("the last stop was no clean one: events decided again are counted as decided twice")

    def _whole_positions(self) -> dict[Partition, int]:
        """Where to go on in the topics that every worker reads whole."""
        topics = self.settings.topics
        positions: dict[Partition, int] = {}
        with self._state.transaction() as t:
            for topic in (topics.labels, topics.feedback):
                for partition in self._reader.end_offsets(topic):
                    positions[partition] = t.positions.get(partition) or 0
        return positions

    # Rebalance: what the transport calls back

    def assigned(self, committed: Mapping[Partition, int | None]) -> Offsets:
        """See `tocsin.streams.transport.base.Rebalance`."""
        rebuild = Rebuild(self.settings, self._decoder, self._state, self._reader)
        starts: dict[Partition, int] = {}
        self._assigned_anew = True
        for partition, offset in committed.items():
            self._assignment.add(partition)
            if offset is not None:
                rebuilt = rebuild(partition, offset, self.clock())
                self.counts.rebuilt += rebuilt
                starts[partition] = offset
                if rebuilt:
                    log.info("rebuilt %d pending events of %s %d", rebuilt, *partition)
                continue
            with self._state.transaction() as t:
                position = t.positions.get(partition)
            if position is not None:  # the group's offset expired; the state still knows
                starts[partition] = position
        return starts

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """See `tocsin.streams.transport.base.Rebalance`."""
        self._assignment.remove(partitions)

    def _after_assignment(self) -> None:
        """After a rebalance, join the labels that were read while another worker had their events.

        What that worker joined before it gave its partitions up is at the end of the feedback log by now.
        """
        self._model.catch_up(self._reader, self._state)
        with self._transaction() as transaction:
            self._pipeline.after_assignment(transaction)
            Commit(self._transport, transaction).run({}, {})
        self._assigned_anew = False

    # The loop

    def run(self, stop: Callable[[], bool]) -> None:
        """Work until `stop` says so; the batch in hand is committed first."""
        while not stop():
            try:
                self.step()
            except PartitionLostError as error:
                self._start_over(error)

    def _start_over(self, error: PartitionLostError) -> None:
        """Go back to what is committed: the batch in hand belongs to another worker by now."""
        log.warning("%s: going back to the committed offsets", error)
        self._transport.close()
        self._assignment.clear()
        self._transport = self._open_shared()

    def step(self, timeout: float | None = None) -> int:
        """One micro-batch; returns how many records it held. Raises TransportError, StateError, FeedbackError."""
        batching = self.settings.batching
        wait = batching.max_wait_ms / 1000 if timeout is None else timeout
        records = self._transport.poll(batching.max_events, wait)
        started = time.perf_counter()
        if self._assigned_anew:
            self._after_assignment()
        if records:
            self._work(records)
            self.counts.batches += 1
            if any(record.topic == self.settings.topics.events for record in records):
                self.counts.latencies.append(time.perf_counter() - started)
        self._housekeep()
        return len(records)

    def _work(self, records: Sequence[Record]) -> None:
        topics = self.settings.topics
        by_topic: dict[str, list[Record]] = {topics.events: [], topics.labels: [], topics.feedback: []}
        for record in records:
            by_topic[record.topic].append(record)
        feedback, events, labels = by_topic[topics.feedback], by_topic[topics.events], by_topic[topics.labels]
        with self._transaction() as transaction:
            self._pipeline.run(feedback, events, labels, transaction, self.clock())
            Commit(self._transport, transaction).run(next_offsets(events), next_offsets([*labels, *feedback]))

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        """A transaction that a `Commit` ends; aborted where none does."""
        transaction = self._state.begin()
        try:
            yield transaction
        finally:
            transaction.abort()

    def _produce(self, output: Output) -> None:
        self._transport.produce(*output)

    def _housekeep(self) -> None:
        """What need not be done at every batch: expiry, telemetry, snapshots."""
        now = self.clock()
        if now - self._reported_at >= self.settings.monitor.interval_seconds * 1000:
            with self._transaction() as transaction:
                self._pipeline.expire(transaction, now)
                Commit(self._transport, transaction).run({}, {})
            self._report()
        self._model.save_snapshot(unless_learnt_less_than=self.settings.state.snapshot_every)

    def _report(self, force: bool = False) -> None:
        """Produce a telemetry record, unless this very millisecond has one."""
        now = self.clock()
        if self._reported_at and not force and now == self._reported_at:
            return
        self._reported_at = now
        with self._state.transaction() as t:
            backlog = Backlog(t.pending.count(), t.waiting.count())
        identity = Identity(self.settings.name, self.name, self._started_at)
        telemetry = report(identity, now, self.classifier, self.counts, self._model.decide.last, backlog)
        self._produce(Output(self.settings.topics.telemetry, self.name.encode(), encode(telemetry)))
