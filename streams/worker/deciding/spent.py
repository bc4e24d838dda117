"""What a partition spent of its budgets, brought up to date by what decisions in the log say."""

from __future__ import annotations

from tocsin.config.alert.budget import rate_of
from tocsin.config.settings import Settings
from tocsin.streams.state.notes import Notes
from tocsin.streams.wire.records import Decision
from tocsin.streams.worker.deciding.event_alerts import EventAlerts
from tocsin.streams.worker.deciding.review_budget import Budget, reviewable


class Spent:
    """The budgets of reviews and alerts of one of so many partitions of the events; nothing where there are none."""

    def __init__(self, settings: Settings, notes: Notes, partition: int, partitions: int) -> None:
        self._notes, self._partition, self._partitions = notes, partition, partitions
        self._review = settings.review
        budget = settings.abstention.budget
        self._period = 0 if budget is None else rate_of(budget).period
        self._reviews = Budget(notes.budget(partition, self._period), self._period) if self._period else None
        self._event_alerts = EventAlerts(settings)
        self._alerts = self._event_alerts.begun(notes.alerts(partition)) if self._event_alerts else None

    def recall(self, decision: Decision, timestamp: int) -> None:
        """Note one decision, whose event has this timestamp in its topic (epoch ms)."""
        if self._reviews is not None and reviewable(decision.reason, self._review):
            self._reviews.recall(decision)
        if self._alerts is not None:
            self._event_alerts.recall(self._alerts, decision, timestamp, self._partitions, self._partition)

    def write(self) -> None:
        """Keep what was noted."""
        if self._reviews is not None:
            self._notes.set_budget(self._partition, self._reviews.state(), self._period)
        if self._alerts is not None:
            self._notes.set_alerts(self._partition, self._alerts.state())
