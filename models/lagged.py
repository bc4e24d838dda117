"""A classifier that is asked about events and learns late labels in turns, many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.columns import remember_names
from tocsin.models.decision.in_turns import LaggedScores, Ledger, TaughtRows, can_pass, score_and_learn, with_history
from tocsin.models.face import WARM_UP_TEXT


class DueLabels(NamedTuple):
    """m labels that are due, in the order in which they are learnt."""

    event: Ints
    """[m], which event each speaks of: counted from the first that was ever asked about."""
    label: Sequence[str]
    weight: Floats
    """[m]"""


class Answered(NamedTuple):
    """A run of events that were answered with the same classes known."""

    start: int
    stop: int
    verdicts: LaggedScores
    learnt: Ints
    """How many labels the model had learnt at each event."""


class LaggedClassifier:
    """Hands events and labels to a classifier as if they came one after the other.

    Raises ValueError for a classifier that cannot pass over many events at once, see `passes`.

    >>> from tocsin.config.model import ModelSettings
    >>> lagged = LaggedClassifier(Classifier(ModelSettings(classes=("no", "yes"))))
    >>> asked, due = Batch.of(np.zeros((3, 0))), DueLabels(np.arange(2), ["no", "no"], np.ones(2))
    >>> [run.learnt.tolist() for run in lagged(asked, np.array([0, 1, 2]), due)]
    [[0, 1, 2]]
    """

    def __init__(self, classifier: Classifier) -> None:
        if not self.passes(classifier):
            raise ValueError("a classifier that follows class priors or whole subjects sees one event after the other")
        self.classifier = classifier
        self._index = {name: i for i, name in enumerate(classifier.classes)}
        self._ledger: Ledger | None = None
        self._traffic = classifier.mixture.judge.novelty.recent_traffic()
        self._first = 0
        """The event in the first row of the ledger."""

    @staticmethod
    def passes(classifier: Classifier) -> bool:
        """Whether it has no part that must see one event after the other."""
        return can_pass(classifier.mixture)

    def __call__(self, asked: Batch, ahead: Ints, due: DueLabels, oldest: int | None = None) -> list[Answered]:
        """Answer n events in turns with learning m labels, of these events or of earlier ones.

        `ahead` [n], which never falls, is how many of the labels are learnt before each event is answered; a label
        comes after its own event. Events before `oldest` are forgotten at the end: no label of them will come; None
        forgets all. The classes of the labels must be known, or there must be room for them (`bounds.classes`).
        """
        ledger = self._with(asked)
        before, pieces = len(ledger.batch) - len(asked), _Pieces(ahead, due)
        answered: list[Answered] = []
        while pieces.more:
            if pieces.label is not None and pieces.label not in self._index:
                if not pieces.up_to(pieces.row, open_end=True):
                    self._add_class(pieces.label, ledger)
                    continue
            else:
                pieces.next(self._index, self.classifier.lifecycle.left)
            answered.append(self._pass(ledger, before, pieces))
        self._forget(ledger, self._first + len(ledger.batch) if oldest is None else oldest)
        return answered

    def _with(self, asked: Batch) -> Ledger:
        mixture, classes = self.classifier.mixture, len(self.classifier.classes)
        asked = with_history(mixture.times.expand(asked), len(mixture.history))
        new = Ledger.empty(asked, len(mixture.pool), classes, mixture.judge.novelty.width)
        return new if self._ledger is None else self._ledger.followed_by(new)

    def _add_class(self, name: str, ledger: Ledger) -> None:
        classifier = self.classifier
        classifier.widen(classifier.columns, classifier.nominal, [*classifier.classes, name])
        self._index[name] = len(self._index)
        ledger.widen(len(self._index))

    def _pass(self, ledger: Ledger, before: int, pieces: _Pieces) -> Answered:
        asked, rows, due = pieces.asked, pieces.rows, pieces.due
        names = due.label[rows]
        y = np.array([self._index[name] for name in names], np.int64)
        taught = TaughtRows(due.event[rows] - self._first, y, due.weight[rows])
        ahead, part = pieces.ahead[asked] - rows.start, ledger.before(before + asked.stop)
        mixture, classes = self.classifier.mixture, self.classifier.classes
        verdicts = score_and_learn(mixture, part, ahead, taught, classes, self._traffic)
        self._traffic = verdicts.traffic
        remember_names(self.classifier.category_names, ledger.batch, taught.place)
        return Answered(asked.start, asked.stop, verdicts, part.learnt[before + asked.start :].copy())

    def _forget(self, ledger: Ledger, oldest: int) -> None:
        end = self._first + len(ledger.batch)
        self._first = max(oldest, self._first)
        self._ledger = ledger.latest(end - self._first)

    def warm_up(self) -> None:
        """Compile and load what answering and learning need, by a classifier that is thrown away."""
        known = self.classifier
        if not known.classes:
            return  # what is compiled depends on the number of classes
        other = LaggedClassifier(Classifier(known.settings, known.backend))
        text = WARM_UP_TEXT if known.settings is not None and known.settings.text else None
        for name in known.classes[:2]:
            asked = Batch.of(np.zeros((2, known.features)), texts=[text] * 2)
            asked = Batch.of(asked.X, texts=asked.texts, categories=[{}, {}])
            event = np.array([other._first])
            other(asked, np.array([0, 1]), DueLabels(event, [name], np.ones(1)))


class _Pieces:
    """Cuts n events and m labels into pieces that can be passed over at once: up to a new class, and up to the end of a
    window of the lifecycle. `asked` and `rows` are the piece at hand."""

    def __init__(self, ahead: Ints, due: DueLabels) -> None:
        self.ahead, self.due = ahead, due
        self.asked, self.rows = slice(0, 0), slice(0, 0)

    @property
    def row(self) -> int:
        """The next label."""
        return int(self.rows.stop)

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return bool(self.asked.stop < len(self.ahead) or self.rows.stop < len(self.due.label))

    @property
    def label(self) -> str | None:
        """The class of the next label; None where no label is left."""
        return self.due.label[self.row] if self.row < len(self.due.label) else None

    def up_to(self, stop: int, open_end: bool) -> bool:
        """Take the labels before `stop`, and the events before it; with an open end also those right behind it.

        Returns whether that is anything.
        """
        end = int(np.searchsorted(self.ahead, stop, "right" if open_end else "left"))
        self.asked, self.rows = slice(self.asked.stop, end), slice(self.rows.stop, stop)
        return self.asked.start < end or self.rows.start < stop

    def next(self, known: dict[str, int], left: int) -> None:
        """Take the next piece: `left` labels at most, after which the pool is reviewed, and before a class that is not
        `known`."""
        first, most = self.row, min(len(self.due.label), self.row + left)
        stop = next((i for i in range(first, most) if self.due.label[i] not in known), most)
        self.up_to(stop, open_end=stop < first + left)
