"""The model of one worker: a fold over the feedback topic, with snapshots as shortcuts."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.snapshot import MANIFEST, SnapshotError, write
from tocsin.streams.state.notes import Notes
from tocsin.streams.state.store import State, Transaction
from tocsin.streams.transport.base import Offsets, Partition, Record, Transport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.kinds.shadow import ChosenConfig, as_manifest, chosen_by
from tocsin.streams.wire.packed.control import Control, is_control
from tocsin.streams.wire.records import Restored
from tocsin.streams.wire.sealing.sealed import UNSEALED, Seals
from tocsin.streams.worker.deciding.decide import Decide
from tocsin.streams.worker.deciding.scoring import use_device
from tocsin.streams.worker.gaps import beginning_deleted, next_offsets
from tocsin.streams.worker.going_back import GoingBack
from tocsin.streams.worker.learning.feedback_items import FeedbackItem
from tocsin.streams.worker.learning.learn import (
    FeedbackError,
    Learn,
    read_control_of,
)
from tocsin.streams.worker.learning.leave_outs import LeaveOuts, LeftOutFeedback, first_named
from tocsin.streams.worker.learning.other_configs_watch import OtherConfigsWatch
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.reporting.judged_counts import JudgedTotals
from tocsin.streams.worker.reporting.telemetry import SnapshotTaken
from tocsin.streams.worker.snapshots.candidates import Candidate, Candidates
from tocsin.streams.worker.snapshots.earlier import EarlierSnapshots
from tocsin.streams.worker.snapshots.restoring import of_snapshot
from tocsin.streams.worker.snapshots.sharing import SharedModel
from tocsin.streams.worker.snapshots.store import StoreError

log = logging.getLogger(__name__)

LEARN_CHUNK = 1_000
"""Feedback records folded at once while catching up."""


class Model:
    """The classifier, with what decides by it and what teaches it."""

    def __init__(
        self, settings: Settings, decoder: Decoder, directory: Path, counts: Counts, seals: Seals = UNSEALED
    ) -> None:
        """`directory` is that of the snapshot; `seals` opens feedback while a transaction of the state is open."""
        self._seals = seals
        self._settings = settings
        self._decoder = decoder
        self._directory = directory
        self._counts = counts
        counts.judged = JudgedTotals(settings)
        self._snapshots = True
        self._other_configs = OtherConfigsWatch(settings.topics.feedback)
        self.topic_id: str | None = None
        """The id of the feedback topic, where the broker tells one."""
        self.snapshot: SnapshotTaken | None = None
        """The last snapshot that was written or loaded."""
        self._tried_at = 0
        """The feedback offset of the last snapshot that was written, loaded or failed."""
        self._leave_outs = LeaveOuts()
        self._obeyed = 0
        """The model is without what the control records below this offset name."""
        self._left_out = LeftOutFeedback({})
        self._earlier = EarlierSnapshots(
            directory.with_name("earlier"), settings.state.snapshot_every, settings.state.snapshots_back
        )
        self._going_back = GoingBack(settings, decoder, self._leave_outs, self._earlier, seals)
        self.restored = Restored(0.0, None, 0, 0)
        """How this worker came by its model."""
        self.decides_by: Callable[[Control, int], None] = self._note_standing
        """What is done at a `decide-by` record: it and its offset. All feedback below that offset is learnt by then."""
        self.standing: ChosenConfig | None = None
        """What the last `decide-by` record below the feedback offset says; None where there is none."""
        self.listens: Callable[[Sequence[FeedbackItem]], None] = lambda items: None
        """What is told of records before they are learnt. It raises nothing that concerns this model."""
        self.notes_in: Callable[[Transaction | None], Notes | None] = lambda t: None if t is None else t.notes
        """Where class priors and traffic are kept that go by it, given the transaction of the worker's state."""
        self.forgets: list[Callable[[Control, int], None]] = []
        """What is done where a subject is forgotten, before anything behind it is learnt: the record and its offset."""
        self._use(Classifier.from_config(settings))

    @property
    def settings(self) -> Settings:
        """What it decides by."""
        return self._settings

    def begin_anew(self) -> None:
        """Be a model that has learnt nothing."""
        self._use(Classifier.from_config(self._settings))
        self.snapshot = self.standing = None
        self._obeyed, self._left_out = 0, self._leave_outs.left_out(0)

    def _use(self, classifier: Classifier) -> None:
        settings = self._settings
        use_device(settings, classifier)
        self.classifier = classifier
        self.decide = Decide(settings, classifier, self._decoder)
        self.learn = Learn(classifier, self._decoder, settings, self._counts, self._seals)
        self.learn.listens = lambda items: self.listens(items)

    def _use_instead(self, classifier: Classifier, notes: Notes | None) -> None:
        """Decide and learn by a model that went back, in place of the one in use."""
        classes, decide, unknown = self.classifier.classes, self.decide, self.learn.unknown
        self._use(classifier)
        self.learn.unknown.update(unknown)
        self.decide.go_on_from(decide)
        if notes is None:
            return
        partitions = len(self._reader.end_offsets(self._settings.topics.events))
        self.decide.traffic.compare_anew(partitions, notes)
        if classifier.classes != classes:  # what is kept is by their places
            for partition in range(partitions):
                notes.forget_priors(partition)

    def load_snapshot(self, reader: Transport) -> None:
        """Take over the newest snapshot that fits the settings and the feedback log, its own one or a shared one.

        One of another model is not used, so that all workers of this config fold the same records. Only where the log
        no longer has them all does the model go on from it. Raises FeedbackError where it cannot.
        """
        began, topic = time.perf_counter(), self._settings.topics.feedback
        self._reader = reader
        self.topic_id = reader.topic_ids([topic]).get(topic)
        whole_log = max(reader.first_offsets(topic).values(), default=0) == 0
        candidates = self._candidates()
        try:
            self._load_first(candidates.of(reader, whole_log), candidates, whole_log)
        finally:
            candidates.end()
        self.restored = msgspec.structs.replace(self.restored, seconds=time.perf_counter() - began)

    def _candidates(self) -> Candidates:
        return Candidates(self._settings, self._directory, self.topic_id, self._earlier)

    def _load_first(self, left: list[Candidate], candidates: Candidates, whole_log: bool) -> None:
        """Take over the first of these snapshots that can be.

        One that has learnt what is left out by now is of no use, unless the log has not all that stands for it.
        """
        end = max(self._ends(self._reader).values(), default=0)
        self._leave_outs.clear(end)
        with_left_out: list[Candidate] = []
        while left:
            one = left.pop(0)
            if one.offset < 0 or self._going_back.usable(self._reader, one.offset, one.ahead, max(end, one.offset)):
                if self._takes_over(one, candidates, last=not left and not with_left_out):
                    return
            elif not whole_log:
                with_left_out.append(one)
            else:
                log.info("the snapshot %s is passed over: it has learnt what is left out by now", one.name)
        for i, one in enumerate(with_left_out, 1):
            if self._takes_over(one, candidates, last=i == len(with_left_out)):
                return

    def _takes_over(self, candidate: Candidate, candidates: Candidates, last: bool) -> bool:
        """Whether the model goes on from this snapshot; the log says why not, and how it goes on if it is the last."""
        try:
            directory = candidate.fetch()
            found = of_snapshot(self._reader, directory, self._settings, self.topic_id)
            self._use(found.classifier)
            self.snapshot, self.standing = found.taken, found.standing
            candidates.take_over(directory)
        except (SnapshotError, StoreError, OSError, FeedbackError) as error:
            if last and isinstance(error, FeedbackError):
                raise
            if last:
                log.warning("the snapshot is not used, the model is folded from the feedback log: %s", error)
            else:
                log.warning("the snapshot is not used, the one before it is tried: %s", error)
            self.begin_anew()
            return False
        self._obeyed = max([self.classifier.feedback_offset, *(at + 1 for at in candidate.ahead)])
        self._left_out = self._leave_outs.left_out(self._obeyed)
        if candidate.ahead:  # it is no model that another worker has at this offset
            self.snapshot = None
        self._tried_at = offset = self.classifier.feedback_offset
        self.restored = Restored(0.0, candidate.source, offset, 0)
        log.info(
            "%s snapshot loaded: the model has learnt %d feedback records", candidate.source, self.classifier.learnt
        )
        return True

    @property
    def shared(self) -> SharedModel:
        """The model as its snapshots are shared."""
        classifier = self.classifier
        return SharedModel(
            classifier.digest, classifier.lineage, self.topic_id, self.snapshot, classifier.feedback_offset
        )

    @property
    def _of_topic(self) -> dict[str, Any]:
        """What a snapshot says of the feedback that it has learnt."""
        return {"topic": self._settings.topics.feedback, "topic_id": self.topic_id, **as_manifest(self.standing)}

    def save_snapshot(self) -> None:
        """Write a snapshot, unless the one that is there is of this very offset."""
        offset = self._tried_at = self.classifier.feedback_offset
        there = self.snapshot is not None and self.snapshot.offset == offset and (self._directory / MANIFEST).exists()
        if there or not self._snapshots:
            return
        try:
            manifest, arrays = self.classifier.to_snapshot()
            self.snapshot = SnapshotTaken(offset, write(self._directory, {**manifest, **self._of_topic}, arrays))
            self._earlier.keep(offset, self._directory)
            self._leave_outs.forget(min([one.offset for one in self._earlier.all()], default=offset))
        except SnapshotError as error:
            self._snapshots = False
            self._counts.snapshots_failed += 1
            log.warning("no snapshots are written, a restart folds the whole feedback log: %s", error)
        except OSError as error:  # the disk is full, say; a snapshot is only a shortcut
            self._counts.snapshots_failed += 1
            log.warning(
                "state.directory: no snapshot was written to %s (%s); the next one is tried after state.snapshot_every "
                "records, and a restart before that folds more of the feedback log",
                self._directory,
                error,
            )

    def count_in(self, counts: Counts) -> None:
        """Count here what it does from now on."""
        self._counts = counts
        self.learn.count_in(counts)

    def _note_standing(self, control: Control, offset: int) -> None:
        self.standing = chosen_by(control, offset)

    def first_catch_up(self, reader: Transport, state: State | None, ends: Offsets | None = None) -> None:
        """`catch_up`, after which the log says how the model was restored. Raises FeedbackError."""
        began, learnt = time.perf_counter(), self._counts.feedback
        self.catch_up(reader, state, ends)
        self._counts.judged.clear()  # that was of the time before
        folded, seconds = self._counts.feedback - learnt, self.restored.seconds + time.perf_counter() - began
        self.restored = restored = msgspec.structs.replace(self.restored, seconds=seconds, folded=folded)
        kind = restored.snapshot
        source = f"the {kind} snapshot of feedback offset {restored.offset}" if kind else "no snapshot"
        log.info("restored the model in %.2f s from %s and %d feedback records", seconds, source, folded)

    def catch_up(self, reader: Transport, state: State | None, ends: Offsets | None = None) -> None:
        """Fold the feedback log to its end, or to the one that is given. Raises FeedbackError.

        Without a state its labels and how far it is read are noted by another model's fold.

        A log whose beginning is deleted is read on by a model that has learnt what is missing, and by no other: two
        workers at one offset of it would hold two models. Of the snapshots on the way only the last is written, which
        the other workers have, too.
        """
        ends = self._ends(reader) if ends is None else ends
        if len(ends) != 1:
            raise FeedbackError(
                f"topics.feedback: {self._settings.topics.feedback} has {len(ends)} partitions, and feedback has an "
                "order in one partition only; name a topic of one partition"
            )
        for partition, end in ends.items():
            first = reader.first_offsets(partition.topic)[partition]
            if first > self.classifier.feedback_offset:
                raise beginning_deleted(partition, first, self.classifier.feedback_offset)
            start = max(first, self.classifier.feedback_offset)
            if state is not None:
                with state.transaction() as t:
                    start = max(first, min(t.positions.get(partition) or 0, start))
            every = self._settings.state.snapshot_every
            last_snapshot = end // every * every
            for stop in (last_snapshot, end):
                if stop <= max(start, self._obeyed) and stop < end:
                    continue
                self._leave_outs.read(reader, partition, self._obeyed, stop)
                with nullcontext() if state is None else state.transaction() as t:
                    self._obey(stop, t)
                records = reader.read(partition, start, stop)
                while chunk := list(itertools.islice(records, LEARN_CHUNK)):
                    self._fold(chunk, state, last_snapshot)
                start = stop
        self._other_configs.look(self._counts, self.learn.unknown)

    def _fold(self, records: Sequence[Record], state: State | None, first_snapshot: int) -> None:
        if state is None:
            self.fold(records, None, first_snapshot)
            return
        with state.transaction() as t:
            self.fold(records, t, first_snapshot)
            t.positions.set(next_offsets(records))

    def fold(self, records: Sequence[Record], transaction: Transaction | None, first_snapshot: int = 1) -> None:
        """Learn feedback records in their order. Raises FeedbackError.

        They are cut at the multiples of `state.snapshot_every` from `first_snapshot` on, and a snapshot is written at
        each: so all workers have one of the same offset, however their polls were cut.
        """
        every = self._settings.state.snapshot_every
        for number, piece in itertools.groupby(records, lambda record: record.offset // every):
            self._arrive(number * every, first_snapshot)
            self._fold_piece(list(piece), transaction)
            if self.classifier.feedback_offset == (number + 1) * every:
                self._arrive(self.classifier.feedback_offset, first_snapshot)

    def _fold_piece(self, records: Sequence[Record], transaction: Transaction | None) -> None:
        """Learn records between which no snapshot is due; they are cut at the control records.

        What these leave out is left out at once, so that the model goes back once for all of them.
        """
        self._leave_outs.see(records)
        went_back = self._obey(records[-1].offset + 1, transaction)
        for control, run in itertools.groupby(records, lambda record: is_control(record.value)):
            if not control:
                self._counts.feedback += self.learn(list(run), transaction, self._left_out)
                continue
            for record in run:
                self._at_control(read_control_of(record), record.offset, transaction)
        if went_back:
            self.save_snapshot()  # those behind the left out records are gone

    def _at_control(self, control: Control, offset: int, transaction: Transaction | None) -> None:
        """Do what is to be done at a control record, once all before it is learnt."""
        if control.kind == "leave-out":
            if transaction is not None:  # also where the model has passed it: the state may have gone back
                self._going_back.forget(self._reader, self.learn, transaction, control, offset)
                for forgets in self.forgets if control.reason == "forgotten" else ():
                    forgets(control, offset)
        elif offset >= self.classifier.feedback_offset:
            self.decides_by(control, offset)
        self.classifier.feedback_offset = max(self.classifier.feedback_offset, offset + 1)

    def _obey(self, stop: int, transaction: Transaction | None) -> bool:
        """Have the model be without what the control records below an offset name; returns whether it went back."""
        if stop <= self._obeyed:
            return False
        new, self._obeyed = list(self._leave_outs.between(self._obeyed, stop)), stop
        if not new:
            return False
        learnt, left_out = self.classifier.feedback_offset, self._left_out
        learnt_of = [at for at, c in new if first_named(c, at) < learnt and not left_out.has_all_of(c, at)]
        for at, control in new:
            left_out.add(at, control)
        return bool(learnt_of) and self._go_back(learnt_of, stop, transaction)

    def _go_back(self, controls: Sequence[int], stop: int, transaction: Transaction | None) -> bool:
        """Make the model anew without what the control records below an offset name; returns whether that was possible.

        Those at the offsets `controls` are new, and name what it has learnt. Raises TransportError, FeedbackError.
        """
        began, before, candidates = time.perf_counter(), self.classifier, self._candidates()
        try:
            found = self._going_back.model(self._reader, candidates.of(self._reader, True), before, stop)
        finally:
            candidates.end()
        topic = self._settings.topics.feedback
        if found is None:
            self._counts.not_left_out += len(controls)
            log.warning(
                "%s, offset %d: what %d control records leave out stays learnt, because neither a snapshot nor the "
                "topic reaches far enough back: keep more of it (feedback.keep), or more snapshots",
                topic, controls[-1], len(controls),
            )  # fmt: skip
            return False
        if self._going_back.drop_snapshots(self._reader, found.start, stop, self._directory):
            self.snapshot = None
        self._use_instead(found.classifier, self.notes_in(transaction))
        self._counts.went_back += 1
        log.info(
            "%s, offset %d: the model went back to feedback offset %d, and learnt %d records anew without what %d "
            "control records leave out, in %.2f s",
            topic, controls[-1], found.start, found.learnt, len(controls), time.perf_counter() - began,
        )  # fmt: skip
        return True

    def _arrive(self, offset: int, first_snapshot: int) -> None:
        """Write the snapshot of an offset below which there is no record any more to learn, if it is due."""
        if offset < 1 or offset == self._tried_at or self.classifier.feedback_offset > offset:
            return
        ahead = self._leave_outs.ahead(offset, self._obeyed)
        due = offset >= first_snapshot and not ahead  # what is ahead is no model that another worker has here
        if not due and not self._earlier.keeps(offset, max(offset, first_snapshot)):
            return
        # Offsets just below it may hold no record (the marks of transactions): then the model stood before them.
        self.classifier.feedback_offset = offset
        if due:
            self.save_snapshot()
        elif self._snapshots:
            self._going_back.keep(self.classifier, self._obeyed, self._of_topic)

    def _ends(self, reader: Transport) -> dict[Partition, int]:
        return reader.end_offsets(self._settings.topics.feedback)
