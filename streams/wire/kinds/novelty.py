"""Novel events that are alike, as a review and a worker's telemetry say it."""

from __future__ import annotations

from msgspec import Struct


class NovelGroup(Struct, frozen=True):
    """The group of novel events that one of them belongs to, with this event."""

    group: str
    """Its name: the partition and the offset of the event that began it."""
    events: int
    """Events of it so far."""
    first: int
    """The earliest time of an event of it, epoch milliseconds."""
    last: int
    """The latest one."""
    examples: list[str]
    """The ids of the latest events of it, this one last; none of more than 256 characters."""
    ask: bool
    """Whether a person is asked with this review if the group is a new class: once it has `abstention.novel_ask`
    events, and again whenever it has twice as many as at the last question."""


class NovelGroupsTelemetry(Struct, frozen=True):
    """The groups of novel events in the partitions that a worker has."""

    groups: int
    largest: int
    """Events of the largest one."""
