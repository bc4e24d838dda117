"""Learn: fold the feedback log into the model, in its order. Nothing else teaches a model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import PredictionContext
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.data.labels import name_among
from tocsin.streams.state.known_labels import KnownLabel
from tocsin.streams.state.store import Transaction
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.packed.context import context_from_wire
from tocsin.streams.wire.packed.control import Control, read_control
from tocsin.streams.wire.packed.feedback import UNREADABLE
from tocsin.streams.wire.records import Feedback
from tocsin.streams.wire.sealing.sealed import UNSEALED, ErasedError, Seals
from tocsin.streams.worker.deciding.profiling import keys_of_events
from tocsin.streams.worker.learning.feedback_items import FeedbackItem, columns_of, read_item
from tocsin.streams.worker.learning.leave_outs import LeftOutFeedback
from tocsin.streams.worker.reporting.counts import Counts

UNKNOWN_CLASS, TOO_MANY_CLASSES, UNFIT_VALUE, ERASED = "unknown-class", "too-many-classes", "unfit-value", "erased"
"""Why something in the feedback is passed over; see `Counts.passed_over`."""
MOST_UNKNOWN = 100
NOTHING_LEFT_OUT = LeftOutFeedback({})
_UNFIT = (TypeError, KeyError, ValueError, AttributeError)
"""What is raised for feedback of the right types whose values do not fit the model."""


class FeedbackError(Exception):
    """The feedback log holds what Tocsin did not write: the model cannot be folded past it."""


class Learn:
    """Teaches one classifier from raw feedback records.

    What a record says of its event's own time is read by position: evidence by expert and class, history by class. It
    is used only where the model that saw the event was this one, by its digest and the names of its classes. Else the
    event is scored anew at this point of the fold, as every worker does that has this config.
    """

    def __init__(
        self,
        classifier: Classifier,
        decoder: Decoder,
        settings: Settings,
        counts: Counts,
        seals: Seals = UNSEALED,
    ) -> None:
        """`seals` opens what is sealed, while a transaction of the state is open."""
        self._seals = seals
        self._classifier = classifier
        self._decoder = decoder
        self._settings = settings
        self._counts = counts
        self._digest = classifier.digest
        self._classes_most = settings.model.max_classes
        self.listens: Callable[[Sequence[FeedbackItem]], None] = lambda items: None
        """What is told of records before they are learnt. It raises nothing."""
        self.unknown: dict[str, int] = {}
        """The labels that `classes` does not name, each with the offset of its first record."""

    def count_in(self, counts: Counts) -> None:
        """Count here what is learnt from now on."""
        self._counts = counts

    def takes(self, label: str) -> bool:
        """Whether the model knows this class or has room for one more."""
        classes = self._classifier.classes
        return len(classes) < self._classes_most or name_among(classes, label) in classes

    @property
    def full(self) -> bool:
        """Whether the model has all the classes that it will ever have."""
        return len(self._classifier.classes) >= self._classes_most

    def __call__(
        self, records: Sequence[Record], transaction: Transaction | None, left_out: LeftOutFeedback = NOTHING_LEFT_OUT
    ) -> int:
        """Learn the records that the model has not learnt yet, without those left out; returns how many.

        Every record's label is noted as known, so that it is not joined again; without a transaction see `fold`. A
        class that the config does not name, or for which the model has no room, is passed over and counted: which one
        came too late depends on the log alone. Raises FeedbackError.
        """
        if transaction is None:
            return self.fold(records, left_out)
        feedback = self._read(records)
        note_known(feedback, transaction, self._settings.bounds.pending_events)
        return self._learn(records, feedback, left_out, self._counts.judged.count)

    def fold(self, records: Sequence[Record], left_out: LeftOutFeedback = NOTHING_LEFT_OUT) -> int:
        """The same for a model that stands alone: nothing is noted, and nothing counted of how decisions fared."""
        return self._learn(records, self._read(records), left_out, lambda _: None)

    def said(self, record: Record) -> tuple[str | None, KnownLabel] | None:
        """Who said the label of a feedback record, and that label as it is noted; None where nobody can read it any
        more. Raises FeedbackError."""
        item = self.read(record)
        return None if item is None else (item.feedback.source, known_label(item))

    def _learn(
        self,
        records: Sequence[Record],
        feedback: Sequence[FeedbackItem],
        left_out: LeftOutFeedback,
        judge: Callable[[Sequence[FeedbackItem]], None],
    ) -> int:
        """Learn of records those that the model has not learnt; `feedback` are the ones that can be read."""
        offset = self._classifier.feedback_offset
        if not records or records[-1].offset < offset:
            return 0
        if erased := len(records) - len(feedback):
            self._counts.passed_over[ERASED] += erased
        new = [one for one in feedback if one.record.offset >= offset]
        fitting = self._fitting([one for one in new if not left_out.names(one.record.offset, one.feedback.source)])
        if fitting:
            self.listens(fitting)
            judge(fitting)
            self._classifier.learn(self._columns([one.as_seen or one for one in fitting]))
        self._classifier.feedback_offset = records[-1].offset + 1
        return len(fitting)

    def _read(self, records: Sequence[Record]) -> list[FeedbackItem]:
        return [item for record in records if (item := self.read(record)) is not None]

    def read(self, record: Record) -> FeedbackItem | None:
        """A record of the feedback as it is learnt; None where its subject is forgotten, so that nobody can read it.

        Raises FeedbackError.
        """
        try:
            return read_item(record, self._settings.class_map, self._seals)
        except ErasedError:
            return None
        except UNREADABLE as error:
            raise _garbage(record, str(error)) from error

    def _fitting(self, feedback: Sequence[FeedbackItem]) -> list[FeedbackItem]:
        """The records whose class is known, or among the first for which there is room."""
        classes = dict.fromkeys(self._classifier.classes)
        fitting: list[FeedbackItem] = []
        for read in feedback:
            # An older release wrote `true` where this one writes `1`: they are one class, named as it was first.
            name = read.label if read.label in classes else name_among(classes, read.label)
            item = read if name == read.label else read._replace(label=name)
            if item.label in classes or (not self._settings.classes and len(classes) < self._classes_most):
                classes[item.label] = None
                fitting.append(self._as_seen(item, classes, self._classifier.learnt + len(fitting)))
            else:
                self._pass_over(item.record, item.label)
        return fitting

    def _as_seen(self, item: FeedbackItem, classes: Collection[str], learnt: int) -> FeedbackItem:
        """The item with what this model saw of its event: as the deciding one, as the second one, or not at all."""
        if self._is_own(item, classes, learnt):
            return item
        try:
            other = item.beside()
        except UNREADABLE as error:
            raise _garbage(item.record, str(error)) from error
        seen = other if other is not None and self._is_own(other, classes, learnt) else None
        return item._replace(foreign=True, as_seen=seen)

    def _is_own(self, item: FeedbackItem, classes: Collection[str], learnt: int) -> bool:
        try:
            return item.is_of(self._digest, classes, learnt)
        except UNREADABLE as error:
            raise _garbage(item.record, str(error)) from error

    def _pass_over(self, record: Record, label: str) -> None:
        if not self._settings.classes:
            self._counts.passed_over[TOO_MANY_CLASSES] += 1
            return
        self._counts.passed_over[UNKNOWN_CLASS] += 1
        if len(self.unknown) < MOST_UNKNOWN:
            self.unknown.setdefault(label, record.offset)

    def _columns(self, items: Sequence[FeedbackItem]) -> FeedbackBatch:
        try:
            keys = self._classifier.mixture.rates.keys
            return columns_of(items, len(self._classifier.experts), keys) or self._batch(items)
        except _UNFIT:
            for item in items:  # one of them is to blame
                try:
                    self._batch([item])
                except _UNFIT as error:
                    raise _garbage(item.record, repr(error)) from error
            raise

    def _batch(self, items: Sequence[FeedbackItem]) -> FeedbackBatch:
        """A batch whose events this model has not all seen, or that an earlier version wrote."""
        feedback = [(item.as_record(), item.foreign) for item in items]
        contexts = [self._context(item, foreign) for item, foreign in feedback]
        found = [self._decoder.refitted(item.event) if foreign else (item.event, 0) for item, foreign in feedback]
        made = FeedbackBatch(
            batch=self._decoder.batch([event for event, _ in found]),
            labels=[item.label for item, _ in feedback],
            weight=np.array([item.weight for item, _ in feedback], np.float64),
            contexts=contexts,
            posts=[item.posts for item, _ in feedback],
            strings=keys_of_events([event for event, _ in found], self._classifier.mixture.rates.keys),
        )
        if unfit := sum(unfit for _, unfit in found):
            self._counts.passed_over[UNFIT_VALUE] += unfit
        self._counts.scored_anew += sum(foreign and item.decision is not None for item, foreign in feedback)
        return made

    def _context(self, item: Feedback, foreign: bool) -> PredictionContext | None:
        """What the model saw of the event; None where it must be scored anew. Raises ValueError for what is garbage."""
        if item.context is None or foreign:
            return None
        context = context_from_wire(item.context)
        if context.evidence.shape[0] != len(self._classifier.experts):
            raise ValueError(f"evidence of {context.evidence.shape[0]} experts")
        return context


def note_known(items: Sequence[FeedbackItem], transaction: Transaction, most: int) -> None:
    """Note that the feedback log holds these labels; labels are known of at most so many events and subjects."""
    known = [known_label(item) for item in items]
    transaction.known.add_all(known, most)
    transaction.pending.note_labels(item.event_id for item in items)  # copies of other workers' events may come back
    if transaction.waiting.count():
        for key, source, label, place, _ in known:
            if not transaction.known.withdrawn(key, source, place):  # else the one that waits was said again
                transaction.waiting.drop(key, source, label)


def known_label(item: FeedbackItem) -> KnownLabel:
    """The label of a feedback record as it is noted."""
    source, offset = item.feedback.source or "", item.record.offset
    return KnownLabel(item.target.key, source, item.label, item.place, offset)


def read_control_of(record: Record) -> Control:
    """The control record that stands in the feedback topic. Raises FeedbackError."""
    try:
        return read_control(record.value or b"")
    except UNREADABLE as error:
        raise _garbage(record, str(error)) from error


def _garbage(record: Record, why: str) -> FeedbackError:
    return FeedbackError(
        f"{record.topic}, partition {record.partition}, offset {record.offset} is no feedback record ({why}): "
        "only Tocsin may write to this topic"
    )
