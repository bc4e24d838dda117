"""The stream's and the subjects' last known labels, which some experts see beside an event."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tocsin.models.data.batch import Batch, Ints
from tocsin.models.data.feedback import in_turns


class LabelHistory:
    """The last `length` labels of the stream, latest first, and the last label of each of the latest subjects.

    Labels are class indices; -1 is not known.

    >>> history = LabelHistory(length=2, follows_subjects=True, max_subjects=10)
    >>> history.remember("anna", 1)
    >>> history.remember("bob", 0)
    >>> seen = history.recall(Batch.of(np.zeros((1, 0)), subjects=["anna"]))
    >>> seen.history.tolist(), seen.subject_label.tolist()
    ([[0, 1]], [1])
    """

    def __init__(self, length: int, follows_subjects: bool, max_subjects: int) -> None:
        self.stream = [-1] * length
        self.subjects: OrderedDict[str, int] = OrderedDict()
        """By subject, the one labelled longest ago first."""
        self._follows_subjects = follows_subjects
        self._max_subjects = max_subjects

    def __len__(self) -> int:
        return len(self.stream)

    def recall(self, batch: Batch) -> Batch:
        """The batch with the labels that are known now."""
        history = np.tile(np.array(self.stream, np.int64), (len(batch), 1))
        labels = [self.subjects.get(subject, -1) for subject in batch.subjects]
        return replace(batch, history=history, subject_label=np.array(labels, np.int64))

    def remember(self, subject: str, y: int) -> None:
        """Take in one label."""
        if self.stream:
            self.stream = [y, *self.stream[:-1]]
        if self._follows_subjects:
            self._remember_subject(subject, y)

    def remember_all(self, batch: Batch, y: Ints) -> Batch:
        """Take in the labels [B] of B events; returns the batch with what was known before each of them."""
        rows, length = len(batch), len(self.stream)
        history = np.empty((rows, length), np.int64)
        past = np.concatenate([np.array(self.stream[::-1], np.int64), y])
        for back in range(length):
            history[:, back] = past[length - 1 - back : length - 1 - back + rows]
        self.stream = past[len(past) - length :][::-1].tolist()
        subject_label = np.full(rows, -1, np.int64)
        if self._follows_subjects:
            for i, (subject, label) in enumerate(zip(batch.subjects, y.tolist(), strict=True)):
                subject_label[i] = self.subjects.get(subject, -1)
                self._remember_subject(subject, label)
        return replace(batch, history=history, subject_label=subject_label)

    def recall_and_remember(self, asked: Batch, ahead: Ints, subjects: Sequence[str], y: Ints) -> tuple[Ints, Ints]:
        """Recall for n events, in turns with remembering the labels y [m] of so many `subjects`; `ahead` [n] is how
        many are remembered before each question.

        Returns the stream's last labels [n, length] and the subjects' last labels [n], as `recall` has them.
        """
        history, labels = np.empty((len(asked), len(self.stream)), np.int64), np.full(len(asked), -1, np.int64)
        labels_due = y.tolist()

        def ask(start: int, stop: int) -> None:
            history[start:stop] = self.stream
            if self.stream and self.subjects:
                labels[start:stop] = [self.subjects.get(subject, -1) for subject in asked.subjects[start:stop]]

        def learn(start: int, stop: int) -> None:
            for i in range(start, stop):
                self.remember(subjects[i], labels_due[i])

        in_turns(ahead, len(y), ask, learn)
        return history, labels

    def _remember_subject(self, subject: str, y: int) -> None:
        self.subjects[subject] = y
        self.subjects.move_to_end(subject)
        if len(self.subjects) > self._max_subjects:
            self.subjects.popitem(last=False)
