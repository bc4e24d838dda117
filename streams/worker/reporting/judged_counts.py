"""How decisions stand whose labels have come: counted as feedback is learnt, because a record holds both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.settings import Settings
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.figures.ranking import COARSE, bins_of
from tocsin.streams.wire.kinds.judged import ClassJudged, JudgedDecisions
from tocsin.streams.wire.packed.events import PackedEvent, rows_of
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.worker.learning.feedback_items import FeedbackItem

CLASSES, IN_CONFUSION = 64, 16
"""Classes that are counted, and those that the confusion matrix has: those that came first."""


class JudgedTotals:
    """Counts since the worker started.

    Every worker learns all feedback, so that all of them count the same decisions, whoever made them.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """The settings say which class raises alerts, and what decisions cost."""
        self.judge_by(settings)
        self.clear()

    def judge_by(self, settings: Settings | None) -> None:
        """Count by these settings from now on."""
        self._rare = None if settings is None else settings.alert.class_
        self._today = {} if settings is None else settings.class_map
        abstention = AbstentionSettings() if settings is None else settings.abstention
        self._costs, self._abstain_cost = abstention.costs, abstention.abstain_cost

    def clear(self) -> None:
        """Count from the start."""
        self._events = self._alerts = self._hits = 0
        self._classes: dict[str, list[int]] = {}
        """By class: labels, named, right."""
        self._confusion: dict[str, dict[str, int]] = {}
        self._cost = 0.0
        self._bins: Ints = np.zeros((2, COARSE), np.int64)

    def count(self, items: Sequence[FeedbackItem]) -> None:
        """Count what was decided of these events."""
        by_layout: dict[bytes, tuple[Layout, list[FeedbackItem]]] = {}
        for item in items:
            layout, event = item.layout, item.event
            if layout is not None and event is not None and layout.decided and layout.classes and item.about_event:
                by_layout.setdefault(event.layout, (layout, []))[1].append(item)
        for layout, some in by_layout.values():
            self._count(layout, some, [item.event for item in some if item.event is not None])

    def _count(self, layout: Layout, items: Sequence[FeedbackItem], events: Sequence[PackedEvent]) -> None:
        rows, place = rows_of(layout, events), layout.places
        classes = [self._today.get(name, name) for name in layout.classes]
        betp: Floats = rows[:, place["belief"]] + rows[:, place["uncertainty"]] / len(classes)
        label = rows[:, place["label"]][:, 0].astype(np.int64)
        named = np.where(label >= 0, label, betp.argmax(axis=1)).tolist()
        truths = [item.label for item in items]
        for truth, place_of_named, event, decided in zip(truths, named, events, (label >= 0).tolist(), strict=True):
            name = classes[place_of_named]
            self._judge(truth, name)
            wrong = float(truth != name)
            self._cost += self._costs.get(truth, {}).get(name, wrong) if decided else self._abstain_cost
            if event.more is not None and event.more.alert is not None:
                self._alerts += 1
                self._hits += truth == self._rare
        self._events += len(items)
        if self._rare in classes:
            of_rare = [k for k, name in enumerate(classes) if name == self._rare]
            bins = bins_of(betp[:, of_rare].sum(axis=1), COARSE)
            of_it = np.array([truth == self._rare for truth in truths])
            self._bins += [np.bincount(bins[of_it], minlength=COARSE), np.bincount(bins, minlength=COARSE)]

    def _judge(self, truth: str, named: str) -> None:
        for name, which in ((truth, 0), (named, 1)):
            if name in self._classes or len(self._classes) < CLASSES:
                counts = self._classes.setdefault(name, [0, 0, 0])
                counts[which] += 1
                counts[2] += which == 0 and truth == named
        first = list(self._classes)[:IN_CONFUSION]
        if truth in first and named in first:
            row = self._confusion.setdefault(truth, {})
            row[named] = row.get(named, 0) + 1

    def told(self) -> JudgedDecisions:
        """The counts, as telemetry has them."""
        found, every = self._bins.tolist() if self._rare is not None else ([], [])
        classes = {name: ClassJudged(*counts) for name, counts in self._classes.items()}
        confusion = {truth: dict(row) for truth, row in self._confusion.items()}
        cost = self._cost if self._costs else None
        return JudgedDecisions(
            self._events, classes, confusion, cost, self._rare, found, every, self._alerts, self._hits
        )
