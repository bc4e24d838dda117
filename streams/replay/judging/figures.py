"""The figures of a replay beside its accuracy, as `--report json` prints them. None where there is nothing to judge."""

from __future__ import annotations

from dataclasses import dataclass, field

from tocsin.models.figures.noise import Interval


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class. An event is named by the label that was decided, or of an abstention by its most probable class."""

    labels: int
    """Events of the class."""
    precision: float | None
    recall: float | None
    f1: float | None
    auprc: float | None
    """The area under the precision-recall curve of its probability."""
    in_set: float | None
    """The share of its events whose prediction set held it, which `abstention.error` speaks of."""


@dataclass(frozen=True, slots=True)
class RareFigures:
    """The class that raises alerts, or else the rarest one where it is rare."""

    name: str
    share: float
    """Its share of the labels."""
    auprc: float | None
    alerts: int | None
    """Judged events that raised an alert; None where the config asks for none."""
    alert_precision: float | None
    alert_recall: float | None
    """The recall at the budget: which share of the class raised an alert."""
    f1: float | None
    recall_of_surest: dict[str, float | None] = field(default_factory=dict)
    """Which share of the class is among the surest 0.1%, 0.5%, 1%, ... of all events, sorted afterwards."""


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """A run of events."""

    events: int
    first: int
    """The time of its first event, epoch milliseconds."""
    last: int
    accuracy: float | None
    coverage: float | None
    selective_accuracy: float | None
    gmean: float | None
    cost: float | None
    """Of an event on average."""
    recall: dict[str, float | None]
    """By class; of the first classes where there are many."""
    precision: dict[str, float | None]
    auprc: float | None
    """Of the rare class."""
    alerts: int
    alert_precision: float | None
    alert_recall: float | None


@dataclass(frozen=True, slots=True)
class DriftFigures:
    """The error rose, as ADWIN tells. The figures are of at most a thousand judged events before and after it."""

    event: int
    """About how many events were judged before it."""
    time: int
    """Of the event about at which it began, epoch milliseconds."""
    before: PeriodFigures
    after: PeriodFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All of them."""

    rare: RareFigures | None
    classes: dict[str, ClassFigures]
    """Empty where there are more than 64."""
    confusion: dict[str, dict[str, int]]
    """Events by true class and by the class that was named; empty where there are more than 64 classes."""
    cost: float | None
    """Of an event on average, by `abstention.costs`; None where the config has none."""
    over_time: list[PeriodFigures]
    """Runs of as many events each."""
    drifts: list[DriftFigures]
    """The last of them."""
    intervals: dict[str, Interval]
    """Where `labels.noise` says that labels may be wrong: between which values figures may lie, by their names."""
