"""The comparison of two models: what both say of an event is kept until its first label comes, and counted then."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tocsin.streams.state.shadow.verdicts import PairedVerdict
from tocsin.streams.state.store import Transaction
from tocsin.streams.wire.kinds.shadow import ClassCompared, ComparedEvents, Held
from tocsin.streams.worker.deciding.decide import JudgedEvents
from tocsin.streams.worker.learning.feedback_items import FeedbackItem

CLASSES = 64
"""Classes that are counted by themselves, those that came first."""
_NOTE = "compared"


class _Kept(msgspec.Struct):
    """What the state holds of a comparison."""

    first: str
    second: str
    names: list[str]
    """The classes by the numbers that kept verdicts name them by."""
    compared: ComparedEvents


@dataclass(slots=True)
class _Count:
    """Of how many events something holds."""

    both: int = 0
    first: int = 0
    second: int = 0

    def add(self, first: bool, second: bool) -> None:
        self.both += first and second
        self.first += first and not second
        self.second += second and not first

    def told(self) -> Held:
        return Held(self.both, self.first, self.second)

    @classmethod
    def of(cls, held: Held) -> _Count:
        return cls(held.both, held.first, held.second)


@dataclass(slots=True)
class _Totals:
    """What a `ComparedEvents` says, while it is counted."""

    tally: str = field(default_factory=lambda: secrets.token_hex(8))
    events: int = 0
    right: _Count = field(default_factory=_Count)
    decided: _Count = field(default_factory=_Count)
    wrong: _Count = field(default_factory=_Count)
    classes: dict[str, tuple[int, _Count]] = field(default_factory=dict)
    """By class: labels, and for which model it was the most probable one."""

    @classmethod
    def of(cls, told: ComparedEvents) -> _Totals:
        classes = {name: (one.labels, _Count.of(one.found)) for name, one in told.classes.items()}
        right, decided, wrong = _Count.of(told.right), _Count.of(told.decided), _Count.of(told.wrong)
        return cls(told.tally, told.events, right, decided, wrong, classes)

    def told(self) -> ComparedEvents:
        classes = {name: ClassCompared(labels, count.told()) for name, (labels, count) in self.classes.items()}
        return ComparedEvents(
            self.tally, self.events, self.right.told(), self.decided.told(), self.wrong.told(), classes
        )

    def add(self, label: str, first: str | None, second: str | None, verdict: PairedVerdict) -> None:
        right = first == label, second == label
        self.events += 1
        self.right.add(*right)
        self.decided.add(verdict.first_decided, verdict.second_decided)
        self.wrong.add(verdict.first_decided and not right[0], verdict.second_decided and not right[1])
        if label in self.classes or len(self.classes) < CLASSES:
            labels, count = self.classes.get(label, (0, _Count()))
            count.add(*right)
            self.classes[label] = labels + 1, count


class ShadowComparison:
    """Compares the models of two configs on the events that one worker decides.

    Only the first label of an event counts. What is counted is kept in the state with the verdicts, so that a worker
    that starts again goes on with it, and no event counts twice.
    """

    def __init__(self, first: str, second: str, most: int) -> None:
        """The config digests of both, and of how many events it is kept what they said."""
        self._pair = first, second
        self._most = most
        self._names: dict[str, int] = {}
        self._totals = _Totals()
        self._changed = False

    def open(self, transaction: Transaction) -> None:
        """Go on with what the state has, where it is of the same two configs."""
        found = transaction.notes.get(_NOTE)
        if found is not None:
            kept = msgspec.json.decode(found, type=_Kept)
            if (kept.first, kept.second) == self._pair:
                self._names = {name: number for number, name in enumerate(kept.names)}
                self._totals = _Totals.of(kept.compared)
                return
        transaction.verdicts.clear()
        self._changed = True
        self.keep(transaction)

    def note(self, first: JudgedEvents, second: JudgedEvents, transaction: Transaction) -> None:
        """Keep what both said of the same events."""
        columns = [(self._numbers(judged), judged.verdicts.decided.tolist()) for judged in (first, second)]
        (firsts, first_decided), (seconds, second_decided) = columns
        verdicts = map(PairedVerdict, firsts, seconds, first_decided, second_decided)
        transaction.verdicts.add(zip(first.events.ids, verdicts, strict=True), self._most)
        self._changed = True

    def learn(self, items: Sequence[FeedbackItem], transaction: Transaction) -> None:
        """Count the events whose first label this is."""
        labels: dict[str, str] = {}
        for item in items:
            if item.about_event:
                labels.setdefault(item.event_id, item.label)
        if not labels:
            return
        names = list(self._names)
        for event, verdict in transaction.verdicts.take(list(labels)).items():
            first, second = (names[number] if number >= 0 else None for number in verdict[:2])
            self._totals.add(labels[event], first, second, verdict)
            self._changed = True

    def keep(self, transaction: Transaction) -> None:
        """Write what is counted into the state."""
        if self._changed:
            kept = _Kept(*self._pair, list(self._names), self.told())
            transaction.notes.set(_NOTE, msgspec.json.encode(kept))
            self._changed = False

    def told(self) -> ComparedEvents:
        """What was counted."""
        return self._totals.told()

    def _numbers(self, judged: JudgedEvents) -> list[int]:
        """The numbers of the classes that were named."""
        names, named = judged.scores.classes, judged.named().tolist()
        number = {-1: -1} | {k: self._names.setdefault(name, len(self._names)) for k, name in enumerate(names)}
        return [number[k] for k in named]
