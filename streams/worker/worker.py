"""One worker: polls a micro-batch, learns, joins, decides, commits; and again."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.experts.base import SnapshotError
from tocsin.streams.state.store import (
    PENDING_SHARE,
    State,
    Transaction,
    discard,
)
from tocsin.streams.transport.base import (
    Offsets,
    Partition,
    PartitionLostError,
    Rebalance,
    Record,
    Transport,
)
from tocsin.streams.wire.decode import (
    DecodedEvent,
    Decoder,
    Rejected,
    UnfitError,
)
from tocsin.streams.wire.encode import (
    Output,
    dead_letter,
    encode,
    read_back,
)
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.worker import telemetry
from tocsin.streams.worker.commit import Commit
from tocsin.streams.worker.counts import Counts
from tocsin.streams.worker.decide import Decide
from tocsin.streams.worker.join import UNKNOWN, Join
from tocsin.streams.worker.learn import Learn
from tocsin.streams.worker.rebuild import Rebuild, tail

log = logging.getLogger(__name__)

LEARN_CHUNK = 1_000
"""Feedback records folded at once while catching up."""


class OpenLog(Protocol):
    """Opens a log for a worker: a member of the group where shared topics are named, else a mere reader."""

    def __call__(self, shared: Sequence[str], whole: Mapping[Partition, int], rebalance: Rebalance | None) -> Transport:
        """A log at these positions. Raises LogError."""
        ...


def wall_clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Worker:
    """Runs the whole way of an event for the partitions it is given.

    Use as a context manager: entering restores the state and folds the feedback log to its end, leaving commits
    nothing more, writes a snapshot and leaves the group.
    """

    def __init__(self, settings: Settings, open_log: OpenLog, clock: Callable[[], int] = wall_clock) -> None:
        self.settings = settings
        self.clock = clock
        self.counts = Counts()
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self._open_log = open_log
        self._directory = settings.state.directory / settings.name
        self._decoder = Decoder(EventSchema(settings))
        self._join = Join(settings, self._owns, self._holds)
        self._use(Classifier.from_config(settings))
        self._assigned: set[Partition] = set()
        self._taken_over = False
        self._event_partitions = 1
        self._decided_before: set[str] = set()
        self._snapshot_at = 0
        self._snapshots = True
        self._told_at = 0
        self._started_at = clock()

    def _use(self, classifier: Classifier) -> None:
        """Decide with this model, and teach it."""
        bounds = self.settings.bounds
        self.classifier = classifier
        self._decide = Decide(self.settings, classifier, self._decoder)
        self._learn = Learn(classifier, self._decoder, bounds.pending_events, self.settings.model.max_classes)

    # Start and stop

    def __enter__(self) -> Worker:
        self._reader = self._open_log((), {}, None)
        try:
            self._state = self._open_state()
        except BaseException:
            self._reader.close()
            raise
        try:
            self._load_snapshot()
            if self.classifier.classes:
                self.classifier.warm_up()
            self._event_partitions = len(self._reader.end_offsets(self.settings.topics.events))
            self._decide.partitions = self._event_partitions
            self._catch_up()
            self._after_a_crash()
            self._log = self._open_log((self.settings.topics.events,), self._whole_positions(), self)
        except BaseException:
            self._state.close()
            self._reader.close()
            raise
        return self

    def _open_state(self) -> State:
        """The state, begun anew where it is of other logs than the broker has (topics made anew, say)."""
        directory = self._directory / "lmdb"
        topics = self.settings.topics
        ends = {
            p: end
            for t in (topics.events, topics.labels, topics.feedback)
            for p, end in self._reader.end_offsets(t).items()
        }
        state = State(directory, self.settings.state.max_bytes)
        with state.transaction() as t:
            ahead = [p for p, end in ends.items() if (t.position(p) or 0) > end]
        if not ahead:
            return state
        log.warning("the state is ahead of %s %d: these are other logs; it is begun anew", *ahead[0])
        state.close()
        discard(directory)
        discard(self._snapshot_directory)
        return State(directory, self.settings.state.max_bytes)

    def __exit__(self, *exception: object) -> None:
        try:
            if exception[0] is None:
                with self._state.transaction() as t:
                    t.set_meta("clean", b"1")
                self._tell(force=True)
                self._log.flush()
                self._save_snapshot()
        finally:
            self._log.close()
            self._reader.close()
            self._state.close()

    def _load_snapshot(self) -> None:
        directory = self._snapshot_directory
        if not directory.exists():
            return
        try:
            self.classifier.load(directory)
            end = max(self._reader.end_offsets(self.settings.topics.feedback).values())
            if self.classifier.feedback_offset > end:
                raise SnapshotError(
                    f"it is of feedback offset {self.classifier.feedback_offset}, the log ends at {end}"
                )
            log.info("snapshot loaded: the model has learnt %d feedback records", self.classifier.learnt)
        except SnapshotError as error:
            log.warning("the snapshot is not used, the model is folded from the feedback log: %s", error)
            self._use(Classifier.from_config(self.settings))  # the old one may have taken over a part of it
        self._snapshot_at = self.classifier.learnt

    @property
    def _snapshot_directory(self) -> Path:
        return self._directory / "snapshot"

    def _save_snapshot(self) -> None:
        if not self._snapshots or self.classifier.learnt == self._snapshot_at:
            return
        try:
            self.classifier.save(self._snapshot_directory)
        except SnapshotError as error:
            self._snapshots = False
            log.warning("no snapshots are written, a restart folds the whole feedback log: %s", error)
        self._snapshot_at = self.classifier.learnt

    def _catch_up(self) -> None:
        """Fold the feedback log to its end, before anything is decided or joined."""
        topic = self.settings.topics.feedback
        for partition, end in self._reader.end_offsets(topic).items():
            with self._state.transaction() as t:
                start = min(t.position(partition) or 0, self.classifier.feedback_offset)
            chunk: list[Record] = []
            for record in self._reader.read(partition, start, end):
                chunk.append(record)
                if len(chunk) >= LEARN_CHUNK:
                    self._fold(chunk)
                    chunk = []
            self._fold(chunk)

    def _fold(self, records: Sequence[Record]) -> None:
        if not records:
            return
        with self._state.transaction() as t:
            self.counts.feedback += self._learn(records, t)
            t.set_positions(_next_offsets(records))

    def _after_a_crash(self) -> None:
        """After an unclean stop, or without a state, know which events have a decision in the log already."""
        with self._state.transaction() as t:
            stopped = t.meta("clean")
            t.set_meta("clean", b"0")
        if stopped == b"1":
            return
        most = 4 * self.settings.batching.max_events
        for record in tail(self._reader, self.settings.topics.decisions, most):
            decision = read_back(record)
            if decision is not None:
                self._decided_before.add(str(decision.get("event")))
        if stopped == b"0":
            log.warning("the last stop was no clean one: events decided again are counted as decided twice")

    def _whole_positions(self) -> dict[Partition, int]:
        """Where to go on in the topics that every worker reads whole."""
        topics = self.settings.topics
        positions: dict[Partition, int] = {}
        with self._state.transaction() as t:
            for topic in (topics.labels, topics.feedback):
                for partition in self._reader.end_offsets(topic):
                    positions[partition] = t.position(partition) or 0
        return positions

    # Rebalance: what the log calls back

    def assigned(self, committed: Mapping[Partition, int | None]) -> Offsets:
        """See `tocsin.streams.transport.base.Rebalance`."""
        rebuild = Rebuild(self.settings, self._decoder, self._state, self._reader)
        starts: dict[Partition, int] = {}
        self._taken_over = True
        for partition, offset in committed.items():
            self._assigned.add(partition)
            if offset is not None:
                rebuilt = rebuild(partition, offset, self.clock())
                self.counts.rebuilt += rebuilt
                starts[partition] = offset
                if rebuilt:
                    log.info("rebuilt %d pending events of %s %d", rebuilt, *partition)
                continue
            with self._state.transaction() as t:
                position = t.position(partition)
            if position is not None:  # the group's offset expired; the state still knows
                starts[partition] = position
        return starts

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """See `tocsin.streams.transport.base.Rebalance`."""
        self._assigned.difference_update(partitions)

    def _owns(self, record: Record) -> bool:
        """Whether what no event decides about a label is ours to do."""
        share = Partition(self.settings.topics.events, record.partition % self._event_partitions)
        return share in self._assigned

    def _holds(self, partition: int) -> bool:
        """Whether a partition of the events is ours."""
        return Partition(self.settings.topics.events, partition) in self._assigned

    def _take_over(self) -> None:
        """After a rebalance, join the labels that we read while another worker held their events.

        What that worker joined before it gave its partitions up is at the end of the feedback log by now.
        """
        self._catch_up()
        transaction = self._state.begin()
        try:
            self._settle(self._join.taken_over(transaction))
            Commit(self._log, transaction).run({}, {})
        finally:
            transaction.abort()
        self._taken_over = False

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
        self._log.close()
        self._assigned.clear()
        self._log = self._open_log((self.settings.topics.events,), self._whole_positions(), self)

    def step(self, timeout: float | None = None) -> int:
        """One micro-batch; returns how many records it held. Raises LogError, StateError, FeedbackError."""
        batching = self.settings.batching
        wait = batching.max_wait_ms / 1000 if timeout is None else timeout
        records = self._log.poll(batching.max_events, wait)
        started = time.perf_counter()
        if self._taken_over:
            self._take_over()
        if records:
            self._work(records)
            self.counts.batches += 1
            if any(record.topic == self.settings.topics.events for record in records):
                self.counts.latencies.append(time.perf_counter() - started)
        self._now_and_then()
        return len(records)

    def _work(self, records: Sequence[Record]) -> None:
        topics, now = self.settings.topics, self.clock()
        by_topic: dict[str, list[Record]] = {topics.events: [], topics.labels: [], topics.feedback: []}
        for record in records:
            by_topic[record.topic].append(record)
        transaction = self._state.begin()
        try:
            self.counts.feedback += self._learn(by_topic[topics.feedback], transaction)
            self._do_events(by_topic[topics.events], transaction, now)
            # After the events: a label that came along with its event finds it.
            self._do_labels(by_topic[topics.labels], transaction, now)
            shared = _next_offsets(by_topic[topics.events])
            whole = _next_offsets([*by_topic[topics.labels], *by_topic[topics.feedback]])
            Commit(self._log, transaction).run(shared, whole)
        finally:
            transaction.abort()

    def _do_labels(self, records: Sequence[Record], transaction: Transaction, now: int) -> None:
        labels, rejected = self._decoder.labels(records)
        for label in labels:
            name = label.label["label"]
            if self._learn.takes(name):
                self._settle([self._join.label(label, transaction, now)])
            else:
                error = UnfitError("too-many-classes", f"{name!r} is a new class: bounds.classes allows no more")
                rejected.append((label.record, error))
        self._put_aside([(record, error) for record, error in rejected if self._owns(record)])

    def _do_events(self, records: Sequence[Record], transaction: Transaction, now: int) -> None:
        events, rejected = self._decoder.events(records)
        self._put_aside(rejected)
        fresh = self._fresh(events, transaction)
        for decided in self._decide(fresh, transaction, now):
            transaction.remember(decided.event, decided.entry, now)
            self._produce(decided.outputs)
            self.counts.alerts += sum(output.topic == self.settings.topics.alerts for output in decided.outputs)
            self._count(decided.decision)
            self._settle(self._join.event(decided.event, transaction))

    def _fresh(self, events: Sequence[DecodedEvent], transaction: Transaction) -> list[DecodedEvent]:
        """Events that were not decided before; the same id with other content is a dead letter."""
        fresh: dict[str, DecodedEvent] = {}
        clashes: list[Rejected] = []
        for decoded in events:
            identity = decoded.event["id"]
            entry = transaction.pending(identity)
            known = entry["event"] if entry else fresh[identity].event if identity in fresh else None
            if known is None:
                fresh[identity] = decoded
            elif known == decoded.event:
                self.counts.duplicates += 1
            else:
                error = UnfitError("id-taken", f"id {identity!r} is that of another event with other content")
                clashes.append((decoded.record, error))
        self._put_aside(clashes)
        return list(fresh.values())

    def _produce(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            self._log.produce(*output)

    def _put_aside(self, rejected: Sequence[Rejected]) -> None:
        for record, error in rejected:
            self._produce([dead_letter(self.settings.topics.dead_letters, record, error)])
            self.counts.dead_letters[error.kind] += 1

    def _settle(self, results: Iterable[tuple[str, list[Output]]]) -> None:
        """Emit what became of labels, and count it."""
        for outcome, outputs in results:
            self.counts.labels[outcome] += 1
            self._produce(outputs)
            if outcome == UNKNOWN:
                self.counts.dead_letters["unknown-event"] += 1

    def _count(self, decision: dict[str, Any]) -> None:
        counts = self.counts
        counts.events += 1
        if decision["status"] == "decided":
            counts.decided += 1
            counts.classes[decision["label"]] += 1
        else:
            counts.abstained += 1
            counts.reasons[decision["reason"]] += 1
        counts.over_budget += decision.get("over_budget") is not None
        if decision["event"] in self._decided_before:
            self._decided_before.discard(decision["event"])
            counts.decided_twice += 1

    def _now_and_then(self) -> None:
        """What need not be done at every batch."""
        now = self.clock()
        if now - self._told_at >= self.settings.monitor.interval_seconds * 1000:
            self._expire(now)
            self._tell()
        if self.classifier.learnt - self._snapshot_at >= self.settings.state.snapshot_every:
            self._save_snapshot()

    def _expire(self, now: int) -> None:
        bounds = self.settings.bounds
        transaction = self._state.begin()
        try:
            self._settle(self._join.expire(transaction, now))
            before = now - int(bounds.pending_ttl_hours * 3_600_000)
            room = int(PENDING_SHARE * self.settings.state.max_bytes)
            self.counts.expired += transaction.expire_pending(before, bounds.pending_events, room)
            Commit(self._log, transaction).run({}, {})
        finally:
            transaction.abort()

    def _tell(self, force: bool = False) -> None:
        """Emit a telemetry record."""
        now = self.clock()
        if self._told_at and not force and now == self._told_at:
            return
        self._told_at = now
        with self._state.transaction() as t:
            pending, waiting = t.count("pending"), t.count("waiting")
        record = telemetry.record(
            self.settings.name, self.name, self._started_at, now, self.classifier, self.counts, self._decide.last,
            pending, waiting,
        )  # fmt: skip
        self._log.produce(self.settings.topics.telemetry, self.name.encode(), encode(record))


def _next_offsets(records: Iterable[Record]) -> dict[Partition, int]:
    """By partition, the offset after its last record."""
    return {Partition(record.topic, record.partition): record.offset + 1 for record in records}
