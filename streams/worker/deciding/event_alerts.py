"""Alerts on events: of each partition's events those that are most probably of the class, within its budget."""

from __future__ import annotations

from tocsin.config.alert.budget import rate_of
from tocsin.config.settings import Settings
from tocsin.explain.explanation import Explanation
from tocsin.models.data.belief import pignistic
from tocsin.models.decision.abstention import COLD_START
from tocsin.models.decision.scores import Scores
from tocsin.streams.state.notes import Notes
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.records import Alert, Decision, Event
from tocsin.streams.worker.deciding.alert_budget import AlertBudget, alert_budget
from tocsin.streams.worker.deciding.profiling import AHEAD_MS
from tocsin.streams.worker.deciding.review_budget import share


class EventAlerts:
    """Spends the budget of alerts of every partition; it is false where the config asks for none."""

    def __init__(self, settings: Settings) -> None:
        self._class = settings.alert.class_
        self._rate = rate_of(settings.alert.budget)

    def __bool__(self) -> bool:
        return self._class is not None

    def begun(self, state: bytes | None = None) -> AlertBudget:
        """The budget of a partition, as it was kept."""
        return alert_budget(self._rate, state)

    def thresholds(self, events: EventColumns, scores: Scores, notes: Notes, partitions: int) -> list[float | None]:
        """Of B events the threshold that each reached that raises an alert; None for all others.

        What their partitions, of so many, have spent is written.
        """
        raised: list[float | None] = [None] * events.size
        if self._class is None or self._class not in scores.classes:
            return raised
        k = scores.classes.index(self._class)
        p = pignistic(scores.belief, scores.uncertainty)[:, k].tolist()
        budgets: dict[int, AlertBudget] = {}
        for i, record in enumerate(events.records):
            if scores.reasons[i] == COLD_START:
                continue
            at = record.partition
            if at not in budgets:
                budgets[at] = self.begun(notes.alerts(at))
            most = share(self._rate.number, partitions, at)
            raised[i] = budgets[at].offer(most, not_ahead(events.times[i], record.timestamp), p[i])
        for at, budget in budgets.items():
            notes.set_alerts(at, budget.state())
        return raised

    def offer(self, budget: AlertBudget, decision: Decision, timestamp: int, partitions: int = 1) -> float | None:
        """The same for one decision of partition 0, whose event has this timestamp in its topic."""
        p = self._probability(decision)
        most = share(self._rate.number, partitions, 0)
        return None if p is None else budget.offer(most, not_ahead(decision.time, timestamp), p)

    def recall(self, budget: AlertBudget, decision: Decision, timestamp: int, partitions: int, at: int) -> None:
        """Note what a decision in the log says, for a partition of so many."""
        p = self._probability(decision)
        if p is not None:
            most, time = share(self._rate.number, partitions, at), not_ahead(decision.time, timestamp)
            budget.recall(most, time, p, decision.alert is not None)

    def _probability(self, decision: Decision) -> float | None:
        """That of the class, to the bit as scores have it; None where the event raises no alert whatever it is."""
        if decision.reason == COLD_START or self._class is None or self._class not in decision.belief:
            return None
        return decision.belief[self._class] + decision.uncertainty / len(decision.belief)

    def alert(self, event: Event, p: float, explanation: Explanation | None) -> Alert:
        """The record of an alert that an event raised; `explanation` is that of its decision."""
        assert self._class is not None  # else no event raises one
        return Alert(
            kind="event",
            subject=event.subject,
            event=event.id,
            class_=self._class,
            time=event.time,
            delay=None,
            risk=p,
            explanation=explanation,
        )

    def probability(self, scores: Scores, i: int) -> float:
        """That of the class for event i."""
        k = scores.classes.index(self._class or "")
        return float(scores.belief[i, k] + scores.uncertainty[i] / len(scores.classes))


def not_ahead(time: int, timestamp: int) -> int:
    """An event's time, or one day after the time of its Kafka record, if that is earlier (epoch ms)."""
    return min(time, timestamp + AHEAD_MS) if timestamp >= 0 else time
