"""How decisions stand whose labels have come, as telemetry carries it: bounded counts, from which figures follow."""

from __future__ import annotations

from msgspec import Struct


class ClassJudged(Struct, frozen=True):
    """Decisions of one class. An abstention names its most probable class."""

    labels: int
    """Events whose label says the class."""
    named: int
    """Events that were named as it."""
    right: int
    """Both."""


class JudgedDecisions(Struct, frozen=True):
    """Decisions whose labels a worker has learnt since it started; those of labels of subjects do not count."""

    events: int
    classes: dict[str, ClassJudged]
    """The first classes, where there are many."""
    confusion: dict[str, dict[str, int]] = {}
    """Events by true class and by the class that was named, of the first 16 classes."""
    cost: float | None = None
    """What these decisions cost, added up, by `abstention.costs`; null where the config has none."""
    rare: str | None = None
    """The class that raises alerts."""
    found: list[int] = []
    """Events of that class by the probability that it was given: counts in bins of log odds, from -14 to 14."""
    every: list[int] = []
    """All events by that probability."""
    alerts: int = 0
    """Of the events, those that raised an alert at a budget."""
    hits: int = 0
    """Of these, those of the class."""
