"""Learn: fold the feedback log into the model, in its order. Nothing else teaches a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import FeedbackBatch
from tocsin.streams.state.store import Transaction
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.context import context_from_wire
from tocsin.streams.wire.decode import UNREADABLE, Decoder, read_feedback
from tocsin.streams.wire.records import Feedback
from tocsin.streams.worker.joining.label_target import target_of_feedback

_UNFIT = (TypeError, KeyError, ValueError, AttributeError)
"""What is raised for feedback of the right types whose values do not fit the model."""


class FeedbackError(Exception):
    """The feedback log holds what Tocsin did not write: the model cannot be folded past it."""


class Learn:
    """Teaches one classifier from raw feedback records."""

    def __init__(self, classifier: Classifier, decoder: Decoder, known_most: int, classes_most: int) -> None:
        self._classifier = classifier
        self._decoder = decoder
        self._known_most = known_most
        self._classes_most = classes_most

    def takes(self, label: str) -> bool:
        """Whether the model knows this class or has room for one more."""
        classes = self._classifier.classes
        return len(classes) < self._classes_most or label in classes

    def __call__(self, records: Sequence[Record], transaction: Transaction) -> int:
        """Learn the records that the model has not learnt yet; returns how many.

        Every record's label is noted as known, so that it is not joined again. A class for which the model has no
        room is passed over: which one came too late depends on the log alone. Raises FeedbackError.
        """
        feedback = [(record, _read(record)) for record in records]
        for _, item in feedback:
            note_known(item, transaction, self._known_most)
        new = [(record, item) for record, item in feedback if record.offset >= self._classifier.feedback_offset]
        if not new:
            return 0
        fitting = self._fitting(new)
        if fitting:
            self._classifier.learn(self._columns(fitting))
        self._classifier.feedback_offset = new[-1][0].offset + 1
        return len(fitting)

    def _fitting(self, feedback: Sequence[tuple[Record, Feedback]]) -> list[tuple[Record, Feedback]]:
        """The records whose class is known, or among the first for which there is room."""
        classes = set(self._classifier.classes)
        fitting = []
        for record, item in feedback:
            if item.label in classes or len(classes) < self._classes_most:
                classes.add(item.label)
                fitting.append((record, item))
        return fitting

    def _columns(self, feedback: Sequence[tuple[Record, Feedback]]) -> FeedbackBatch:
        try:
            return self._batch([item for _, item in feedback])
        except _UNFIT:
            for record, item in feedback:  # one of them is to blame
                try:
                    self._batch([item])
                except _UNFIT as error:
                    raise _foreign(record, repr(error)) from error
            raise

    def _batch(self, feedback: Sequence[Feedback]) -> FeedbackBatch:
        return FeedbackBatch(
            batch=self._decoder.batch([item.event for item in feedback]),
            labels=[item.label for item in feedback],
            weight=np.array([item.weight for item in feedback], np.float64),
            contexts=[None if item.context is None else context_from_wire(item.context) for item in feedback],
            posts=[item.posts for item in feedback],
        )


def note_known(feedback: Feedback, transaction: Transaction, most: int) -> None:
    """Note that the feedback log holds this label."""
    key, source = target_of_feedback(feedback).key, feedback.source or ""
    transaction.known.add(key, source, feedback.label, most)
    transaction.waiting.drop(key, source, feedback.label)


def _read(record: Record) -> Feedback:
    try:
        return read_feedback(record)
    except UNREADABLE as error:
        raise _foreign(record, str(error)) from error


def _foreign(record: Record, why: str) -> FeedbackError:
    return FeedbackError(
        f"{record.topic}, partition {record.partition}, offset {record.offset} is no feedback record ({why}): "
        "only Tocsin may write to this topic"
    )
