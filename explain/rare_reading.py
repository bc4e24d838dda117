"""What the reading of rare classes made of the fused belief, and what it would have been without an expert.

See `tocsin.models.decision.rare_reading`: where a class is rare, what the expert on rare classes says of it takes the
place of what was fused. That expert hears the others, so that one of them moves the belief through it as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from tocsin.explain.explanation import VoteOnRareClass
from tocsin.explain.rounding import six_digits
from tocsin.kernels.text.fragments import NOTHING
from tocsin.kernels.text.json_texts import JsonTexts
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.decision.scores import Scores


class SecondReading:
    """The reading of B events by the model that scored them."""

    def __init__(self, classifier: Classifier, scores: Scores) -> None:
        mixture = classifier.mixture
        self._read, self.scores = mixture.rare.read, scores
        self._rare: Bools = mixture.rare.rare[: len(scores.classes)]
        reader = mixture.rare.reader
        asked = reader is not None and self._rare.any()
        self._expert = classifier.experts[reader] if asked and reader is not None else None
        self._place = reader if self._expert is not None and reader is not None else -1
        self._moved: tuple[Ints, Floats] | None = None

    @property
    def at_work(self) -> bool:
        """Whether any class was read so."""
        return self._expert is not None

    def after(self, betp: Floats) -> Floats:
        """What was fused, BetP [B, K], after the reading."""
        return self._read(betp, self.scores.answers, self._rare).betp if self.at_work else betp

    def without(self, betp: Floats, silent: Ints) -> Floats:
        """The same where expert `silent` [B] had said nothing of the event; `betp` [B, K] is fused without it."""
        if self._expert is None:
            return betp
        answers, rows = self.scores.answers.copy(), np.arange(len(betp))
        answers[rows, silent] = 0.0
        moved = (silent < self._place) & (self.scores.answers[:, self._place].sum(axis=1) > 0.0)
        some = np.flatnonzero(moved)
        if len(some):
            batch = replace(self.scores.batch.take(some), said=answers[some, : self._place])
            answers[some, self._place] = self._expert.evidence(batch)
        return self._read(betp, answers, self._rare).betp

    def moved(self, betp: Floats) -> tuple[Ints, Floats]:
        """Which rare class the reading moved most, [B], -1 for none, and both probabilities of it, [B, 2].

        `betp` [B, K] is what was fused, the same at every call: it is worked out once.
        """
        if self._moved is None:
            self._moved = self._most_moved(betp)
        return self._moved

    def _most_moved(self, betp: Floats) -> tuple[Ints, Floats]:
        B, pairs = len(betp), np.zeros((len(betp), 2))
        if not self.at_work:
            return np.full(B, -1, np.int64), pairs
        after = self.after(betp)
        change = np.where(self._rare, np.abs(after - betp), -1.0)
        label, rows = change.argmax(axis=1), np.arange(B)
        pairs[:, 0], pairs[:, 1] = betp[rows, label], after[rows, label]
        return np.where(change[rows, label] > 0.0, label, -1), pairs


def vote_on_rare_class(
    reading: SecondReading | None, fused: Callable[[], Floats], i: int
) -> VoteOnRareClass | msgspec.UnsetType:
    """How far the reading moved event i, of those that were `fused` to BetP [B, K]; nothing where it did not."""
    if reading is None or not reading.at_work:
        return msgspec.UNSET
    scores, (label, pairs) = reading.scores, reading.moved(fused())
    if label[i] < 0:
        return msgspec.UNSET
    return VoteOnRareClass(scores.classes[label[i]], six_digits(float(pairs[i, 0])), six_digits(float(pairs[i, 1])))


def vote_columns(reading: SecondReading | None, fused: Callable[[], Floats], texts: JsonTexts) -> list[int | Ints]:
    """What stands behind the key `read` of each explanation, with the key; nothing where there is none."""
    if reading is None or not reading.at_work:
        return []
    scores, (label, pairs) = reading.scores, reading.moved(fused())
    rows = np.flatnonzero(label >= 0)
    if not len(rows):
        return []
    heads = texts.fragments([b',"read":{"label":%b,"fused":' % msgspec.json.encode(name) for name in scores.classes])
    columns = np.full((len(scores.batch), 5), NOTHING)
    numbers = texts.numbers(np.round(pairs[rows], 6))
    columns[rows, 0], columns[rows, 1] = heads[label[rows]], numbers[:, 0]
    columns[rows, 2], columns[rows, 3] = texts.fragment(b',"probability":'), numbers[:, 1]
    columns[rows, 4] = texts.fragment(b"}")
    return [columns]
