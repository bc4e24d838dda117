"""What if: the decisions of a past range under another config, which learns as it would have learnt.

The other config decides from the beginning of the feedback, so that it stands at the range as it would have stood. It
reads the live topics and writes to none; it belongs to no group.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from tocsin.config.erasure import ErasureSettings
from tocsin.config.settings import Settings
from tocsin.streams.replay.past.decisions import PastDecision, past_decisions
from tocsin.streams.replay.past.events import Place
from tocsin.streams.replay.past.feedback import FeedbackLog
from tocsin.streams.replay.past.opening import opens_by
from tocsin.streams.replay.past.span import Span
from tocsin.streams.replay.past_event import SourceError
from tocsin.streams.replay.what_if.both_decisions import BothDecisions
from tocsin.streams.replay.what_if.report import WhatIfReport
from tocsin.streams.replay.what_if.script import DecidedNext, Script
from tocsin.streams.replay.what_if.simulation import Simulation, Told
from tocsin.streams.transport.base import Transport
from tocsin.streams.wire.decode import read_own
from tocsin.streams.wire.packed.control import is_control
from tocsin.streams.wire.records import Alert, Decision
from tocsin.streams.wire.sealing.logged_keys import seals_of


class WhatIf:
    """Decides the past of one service again, under another config."""

    def __init__(self, settings: Settings, other: Settings, reader: Transport) -> None:
        """`settings` are those of the service, whose topics are read. Raises TransportError."""
        self._settings, self._reader = settings, reader
        self._seals = seals_of(settings, reader)
        self._other = under_the_same_roof(settings, other)
        costs = other if other.abstention.costs or not settings.abstention.costs else settings
        self._comparison = BothDecisions(costs.abstention, self._other.class_map)
        self.decisions: Callable[[Decision], None] = lambda decision: None
        """Told of each decision of the other config within the span."""

    def run(self, span: Span, progress: Callable[[], None] = lambda: None) -> WhatIfReport:
        """Decide again what lies within a span; `progress` is called after each decision.

        Raises SourceError where the logs do not reach back to the beginning, TransportError, FeedbackError.
        """
        topics = self._settings.topics
        log = FeedbackLog(self._reader, topics.feedback)
        if log.first > 0:
            raise SourceError(
                f"{topics.feedback} begins at offset {log.first}: what another config would have learnt cannot be "
                "told, because it learns from the beginning"
            )
        past = past_decisions(self._reader, topics.decisions, span.holds).decisions
        linked = [one for one in past if one.link is not None]
        without_link = sum(one.link is None and span.holds(one.head) for one in past)
        expired = self._simulate(linked, log, progress)
        self._alerts_of_the_past()
        return self._comparison.report(expired, without_link)

    def _simulate(self, linked: list[PastDecision], log: FeedbackLog, progress: Callable[[], None]) -> int:
        """Returns how many events of the span are expired."""
        topics, expired = self._settings.topics, 0
        goes_back = any(is_control(record.value) for record in log.read(0))
        within: dict[Place, Decision] = {}
        script = Script(self._reader, topics.events, topics.feedback, linked, opens_by(self._seals))
        partitions = len(self._reader.end_offsets(topics.events))

        def told(place: Place, decision: Decision) -> None:
            self._comparison.add(place, decision, bool(within))
            if place in within:
                self.decisions(decision)
            progress()

        def raised(alert: Alert) -> None:
            if alert.event in self._comparison.ids:
                self._comparison.alert("after", alert)

        with tempfile.TemporaryDirectory(prefix="tocsin-what-if-") as directory:
            who = Told(told, raised, self._comparison.label)
            simulation = Simulation(self._other, partitions, Path(directory), who, goes_back, self._seals)
            try:
                for step in script:
                    if isinstance(step, DecidedNext):
                        within = step.decisions
                        expired += len(step.expired)
                        self._comparison.expect(within)
                        simulation.decide(step)
                    else:
                        simulation.teach(step.records)
            finally:
                simulation.close()
        return expired

    def _alerts_of_the_past(self) -> None:
        for partition, end in self._reader.end_offsets(self._settings.topics.alerts).items():
            for record in self._reader.read(partition, 0, end):
                alert = read_own(record, Alert)
                if alert is not None and alert.event in self._comparison.ids:
                    self._comparison.alert("before", alert)


def under_the_same_roof(settings: Settings, other: Settings) -> Settings:
    """The other config with the broker, the topics and the means of the service's own."""
    mine = ("kafka", "topics", "state", "batching", "monitor", "overload", "kernels")
    same = {name: getattr(settings, name) for name in mine}
    return other.model_copy(update={**same, "erasure": ErasureSettings()})  # nothing is sealed that is thrown away


def _place(past: PastDecision) -> Place:
    link = past.link
    assert link is not None  # only such are asked about
    return link.partition, link.offset
