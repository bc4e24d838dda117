"""One worker: polls a micro-batch, learns, decides, joins, commits; and again."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.streams.state.opening import open_state
from tocsin.streams.transport.base import (
    BatchFailedError,
    Offsets,
    Partition,
    Rebalance,
    Record,
    Transport,
)
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.encode import Output
from tocsin.streams.wire.fit import Fit
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker.commit import Commits, Settled
from tocsin.streams.worker.erasing.erasing import Erasing
from tocsin.streams.worker.gaps import Gaps, beginning_deleted, next_offsets
from tocsin.streams.worker.joining.duties import duty_of
from tocsin.streams.worker.model import Model
from tocsin.streams.worker.outputs.chain import Chain
from tocsin.streams.worker.outputs.configs import config_output
from tocsin.streams.worker.overload.batch_size import BatchSize, FixedSize
from tocsin.streams.worker.overload.load import Load
from tocsin.streams.worker.ownership import Ownership
from tocsin.streams.worker.pipeline import Pipeline
from tocsin.streams.worker.rebuild import last_decided
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.reporting.reporter import Reporter
from tocsin.streams.worker.reporting.telemetry import Identity
from tocsin.streams.worker.shadow.models import Models
from tocsin.streams.worker.shadow.sharing import SharingOfModels
from tocsin.streams.worker.shadow.taking_over import TakingOver
from tocsin.streams.worker.snapshots.sharing import Trim

log = logging.getLogger(__name__)

SOON_SECONDS = 0.005
"""How long more records are waited for before the state is committed."""
LABELS_AT_ONCE = 1_000
"""Labels that are taken over in one transaction."""


class OpenTransport(Protocol):
    """Opens a transport for a worker: a member of the group where shared topics are named, else a mere reader."""

    def __call__(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        """A transport at these positions. Raises TransportError."""
        ...


def wall_clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def monotonic_clock() -> int:
    """Milliseconds since some instant in the past, which only grow."""
    return time.monotonic_ns() // 1_000_000


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
        ticks: Callable[[], int] = monotonic_clock,
        end_earlier: Callable[[], None] = lambda: None,
        batch_size: BatchSize | None = None,
        trim: Trim | None = None,
    ) -> None:
        """Prepare a worker, which reaches no broker before it is entered.

        `clock` dates records, in epoch milliseconds. `ticks` measures intervals, in milliseconds that nobody sets back.
        `stop` is asked while the worker starts; `run` is given its own. `end_earlier` is called once the state belongs
        to this worker and before the logs are read: it ends what an earlier process of this worker left open.
        `batch_size` cuts batches; without one they hold all that is there, up to `batching.max_events`. `trim` deletes
        feedback that is kept no more. Raises StoreError where `state.snapshots` cannot be opened at all.
        """
        self.settings = settings
        self.clock = clock
        self._ticks = ticks
        self._stop = stop
        self._end_earlier = end_earlier
        self._batch_size = batch_size or FixedSize(settings.batching.max_events)
        self.counts = Counts()
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self._open_transport = open_transport
        self._directory = settings.state.directory / settings.name
        self._decoder = Decoder(EventSchema(settings))
        self._erasing = Erasing(settings, clock)
        self._gaps = Gaps(self.counts, lambda topic: self._reader.first_offsets(topic))
        self._ownership = Ownership(settings, self._decoder, clock, self.counts, self._gaps)
        seals, decided_by = self._erasing.seals, self._ownership.decided_by
        self._models = Models(settings, self._decoder, self._directory, self.counts, seals, decided_by)
        self._fit = Fit(settings, self._room, self.counts.dead_letters, self.counts.shortened)
        self._pipeline = Pipeline(
            settings, self._decoder, self._models, self._ownership, self.counts, self._produce, self._fit.fits
        )
        self._sharing = SharingOfModels(self._models, settings, self._directory, self.name, self.counts, trim)
        for model in self._models.all:
            model.forgets.append(self._erasing.forgotten)
        self._load = Load(settings)
        self._chain = Chain(settings.topics.decisions)
        self._reporter = Reporter(settings, Identity(settings.name, self.name, clock()), self._models, self._ownership)
        self._reported_at: int | None = None
        """When a telemetry record was produced last, by `ticks`."""

    @property
    def classifier(self) -> Classifier:
        """The model that decides."""
        return self._model.classifier

    @property
    def _model(self) -> Model:
        return self._models.deciding

    # Start and stop

    def __enter__(self) -> Worker:
        self._reader = self._open_transport((), {}, None)
        try:
            self._state = open_state(self.settings, self._reader, self._erasing.keys)
        except BaseException:
            self._reader.close()
            raise
        try:
            self._end_earlier()
            self._erasing.open(self._state, self._reader)
            self._models.restore(self._reader, self._state, self._stop)
            self._models.forget(self._erasing.forgets)
            self._ownership.open(self._state, self._reader)
            self._note_earlier_decisions()
            self._transport = self._open_shared()
            self._commits = Commits(self._state, self._transport, self._made_keys)
        except BaseException:
            self._models.close()
            self._state.close()
            self._reader.close()
            raise
        return self

    def _open_shared(self) -> Transport:
        topics = self.settings.topics
        # The labels are shared as well, because each partition of them needs an owner: see the duties.
        owner = TakingOver(self._ownership, self._models, topics.events)
        rebalance = Settled(owner, lambda: self._commits.settle())
        return self._open_transport((topics.events, topics.labels), self._whole_positions(), rebalance)

    def __exit__(self, *exception: object) -> None:
        try:
            if exception[0] is None:
                with self._state.transaction() as t:
                    t.notes.stopped_cleanly = True
                self._models.save_snapshots()
                self._models.keep()
                self._say_goodbye()
        finally:
            self._sharing.close()
            self._transport.close()
            self._commits.close()
            self._reader.close()
            self._models.close()
            self._state.close()

    def _say_goodbye(self) -> None:
        """The last telemetry record. All else is committed."""
        try:
            self._report(force=True)
        except BatchFailedError as error:
            log.warning("%s: the last telemetry record of this worker is missing", error)

    def _note_earlier_decisions(self) -> None:
        """After an unclean stop, or without a state, know which events have a decision in the log already."""
        with self._state.transaction() as t:
            stopped_cleanly = t.notes.stopped_cleanly
            t.notes.stopped_cleanly = False
            self.counts.decided_twice = t.notes.decided_twice
        if stopped_cleanly:
            return
        most = 4 * self.settings.batching.max_events
        self._pipeline.decided_before |= last_decided(self._reader, self.settings.topics.decisions, most)
        if stopped_cleanly is False:
            log.warning("the last stop was no clean one: events decided again are counted as decided twice")

    def _whole_positions(self) -> dict[Partition, int]:
        """Where to go on in the topics that every worker reads whole."""
        topics = self.settings.topics
        ends = self._reader.end_offsets(topics.labels) | self._reader.end_offsets(topics.feedback)
        settled = self._reader.committed(topics.labels)
        positions: dict[Partition, int] = {}
        with self._state.transaction() as t:
            for partition, end in ends.items():
                position = t.positions.get(partition)
                if position is None and partition in settled:
                    # A new state needs no label that the group has joined or reported: none below the oldest waits.
                    position = duty_of(settled[partition], None, end).oldest
                    t.positions.set({partition: position})
                if partition.topic == topics.feedback:
                    position = max(position or 0, self.classifier.feedback_offset)
                self._gaps.start(partition, position)
                positions[partition] = position or 0
        return positions

    # After a rebalance

    def _after_assignment(self) -> None:
        """Do what depends on which partitions this worker has.

        Labels that were read while another worker had their events are joined. What that worker joined before it gave
        its partitions up is at the end of the feedback log by now.
        """
        self._models.among(len(self._reader.end_offsets(self.settings.topics.events)))
        self._transport.add_new_partitions()
        self._models.catch_up(self._reader, self._state)
        # What waits came before what is read again now: so a subject's labels keep their order.
        self._pipeline.after_assignment(self._commits.transaction)
        for settings in self._models.settings:
            self._produce(config_output(settings))  # before anything is decided by it
        self._commit({}, {})
        self._commits.settle()
        for partition in self._ownership.duties.behind():
            self._take_over_labels(partition)
        self._ownership.changed = False

    def _take_over_labels(self, partition: Partition) -> None:
        """Settle labels that were read before their partition was assigned to this worker."""
        with self._state.transaction() as t:
            read, dropped = t.positions.get(partition) or 0, t.notes.dropped(partition)
        duty = self._ownership.duties.of(partition)
        # Labels that waited here in vain, and that the owner before has neither joined nor reported, wait anew.
        for labels in self._read_again(partition, duty.oldest, min(dropped, duty.settled, read)):
            self._pipeline.join(labels, self._commits.transaction, self.clock())
            self._commits.commit({}, {}, {})
        self._ownership.duties.catch_up(partition)
        if duty.settled < read:
            self._gaps.check(partition, duty.settled, read)
        for labels in self._read_again(partition, duty.settled, read):
            self._pipeline.join(labels, self._commits.transaction, self.clock())
            self._commit({}, {partition: labels[-1].offset + 1})
        self._commits.settle()

    def _read_again(self, partition: Partition, start: int, stop: int) -> Iterator[list[Record]]:
        """Chunks of the records with start <= offset < stop."""
        records = self._reader.read(partition, start, stop) if start < stop else iter(())
        while chunk := list(itertools.islice(records, LABELS_AT_ONCE)):
            yield chunk

    # The loop

    def run(self, stop: Callable[[], bool]) -> None:
        """Work until `stop` says so; the batches in hand are committed first."""
        before, self._stop = self._stop, stop
        while not stop():
            try:
                self.step()
            except BatchFailedError as error:
                self._start_over(error)
        self._stop = before
        try:
            self._commits.settle()
        except BatchFailedError as error:
            self._start_over(error)

    def _start_over(self, error: BatchFailedError) -> None:
        """Go back to what is committed: the batch in hand is another worker's by now, or cannot be sent as it is."""
        log.warning("%s: going back to the committed offsets", error)
        self._transport.close()
        self._commits.drop()
        self._ownership.lose_all()
        self._transport = self._commits.transport = self._open_shared()
        # The state went back and the model did not. What the feedback holds is known before a label is read again.
        self._models.catch_up(self._reader, self._state)

    def step(self, timeout: float | None = None) -> int:
        """What one poll gives; returns how many records that were. Raises TransportError, StateError, FeedbackError."""
        try:
            return self._step(timeout)
        except BaseException:
            self._commits.drop()
            raise

    def _step(self, timeout: float | None) -> int:
        wait = self.settings.batching.max_wait_ms / 1000 if timeout is None else timeout
        records = self._poll(wait)
        if self._ownership.changed:
            self._after_assignment()
        for number, batch in enumerate(self._batch_size.batches(records)):
            if number and self._stop():
                break  # what is left was not committed, and comes again
            self._work_off(batch)
        self._housekeep()
        return len(records)

    def _poll(self, wait: float) -> list[Record]:
        """The next records. Where there are none at once, what was done before is settled first."""
        most = self._batch_size.most
        if self._commits.unsettled:
            if records := self._transport.poll(most, min(wait, SOON_SECONDS)):
                return records
            self._commits.settle()
        return self._transport.poll(most, wait)

    def _work_off(self, batch: Sequence[Record]) -> None:
        """One micro-batch, with how long it took."""
        started = time.perf_counter()
        try:
            self._work(batch)
        finally:
            seconds = time.perf_counter() - started
            self._batch_size.took(batch, seconds)
            self._load.took(len(batch), seconds)
        self.counts.batches += 1
        if any(record.topic == self.settings.topics.events for record in batch):
            self.counts.batch_times.add(seconds)

    def _work(self, records: Sequence[Record]) -> None:
        topics = self.settings.topics
        by_topic: dict[str, list[Record]] = {topics.events: [], topics.labels: [], topics.feedback: []}
        for record in records:
            by_topic[record.topic].append(record)
        feedback, events, labels = by_topic[topics.feedback], by_topic[topics.events], by_topic[topics.labels]
        lost = self._gaps.see(records)
        if lost.get(topics.feedback):
            first = Partition(topics.feedback, 0)
            raise beginning_deleted(first, feedback[0].offset, self.classifier.feedback_offset)
        self._pipeline.run(feedback, events, labels, self._commits.transaction, self.clock())
        self._commit(next_offsets(events), next_offsets([*labels, *feedback]))

    def _commit(self, shared: Offsets, whole: Offsets) -> None:
        """Commit a batch, with how far its labels are settled. Raises TransportError, StateError."""
        duties, transaction = self._ownership.duties, self._commits.transaction
        duties.advance(transaction, whole)
        transaction.notes.decided_twice = self.counts.decided_twice
        self._chain.keep(transaction)
        settled = duties.to_commit()
        self._commits.commit(shared, whole, settled)
        duties.committed(settled)

    def _room(self, topic: str) -> int:
        return self._erasing.room(topic, self._transport.limit(topic))

    def _made_keys(self) -> Sequence[Output]:
        return self._erasing.made(self._ownership.decides(0))

    def _produce(self, output: Output) -> None:
        for fitting in self._fit(output):
            sealed = self._erasing.sealed(fitting, lambda: self._commits.transaction)
            self._commits.produce(self._chain.link(sealed, self._commits.transaction))

    def _housekeep(self) -> None:
        """What need not be done at every batch: expiry, telemetry."""
        interval = self.settings.monitor.interval_seconds * 1000
        if self._reported_at is None or self._ticks() - self._reported_at >= interval:
            self._transport.add_new_partitions()
            self._pipeline.expire(self._commits.transaction, self.clock())
            for pointer in self._sharing.outputs(self._ownership.decides(0), self.clock()):
                self._produce(pointer)
            self._commit({}, {})
            self._commits.settle()
            self._models.keep()
            self._sharing.said(self._fit.fits, self.clock())
            self._erasing.attend(self._ownership.profiles_anew, self._models.forget)
            self._report()

    def _report(self, force: bool = False) -> None:
        """Produce a telemetry record, unless this very millisecond has one."""
        now, ticks = self.clock(), self._ticks()
        if not force and ticks == self._reported_at:
            return
        self._reported_at = ticks
        load = self._load.see(self._transport.progress(), ticks)
        self._model.decide.shed = load.shed
        with self._state.transaction() as t:
            record = self._reporter.record(self.counts, load, t, now)
        self._produce(record)
        self._commits.commit({}, {}, {})
        self._commits.settle()
