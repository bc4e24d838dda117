"""JudgedCounts judged decisions as the stream goes, for the figures of a replay."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.alert import AlertSettings
from tocsin.config.service import LabelsSettings
from tocsin.config.settings import Settings
from tocsin.kernels.hoeffding.forest import adwin
from tocsin.models.data.batch import Ints
from tocsin.models.figures.ranking import COARSE, FINE, average_precision, bins_of, recall_of_surest
from tocsin.streams.replay.judging.counts import JudgedCounts, share
from tocsin.streams.replay.judging.figures import ClassFigures, DriftFigures, Figures, PeriodFigures, RareFigures
from tocsin.streams.replay.judging.intervals import intervals
from tocsin.streams.wire.records import Decision

CLASSES = 64
"""With more classes than this none has figures of its own."""
RARE, OF_EVEN = 0.05, 0.25
"""A class is rare with less than this share of the labels, and less than this part of an even share."""
PERIODS, FIRST = 24, 64
"""At most so many runs are told apart, the first of which begin with so many events each."""
AROUND, DRIFTS = 1_000, 10
"""Judged events before and after a drift, and how many drifts are told. It may be told three times as many events after
it began."""
BLOCK, DELTA = 8, 0.002
"""Judged events whose mean error is one value for ADWIN, and the chance of a false alarm."""
SHARES = (0.001, 0.005, 0.01, 0.02, 0.05)
SHOWN = 16
"""Classes whose recall and precision a run has."""
WAITING = 1_000
"""Judged events that are counted at once."""


class _Judged(NamedTuple):
    decision: Decision
    truth: str
    named: str
    cost: float


class _Drift(NamedTuple):
    event: int
    time: int
    before: JudgedCounts
    after: JudgedCounts


class Judging:
    """JudgedCounts decisions with their true classes, in their order."""

    def __init__(self, settings: Settings | None = None) -> None:
        """The settings say which class raises alerts, what decisions cost, and how many labels are wrong."""
        alert, abstention, labels = (
            (AlertSettings(), AbstentionSettings(), LabelsSettings())
            if settings is None
            else (settings.alert, settings.abstention, settings.labels)
        )
        self._class, self._noise = alert.class_, labels.noise
        self._costs: Mapping[str, Mapping[str, float]] = abstention.costs
        self._abstain_cost = abstention.abstain_cost
        self._waiting: list[_Judged] = []
        self._periods: list[JudgedCounts] = [JudgedCounts()]
        self._length = FIRST
        self._bins: dict[str, Ints] = {}
        """By class [2, FINE]: events of the class, and all events, by its probability."""
        self._coarse: dict[str, list[Ints]] = {}
        """By class, for each period [2, COARSE]."""
        self._latest: deque[JudgedCounts] = deque(maxlen=4 * AROUND // BLOCK)
        self._block = JudgedCounts()
        self._adwin = adwin.new_windows(1)
        self._drifts: deque[_Drift] = deque(maxlen=DRIFTS)
        self._events = 0

    def add(self, decision: Decision, truth: str, named: str | None) -> None:
        """One judged decision, the class that turned out to be true, and the one that was named."""
        self._waiting.append(_Judged(decision, truth, named or "", self._cost(decision, truth)))
        if len(self._waiting) >= WAITING:
            self._count()

    def _cost(self, decision: Decision, truth: str) -> float:
        if decision.status != "decided" or decision.label is None:
            return self._abstain_cost
        return self._costs.get(truth, {}).get(decision.label, float(decision.label != truth))

    def _count(self) -> None:
        """Count what waits."""
        probabilities = self._ranked()
        for i, judged in enumerate(self._waiting):
            if self._periods[-1].events >= self._length:
                self._next_period()
            for counts in (self._periods[-1], self._block):
                self._add(counts, judged)
            for name, places in probabilities.items():
                own = self._coarse.setdefault(name, [])
                while len(own) < len(self._periods):
                    own.append(np.zeros((2, COARSE), np.int64))
                own[-1][1, places[i]] += 1
                own[-1][0, places[i]] += judged.truth == name
            self._events += 1
            if self._block.events == BLOCK:
                self._end_block()
        self._waiting.clear()

    def _ranked(self) -> dict[str, list[int]]:
        """Count the probabilities of each class; by class the coarse bin of each event that waits."""
        names = dict.fromkeys(name for one in self._waiting for name in one.decision.belief)
        if len(names | self._bins.keys()) > CLASSES:
            return {}
        truths = np.array([one.truth for one in self._waiting], object)
        found: dict[str, list[int]] = {}
        for name in names:
            p = np.array([_probability(one.decision, name) for one in self._waiting])
            fine, bins = self._bins.setdefault(name, np.zeros((2, FINE), np.int64)), bins_of(p, FINE)
            fine[0] += np.bincount(bins[truths == name], minlength=FINE)
            fine[1] += np.bincount(bins, minlength=FINE)
            found[name] = bins_of(p, COARSE).tolist()
        return found

    def _add(self, counts: JudgedCounts, judged: _Judged) -> None:
        decision, truth, named, cost = judged
        counts.first = counts.first if counts.events else decision.time
        counts.last = decision.time
        counts.events += 1
        counts.right += named == truth
        counts.pairs[truth, named] += 1
        counts.covered[truth] += truth in decision.set
        counts.cost += cost
        if decision.status == "decided":
            counts.decided += 1
            counts.decided_right += named == truth
        if decision.alert is not None:
            counts.alerts += 1
            counts.hits += truth == self._class

    def _next_period(self) -> None:
        if len(self._periods) == PERIODS:
            for one, other in zip(self._periods[::2], self._periods[1::2], strict=True):
                one.add(other)
            del self._periods[1::2]
            for name, own in self._coarse.items():
                own += [np.zeros((2, COARSE), np.int64)] * (PERIODS - len(own))
                self._coarse[name] = [one + other for one, other in zip(own[::2], own[1::2], strict=True)]
            self._length *= 2
        self._periods.append(JudgedCounts())

    def _end_block(self) -> None:
        """So many events more: has the error risen?"""
        block, self._block = self._block, JudgedCounts()
        for drift in self._drifts:
            if drift.after.events < AROUND // BLOCK * BLOCK:
                drift.after.add(block)
        self._latest.append(block)
        if not adwin.update_and_test_rise(self._adwin, 0, 1.0 - block.right / block.events, DELTA):
            return
        # What is left of the window is what came since the change.
        latest, since = list(self._latest), min(int(self._adwin["width"][0]), len(self._latest))
        before, after = JudgedCounts(), JudgedCounts()
        for one in latest[: len(latest) - since][-AROUND // BLOCK :]:
            before.add(one)
        for one in latest[len(latest) - since :][: AROUND // BLOCK]:
            after.add(one)
        began = latest[len(latest) - since].first if since else block.last
        event = self._events - since * BLOCK
        if self._drifts and event - self._drifts[-1].event < AROUND:
            self._drifts.pop()  # the same one, whose beginning is better known now
        self._drifts.append(_Drift(event, began, before, after))

    def figures(self) -> Figures:
        """The figures so far."""
        self._count()
        whole = JudgedCounts()
        for one in self._periods:
            whole.add(one)
        labels, named = whole.labels(), whole.named()
        names = sorted(labels | named) if len(labels | named) <= CLASSES else []
        rare = self._rare(whole)
        return Figures(
            rare=None if rare is None else self._rare_figures(rare, whole),
            classes={name: self._class_figures(name, whole) for name in names},
            confusion={a: {b: whole.pairs[a, b] for b in names if whole.pairs[a, b]} for a in names if labels[a]},
            cost=share(whole.cost, whole.events) if self._costs else None,
            over_time=[self._period(one, rare, i) for i, one in enumerate(self._periods) if one.events],
            drifts=[
                DriftFigures(one.event, one.time, self._period(one.before, rare), self._period(one.after, rare))
                for one in self._drifts
            ],
            intervals=intervals(whole, self._class, self._noise),
        )

    def _rare(self, whole: JudgedCounts) -> str | None:
        """The class that raises alerts, or else the rarest, if it is rare."""
        labels = whole.labels()
        if self._class is not None or len(labels) < 2:
            return self._class
        name, least = min(labels.items(), key=lambda item: (item[1], item[0]))
        rare = least < RARE * whole.events and least < OF_EVEN / len(labels) * whole.events
        return name if rare else None

    def _rare_figures(self, name: str, whole: JudgedCounts) -> RareFigures:
        asks, own = self._class is not None, self._bins.get(name, np.zeros((2, FINE), np.int64))
        labels = whole.labels()[name]
        return RareFigures(
            name=name,
            share=labels / whole.events if whole.events else 0.0,
            auprc=average_precision(*own),
            alerts=whole.alerts if asks else None,
            alert_precision=share(whole.hits, whole.alerts) if asks else None,
            alert_recall=share(whole.hits, labels) if asks else None,
            f1=whole.f1(name),
            recall_of_surest={f"{part:.1%}": recall_of_surest(own[0], own[1], part) for part in SHARES},
        )

    def _class_figures(self, name: str, whole: JudgedCounts) -> ClassFigures:
        own = self._bins.get(name)
        return ClassFigures(
            labels=whole.labels()[name],
            precision=whole.precision(name),
            recall=whole.recall(name),
            f1=whole.f1(name),
            auprc=None if own is None else average_precision(*own),
            in_set=share(whole.covered[name], whole.labels()[name]),
        )

    def _period(self, counts: JudgedCounts, rare: str | None, i: int | None = None) -> PeriodFigures:
        names = sorted(counts.labels() | counts.named())[:SHOWN]
        own = self._coarse.get(rare or "", []) if i is not None else []
        return PeriodFigures(
            events=counts.events,
            first=counts.first,
            last=counts.last,
            accuracy=share(counts.right, counts.events),
            coverage=share(counts.decided, counts.events),
            selective_accuracy=share(counts.decided_right, counts.decided),
            gmean=counts.gmean(),
            cost=share(counts.cost, counts.events) if self._costs else None,
            recall={name: counts.recall(name) for name in names},
            precision={name: counts.precision(name) for name in names},
            auprc=average_precision(*own[i]) if i is not None and i < len(own) else None,
            alerts=counts.alerts,
            alert_precision=share(counts.hits, counts.alerts),
            alert_recall=share(counts.hits, counts.labels()[rare or ""]),
        )


def _probability(decision: Decision, name: str) -> float:
    """BetP of a class, 0 for one that the model did not know."""
    belief = decision.belief
    return belief[name] + decision.uncertainty / len(belief) if name in belief else 0.0
