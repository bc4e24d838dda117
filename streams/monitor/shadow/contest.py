"""The contest of two configs: what all workers counted of them, added up.

Every worker tells the counts of the events that it decided, under the name of its count (`ComparedEvents.tally`). A
worker that starts again goes on with its own, under another name of the worker; so the latest of each count is taken,
whoever told it, and those of workers that are gone are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from tocsin.streams.wire.kinds.shadow import ClassCompared, ComparedEvents, Held, ShadowTelemetry
from tocsin.streams.wire.records import Telemetry

TALLIES = 1_024
"""Counts that are remembered; beyond it the one that was told least recently is forgotten."""


class Contest:
    """Adds up what workers tell of the two configs that were told of last."""

    def __init__(self) -> None:
        self.latest: ShadowTelemetry | None = None
        """What was told last."""
        self._time = 0
        self._pair = "", ""
        self._tallies: OrderedDict[str, ComparedEvents] = OrderedDict()

    def note(self, telemetry: Telemetry) -> None:
        """One report, in the order of their times or not."""
        told = telemetry.shadow
        if told is None or (telemetry.time < self._time and (told.first, told.second) != self._pair):
            return
        if (told.first, told.second) != self._pair:
            self._pair = told.first, told.second
            self._tallies.clear()
        if telemetry.time >= self._time:
            self._time, self.latest = telemetry.time, told
        before = self._tallies.get(told.compared.tally)
        if before is None or before.events <= told.compared.events:
            self._tallies[told.compared.tally] = told.compared
        self._tallies.move_to_end(told.compared.tally)
        if len(self._tallies) > TALLIES:
            self._tallies.popitem(last=False)

    def compared(self) -> ComparedEvents:
        """All counts, added up."""
        return total(self._tallies.values())


def total(tallies: Iterable[ComparedEvents]) -> ComparedEvents:
    """The sum of counts."""
    found = ComparedEvents("")
    for one in tallies:
        classes = dict(found.classes)
        for name, more in one.classes.items():
            known = classes.get(name, ClassCompared(0, Held()))
            classes[name] = ClassCompared(known.labels + more.labels, _sum(known.found, more.found))
        found = ComparedEvents(
            tally="",
            events=found.events + one.events,
            right=_sum(found.right, one.right),
            decided=_sum(found.decided, one.decided),
            wrong=_sum(found.wrong, one.wrong),
            classes=classes,
        )
    return found


def _sum(one: Held, other: Held) -> Held:
    return Held(one.both + other.both, one.first + other.first, one.second + other.second)
