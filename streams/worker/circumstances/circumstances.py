"""Circumstances: what the decisions of a batch rest on beside its events and the model at its feedback offset.

A worker finds them in its state (`of_state`), which the events before have written. Who decides the same events again
has no such state, and takes them from the records of the decisions (`of_records`). All else of a decision is written by
one path, `tocsin.streams.worker.deciding.decide`, so that both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, cast

from tocsin.config.alert.budget import rate_of
from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.streams import Streams
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.kinds.novelty import NovelGroup
from tocsin.streams.wire.records import Reason
from tocsin.streams.worker.deciding.early_risk import EarlyRisk, SubjectAfter
from tocsin.streams.worker.deciding.event_alerts import EventAlerts
from tocsin.streams.worker.deciding.novel_groups import NovelGroupsKeeper
from tocsin.streams.worker.deciding.profiling import Profiling
from tocsin.streams.worker.deciding.traffic import TrafficKeeper


class OverBudget(NamedTuple):
    """An event that would have gone to review, had the budget not been spent."""

    reason: Reason
    """Why it would have gone."""
    decidable: bool
    """Whether it is decided instead; else it is abstained from, and goes to nobody."""


class ToldOfEvents(NamedTuple):
    """What the budgets and the subject make of each of B events."""

    over_budget: Sequence[OverBudget | None]
    after: Sequence[SubjectAfter | None]
    alerts: Sequence[float | None]
    """The threshold of alerts that an event reached which raises one."""
    novelty: Mapping[int, NovelGroup]
    """By row, the group of each novel event that goes to review."""

    def raises(self, i: int) -> bool:
        """Whether event i raises any alert."""
        after = self.after[i]
        return self.alerts[i] is not None or (after is not None and bool(after.raised))


class Circumstances(Protocol):
    """Those of one batch of B events. Each method is called once, in this order."""

    def with_profiles(self, events: EventColumns, batch: Batch) -> Batch:
        """The batch with what profiles say of each event."""
        ...

    def with_subject_texts(self, batch: Batch) -> Batch:
        """The batch with what its subjects wrote before, for the experts that read whole subjects."""
        ...

    def streams(self, events: EventColumns) -> Streams | None:
        """What came of late in the partitions that the events come from: class priors, and traffic."""
        ...

    def told(self, events: EventColumns, scores: Scores) -> ToldOfEvents:
        """What the budgets and the subjects make of each event."""
        ...


class Deciders:
    """The parts that decide beside the model, for one config and one classifier."""

    def __init__(self, settings: Settings, classifier: Classifier) -> None:
        self.settings, self.classifier = settings, classifier
        self.profiling = Profiling(settings)
        self.early_risk = EarlyRisk(settings, classifier)
        self.event_alerts = EventAlerts(settings)
        budget = settings.abstention.budget
        self.reviews = None if budget is None else rate_of(budget)
        """The budget of reviews; None where there is none."""
        self.traffic = TrafficKeeper(classifier)
        self.novel_groups = NovelGroupsKeeper(settings.abstention, classifier)
        self.digest = classifier.digest


def reason_of(scores: Scores, i: int) -> Reason | None:
    """Why an event was abstained from."""
    return cast("Reason | None", scores.reasons[i])
