"""How decisions stand whose labels came within the last hour: precision, recall and F1 of each class, area, alerts.

A worker tells totals since it started. Those of some moments of the last hour are kept, so that the difference between
the newest and the oldest is what came in between.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from tocsin.models.figures.ranking import COARSE, average_precision
from tocsin.streams.wire.kinds.judged import ClassJudged, JudgedDecisions
from tocsin.streams.wire.records import Telemetry

WINDOW_MS, MOMENTS = 3_600_000, 60
"""How far back figures go, and at how many moments of that time totals are kept."""
CLASSES, SHOWN = 64, 16


class ClassRecent(NamedTuple):
    """One class; None where nothing came to judge by."""

    labels: int
    precision: float | None
    recall: float | None
    f1: float | None


class Recent(NamedTuple):
    """What came within the last hour."""

    events: int
    gmean: float | None
    """The geometric mean of the recalls of the classes that had labels."""
    cost: float | None
    """Of a decision on average; None where the config has no costs."""
    confusion: dict[str, dict[str, int]]
    """By true class and by the class that was named."""
    classes: dict[str, ClassRecent]
    rare: str | None
    """The class that raises alerts."""
    auprc: float | None
    """Its area under the precision-recall curve."""
    alerts: int
    alert_precision: float | None
    alert_recall: float | None


class RecentlyJudged:
    """Remembers what one worker told."""

    def __init__(self) -> None:
        self._started_at = -1
        self._told: deque[tuple[int, JudgedDecisions]] = deque(maxlen=MOMENTS + 2)

    def note(self, telemetry: Telemetry) -> None:
        """One report; those of an earlier run are forgotten."""
        judged = telemetry.judged
        if telemetry.started_at != self._started_at:
            self._started_at = telemetry.started_at
            self._told.clear()
            if judged is not None:
                self._told.append((telemetry.started_at, JudgedDecisions(0, {})))
        if judged is None:
            return
        # The last one is always the newest; the ones before it are as far apart as there is room for.
        if len(self._told) > 1 and self._told[-1][0] - self._told[-2][0] < WINDOW_MS // MOMENTS:
            self._told.pop()
        self._told.append((telemetry.time, judged))
        while len(self._told) > 2 and self._told[1][0] < telemetry.time - WINDOW_MS:
            self._told.popleft()

    def figures(self) -> Recent | None:
        """The figures; None where nothing was told."""
        if len(self._told) < 2:
            return None
        (_, old), (_, new) = self._told[0], self._told[-1]
        none = ClassJudged(0, 0, 0)
        classes = {
            name: _of_class(counts, old.classes.get(name, none)) for name, counts in list(new.classes.items())[:CLASSES]
        }
        alerts, hits = max(new.alerts - old.alerts, 0), max(new.hits - old.hits, 0)
        labels = classes[new.rare].labels if new.rare in classes else 0
        auprc = None
        if len(new.found) == len(new.every) == COARSE:
            before = [one or [0] * COARSE for one in (old.found, old.every)]
            if all(len(one) == COARSE for one in before):
                found, every = (np.array(a) - np.array(b) for a, b in zip((new.found, new.every), before, strict=True))
                auprc = average_precision(np.maximum(found, 0), np.maximum(every, 0))
        events = max(new.events - old.events, 0)
        recalls = [one.recall for one in classes.values() if one.recall is not None]
        return Recent(
            events=events,
            gmean=math.prod(recalls) ** (1 / len(recalls)) if recalls else None,
            cost=None if new.cost is None or not events else max(new.cost - (old.cost or 0.0), 0.0) / events,
            confusion=_difference(new.confusion, old.confusion),
            classes=classes,
            rare=new.rare,
            auprc=auprc,
            alerts=alerts,
            alert_precision=_share(hits, alerts),
            alert_recall=_share(hits, labels),
        )


def _of_class(new: ClassJudged, old: ClassJudged) -> ClassRecent:
    labels, named, right = new.labels - old.labels, new.named - old.named, new.right - old.right
    return ClassRecent(max(labels, 0), _share(right, named), _share(right, labels), _share(2 * right, labels + named))


def _difference(new: dict[str, dict[str, int]], old: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """What came to a confusion matrix."""
    return {
        truth: {name: max(n - old.get(truth, {}).get(name, 0), 0) for name, n in list(row.items())[:SHOWN]}
        for truth, row in list(new.items())[:SHOWN]
    }


def _share(part: int, whole: int) -> float | None:
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else None
