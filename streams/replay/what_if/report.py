"""What what-if finds, as `tocsin replay --what-if --report json` prints it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tocsin.models.figures.noise import Interval
from tocsin.streams.replay.what_if.figures import BothFigures

ABSTAINED = "abstained"
"""What the matrix calls an abstention."""


@dataclass(frozen=True, slots=True)
class ChangedEvent:
    """An event that would have been decided otherwise, with what is said of it under both configs."""

    event: str
    subject: str
    truth: str | None
    """Its label; None where there is none."""
    before: dict[str, Any]
    """The decision of the past, without its link."""
    after: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """The alerts of subjects under both configs, and those of events."""

    before: int
    after: int
    only_before: int
    """Alerts of the past that would not have been raised."""
    only_after: int
    """Alerts that would have been raised besides."""
    earlier: int
    """Subjects whose alert would have come at an earlier post."""
    later: int
    posts: float | None
    """How many posts later on average, among the subjects that have one under both; negative is earlier."""
    interval: Interval | None
    """Of `posts`, by the bootstrap over these subjects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfReport:
    """How the decisions of a past range would have been under another config."""

    events: int
    """Events of the range that were decided under both configs."""
    changed: int
    """Of these, events for which another class would have been decided, or an abstention made or not made."""
    moved: int
    """Of the others, events whose belief, set or reason would have been another."""
    matrix: dict[str, dict[str, int]]
    """Events by what was decided and by what would have been, the class or `abstained`."""
    reasons: dict[str, dict[str, int]]
    """`before` and `after`: abstentions by reason."""
    judged: int
    """Events of the range whose label is known."""
    heard: int
    """Of these, events for which both configs had a belief in some class: `accuracy`, `f1_macro`, `gmean`, `auprc` and
    `error_among_decided` are over them alone."""
    metrics: dict[str, BothFigures]
    alerts: AlertChanges
    only_before: int
    """Events of the range that the other config would have put aside, or decided nothing of."""
    only_after: int
    """Events that were put aside then, and would have been decided."""
    expired: int
    """Events of the range that the topic `events` holds no more."""
    without_link: int
    """Decisions of the range that an older worker wrote: nothing tells where their events stand."""
    examples: list[ChangedEvent] = field(default_factory=list)
    """Some of the changed events."""
