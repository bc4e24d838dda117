"""The model of one worker: a fold over the feedback topic, with snapshots as shortcuts."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.snapshot import MANIFEST, SnapshotError, read_manifest, write
from tocsin.models.succession import successor
from tocsin.streams.state.store import State, Transaction
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.packed.control import Control, is_control
from tocsin.streams.wire.records import Restored
from tocsin.streams.worker.deciding.decide import Decide
from tocsin.streams.worker.deciding.scoring import use_device
from tocsin.streams.worker.learning.learn import (
    TOO_MANY_CLASSES,
    UNFIT_VALUE,
    UNKNOWN_CLASS,
    FeedbackError,
    Learn,
    read_control_of,
)
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.reporting.judged_counts import JudgedTotals
from tocsin.streams.worker.reporting.telemetry import SnapshotTaken
from tocsin.streams.worker.snapshots.candidates import Candidate, Candidates
from tocsin.streams.worker.snapshots.sharing import SharedModel
from tocsin.streams.worker.snapshots.store import StoreError

log = logging.getLogger(__name__)

LEARN_CHUNK = 1_000
"""Feedback records folded at once while catching up."""
PASSED_OVER = {
    UNKNOWN_CLASS: "{n} are of a class that the config does not name, and teach nothing",
    TOO_MANY_CLASSES: "{n} are of a class for which bounds.classes has no room, and teach nothing",
    UNFIT_VALUE: "{n} values of features are of another kind, and count as not known",
}
WAYS = "name them in `classes`, or say in `class_map` what each is called today; a new feedback topic has none of them"
MOST_NAMED = 5
"""Classes that one line of the log names."""


class Model:
    """The classifier, with what decides by it and what teaches it."""

    def __init__(self, settings: Settings, decoder: Decoder, directory: Path, counts: Counts) -> None:
        """`directory` is that of the snapshot."""
        self._settings = settings
        self._decoder = decoder
        self._directory = directory
        self._counts = counts
        counts.judged = JudgedTotals(settings)
        self._snapshots = True
        self._said = 0
        """How much of another config the log was told of."""
        self.topic_id: str | None = None
        """The id of the feedback topic, where the broker tells one."""
        self.snapshot: SnapshotTaken | None = None
        """The last snapshot that was written or loaded."""
        self._tried_at = 0
        """The feedback offset of the last snapshot that was written, loaded or failed."""
        self.restored = Restored(0.0, None, 0, 0)
        """How this worker came by its model."""
        self.decides_by: Callable[[Control, int], None] = lambda control, offset: None
        """What is done at a `decide-by` record: it and its offset. All feedback below that offset is learnt by then."""
        self._use(Classifier.from_config(settings))

    def _use(self, classifier: Classifier) -> None:
        settings = self._settings
        use_device(settings, classifier)
        self.classifier = classifier
        self.decide = Decide(settings, classifier, self._decoder)
        self.learn = Learn(classifier, self._decoder, settings, self._counts)

    def load_snapshot(self, reader: Transport) -> None:
        """Take over the newest snapshot that fits the settings and the feedback log, its own one or a shared one.

        One of another model is not used, so that all workers of this config fold the same records. Only where the log
        no longer has them all does the model go on from it. Raises FeedbackError where it cannot.
        """
        began, topic = time.perf_counter(), self._settings.topics.feedback
        self.topic_id = reader.topic_ids([topic]).get(topic)
        candidates = Candidates(self._settings, self._directory, self.topic_id)
        whole_log = max(reader.first_offsets(topic).values(), default=0) == 0
        left = candidates.of(reader, whole_log)
        try:
            while left and not self._takes_over(left.pop(0), candidates, reader, last=not left):
                pass
        finally:
            candidates.end()
        self.restored = msgspec.structs.replace(self.restored, seconds=time.perf_counter() - began)

    def _takes_over(self, candidate: Candidate, candidates: Candidates, reader: Transport, last: bool) -> bool:
        """Whether the model goes on from this snapshot; the log says why not, and how it goes on if it is the last."""
        try:
            directory = candidate.fetch()
            self._use(self._of_snapshot(reader, directory))
            candidates.take_over(directory)
        except (SnapshotError, StoreError, OSError, FeedbackError) as error:
            if last and isinstance(error, FeedbackError):
                raise
            if last:
                log.warning("the snapshot is not used, the model is folded from the feedback log: %s", error)
            else:
                log.warning("the snapshot is not used, the one before it is tried: %s", error)
            self._use(Classifier.from_config(self._settings))
            self.snapshot = None
            return False
        self._tried_at = offset = self.classifier.feedback_offset
        self.restored = Restored(0.0, candidate.source, offset, 0)
        log.info(
            "%s snapshot loaded: the model has learnt %d feedback records", candidate.source, self.classifier.learnt
        )
        return True

    def _of_snapshot(self, reader: Transport, directory: Path) -> Classifier:
        """The model of the snapshot in a directory. Raises SnapshotError where it is not to be used."""
        settings, topic = self._settings, self._settings.topics.feedback
        manifest = read_manifest(directory)
        written = manifest.get("topic", topic)
        if written != topic:
            raise SnapshotError(f"it is of the topic {written}, and feedback is in {topic}")
        if None not in (known := manifest.get("topic_id"), self.topic_id) and known != self.topic_id:
            raise SnapshotError(f"the topic {topic} was deleted and made anew since")
        [(partition, end)] = self._ends(reader).items()
        offset = manifest.get("feedback_offset", 0)
        if offset > end:
            raise SnapshotError(f"it is of feedback offset {offset}, the log ends at {end}")
        try:
            made = Classifier.load(directory, settings.model, settings.kernels.backend)
        except SnapshotError as error:
            first = next((record.offset for record in reader.read(partition, 0, end)), end)
            if first == 0 or "settings" not in manifest:
                raise
            return self._successor(directory, first, offset, error)
        if sha256 := manifest.get("sha256"):  # earlier releases wrote none
            self.snapshot = SnapshotTaken(offset, sha256)
        return made

    def _successor(self, directory: Path, first: int, offset: int, foreign: SnapshotError) -> Classifier:
        """The model that goes on from the snapshot at an offset, where the log begins only at `first`."""
        topic, settings = self._settings.topics.feedback, self._settings
        try:
            if offset < first:
                raise SnapshotError(f"it ends at offset {offset}")
            made, begin_anew = successor(directory, settings.model, settings.kernels.backend)
        except SnapshotError as error:
            raise FeedbackError(
                f"{topic} begins at offset {first}, so that the model cannot be folded from it, and it cannot go on "
                f"from the snapshot in {directory}: {error} ({foreign}). Restore the config of the snapshot, or "
                "name a new topic in topics.feedback, with which learning begins anew"
            ) from error
        anew = ", ".join(begin_anew) or "none"
        log.warning("%s begins at offset %d: the model goes on from its snapshot of another config", topic, first)
        log.warning("experts that begin anew: %s", anew)
        return made

    @property
    def shared(self) -> SharedModel:
        """The model as its snapshots are shared."""
        classifier = self.classifier
        return SharedModel(
            classifier.digest, classifier.lineage, self.topic_id, self.snapshot, classifier.feedback_offset
        )

    def save_snapshot(self) -> None:
        """Write a snapshot, unless the one that is there is of this very offset."""
        offset = self._tried_at = self.classifier.feedback_offset
        there = self.snapshot is not None and self.snapshot.offset == offset and (self._directory / MANIFEST).exists()
        if there or not self._snapshots:
            return
        try:
            manifest, arrays = self.classifier.to_snapshot()
            topic = {"topic": self._settings.topics.feedback, "topic_id": self.topic_id}
            self.snapshot = SnapshotTaken(offset, write(self._directory, {**manifest, **topic}, arrays))
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

    def first_catch_up(self, reader: Transport, state: State) -> None:
        """`catch_up`, after which the log says how the model was restored. Raises FeedbackError."""
        began, learnt = time.perf_counter(), self._counts.feedback
        self.catch_up(reader, state)
        self._counts.judged.clear()  # that was of the time before
        folded, seconds = self._counts.feedback - learnt, self.restored.seconds + time.perf_counter() - began
        self.restored = restored = msgspec.structs.replace(self.restored, seconds=seconds, folded=folded)
        kind = restored.snapshot
        source = f"the {kind} snapshot of feedback offset {restored.offset}" if kind else "no snapshot"
        log.info("restored the model in %.2f s from %s and %d feedback records", seconds, source, folded)

    def catch_up(self, reader: Transport, state: State) -> None:
        """Fold the feedback log to its end. Raises FeedbackError.

        A log whose beginning is deleted is read on by a model that has learnt what is missing, and by no other: two
        workers at one offset of it would hold two models. Of the snapshots on the way only the last is written, which
        the other workers have, too.
        """
        ends = self._ends(reader)
        if len(ends) != 1:
            raise FeedbackError(
                f"topics.feedback: {self._settings.topics.feedback} has {len(ends)} partitions, and feedback has an "
                "order in one partition only; name a topic of one partition"
            )
        for partition, end in ends.items():
            first = reader.first_offsets(partition.topic)[partition]
            if first > self.classifier.feedback_offset:
                raise beginning_deleted(partition, first, self.classifier.feedback_offset)
            with state.transaction() as t:
                start = max(first, min(t.positions.get(partition) or 0, self.classifier.feedback_offset))
            every = self._settings.state.snapshot_every
            last_snapshot = end // every * every
            chunk: list[Record] = []
            for record in reader.read(partition, start, end):
                chunk.append(record)
                if len(chunk) >= LEARN_CHUNK:
                    self._fold(chunk, state, last_snapshot)
                    chunk = []
            self._fold(chunk, state, last_snapshot)
        self._say_what_is_of_another_config()

    def _say_what_is_of_another_config(self) -> None:
        """Log how much of the feedback that was read until now was written under another config, if there is more."""
        counts = self._counts
        total = counts.scored_anew + counts.passed_over.total()
        if total == self._said:
            return
        self._said = total
        what = [f"{counts.scored_anew} records were scored anew"]
        for reason, n in sorted(counts.passed_over.items()):
            what.append(PASSED_OVER[reason].format(n=n))
        log.warning("%s holds records of another config: %s", self._settings.topics.feedback, "; ".join(what))
        if unknown := self.learn.unknown:
            names = ", ".join(map(repr, list(unknown)[:MOST_NAMED])) + ", ..." * (len(unknown) > MOST_NAMED)
            topic, first = self._settings.topics.feedback, min(unknown.values())
            log.warning("%s: from offset %d on there are labels of other classes (%s): %s", topic, first, names, WAYS)

    def _fold(self, records: Sequence[Record], state: State, first_snapshot: int) -> None:
        if not records:
            return
        with state.transaction() as t:
            self.fold(records, t, first_snapshot)
            t.positions.set(next_offsets(records))

    def fold(self, records: Sequence[Record], transaction: Transaction, first_snapshot: int = 1) -> None:
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

    def _fold_piece(self, records: Sequence[Record], transaction: Transaction) -> None:
        """Learn records between which no snapshot is due; they are cut at the control records."""
        for control, run in itertools.groupby(records, lambda record: is_control(record.value)):
            if not control:
                self._counts.feedback += self.learn(list(run), transaction)
                continue
            for record in run:
                new = record.offset >= self.classifier.feedback_offset
                self._obey(read_control_of(record), record.offset, new)
                self.classifier.feedback_offset = max(self.classifier.feedback_offset, record.offset + 1)

    def _obey(self, control: Control, offset: int, new: bool) -> None:
        """Do what a control record says; it is `new` where the model has not passed it before."""
        if new and control.kind == "decide-by":
            self.decides_by(control, offset)

    def _arrive(self, offset: int, first_snapshot: int) -> None:
        """Write the snapshot of an offset below which there is no record any more to learn, if it is due."""
        due = offset >= max(first_snapshot, 1) and offset != self._tried_at
        if due and self.classifier.feedback_offset <= offset:
            # Offsets just below it may hold no record (the marks of transactions): then the model stood before them.
            self.classifier.feedback_offset = offset
            self.save_snapshot()

    def _ends(self, reader: Transport) -> dict[Partition, int]:
        return reader.end_offsets(self._settings.topics.feedback)


def beginning_deleted(partition: Partition, first: int, offset: int) -> FeedbackError:
    """The error for a feedback log that begins at `first`, for a model that has learnt up to `offset`."""
    return FeedbackError(
        f"{partition.name} begins at offset {first}, and this worker's model has learnt up to offset {offset}: "
        "feedback that it needs is deleted. Set the topic to keep records for ever (retention.ms=-1, "
        "retention.bytes=-1). To go on, copy the state directory of a worker whose model has learnt more, or name a "
        "new topic in topics.feedback and begin with an empty model"
    )


def next_offsets(records: Iterable[Record]) -> dict[Partition, int]:
    """By partition, the offset after its last record."""
    last = {(record.topic, record.partition): record.offset for record in records}
    return {Partition(topic, index): offset + 1 for (topic, index), offset in last.items()}
