"""The comparison of the decisions of the past with those of another config, event by event."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tocsin.config.abstention import AbstentionSettings
from tocsin.models.data.batch import Floats
from tocsin.models.figures.bootstrap import interval, resampled
from tocsin.streams.replay.past.events import Place
from tocsin.streams.replay.what_if.figures import Said, compared, heard
from tocsin.streams.replay.what_if.report import ABSTAINED, AlertChanges, ChangedEvent, WhatIfReport
from tocsin.streams.wire.records import Alert, Decision

EXAMPLES = 100
CLOSE = 1e-6
"""Numbers that differ by no more count as the same."""


class _Judged(NamedTuple):
    event: str
    before: Said
    after: Said


class BothDecisions:
    """Both decisions of each event of the range."""

    def __init__(self, costs: AbstentionSettings, class_map: Mapping[str, str]) -> None:
        """`costs` are those of both configs alike, `class_map` says what the other one calls classes of the first."""
        self._costs, self._class_map = costs, class_map
        self._waiting: dict[Place, Decision] = {}
        """Decisions of the past whose counterpart is not made yet."""
        self._judged: list[_Judged] = []
        self._truths: dict[str, str] = {}
        """The last label of each event, by id."""
        self._matrix: dict[str, Counter[str]] = {}
        self._reasons: dict[str, Counter[str]] = {"before": Counter(), "after": Counter()}
        self._alerts: dict[str, dict[tuple[str, ...], int]] = {"before": {}, "after": {}}
        self._events = self._changed = self._moved = self._only_after = 0
        self._random = random.Random(0)
        self._examples: list[tuple[Decision, Decision]] = []
        self._in_range: set[str] = set()

    def expect(self, decisions: dict[Place, Decision]) -> None:
        """Decisions of the past that are within the range; their counterparts are made next."""
        self._waiting |= {place: renamed(decision, self._class_map) for place, decision in decisions.items()}

    def add(self, place: Place, after: Decision, in_range: bool) -> None:
        """A decision under the other config. It has no counterpart where the event was put aside then."""
        before = self._waiting.pop(place, None)
        if before is None:
            self._only_after += in_range
            return
        self._events += 1
        self._in_range.add(before.event)
        one, other = _outcome(before), _outcome(after)
        self._matrix.setdefault(one, Counter())[other] += 1
        for name, decision in (("before", before), ("after", after)):
            if decision.reason is not None:
                self._reasons[name][decision.reason] += 1
        self._judged.append(_Judged(before.event, Said.of(before), Said.of(after)))
        if one != other:
            self._changed += 1
            self._keep(before, after)
        elif not _alike(before, after):
            self._moved += 1

    def _keep(self, before: Decision, after: Decision) -> None:
        """Keep some of the changed events as examples, each with the same chance."""
        if len(self._examples) < EXAMPLES:
            self._examples.append((before, after))
        elif (place := self._random.randrange(self._changed)) < EXAMPLES:
            self._examples[place] = before, after

    def label(self, event: str, label: str) -> None:
        """A label of an event, which replaces what was said of it before."""
        self._truths[event] = label

    def alert(self, arm: str, alert: Alert) -> None:
        """An alert, `before` or `after`; the one that was raised first counts."""
        name = self._class_map.get(alert.class_, alert.class_) if arm == "before" else alert.class_
        what = (alert.subject, name) if alert.kind == "subject" else ("", alert.event or "", name)
        self._alerts[arm].setdefault(what, alert.delay or 0)

    @property
    def ids(self) -> set[str]:
        """The events of the range, by id: alerts at other events are not of it."""
        return self._in_range

    def report(self, expired: int, without_link: int) -> WhatIfReport:
        """What was found."""
        judged = [one for one in self._judged if one.event in self._truths]
        truths = [self._truths[one.event] for one in judged]
        before, after = [one.before for one in judged], [one.after for one in judged]
        return WhatIfReport(
            events=self._events,
            changed=self._changed,
            moved=self._moved,
            matrix={name: dict(sorted(row.items())) for name, row in sorted(self._matrix.items())},
            reasons={name: dict(sorted(counts.items())) for name, counts in self._reasons.items()},
            judged=len(judged),
            heard=heard(before, after),
            metrics=compared(truths, before, after, self._costs),
            alerts=_alert_changes(self._alerts["before"], self._alerts["after"]),
            only_before=len(self._waiting) - expired,
            only_after=self._only_after,
            expired=expired,
            without_link=without_link,
            examples=[
                ChangedEvent(one.event, one.subject, self._truths.get(one.event), _plain(one), _plain(other))
                for one, other in self._examples
            ],
        )


def renamed(decision: Decision, class_map: Mapping[str, str]) -> Decision:
    """A decision with the names that its classes have in another config; classes that are one there are added up."""
    if not class_map.keys() & decision.belief.keys():
        return decision
    belief: dict[str, float] = {}
    for name, mass in decision.belief.items():
        today = class_map.get(name, name)
        belief[today] = belief.get(today, 0.0) + mass
    label = None if decision.label is None else class_map.get(decision.label, decision.label)
    names = dict.fromkeys(class_map.get(name, name) for name in decision.set)
    return msgspec.structs.replace(decision, belief=belief, label=label, set=list(names))


def _outcome(decision: Decision) -> str:
    return decision.label if decision.status == "decided" and decision.label is not None else ABSTAINED


def _alike(before: Decision, after: Decision) -> bool:
    """Whether two decisions of one outcome say the same of their event."""
    same = (before.reason, {*before.set}, before.over_budget) == (after.reason, {*after.set}, after.over_budget)
    return (
        same
        and before.belief.keys() == after.belief.keys()
        and all(abs(mass - after.belief[name]) <= CLOSE for name, mass in before.belief.items())
        and abs(before.uncertainty - after.uncertainty) <= CLOSE
        and abs(before.conflict - after.conflict) <= CLOSE
    )


def _plain(decision: Decision) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(decision, chain=None))
    return found


def _alert_changes(before: dict[tuple[str, ...], int], after: dict[tuple[str, ...], int]) -> AlertChanges:
    both = [what for what in before if what in after]
    later = np.array([after[what] - before[what] for what in both if what[0]], np.float64)
    return AlertChanges(
        before=len(before),
        after=len(after),
        only_before=len(before) - len(both),
        only_after=len(after) - len(both),
        earlier=int((later < 0).sum()),
        later=int((later > 0).sum()),
        posts=float(later.mean()) if len(later) else None,
        interval=interval(_means(later)),
    )


def _means(values: Floats) -> Sequence[float]:
    return [float(counts @ values) / len(values) for counts in resampled(len(values))]
