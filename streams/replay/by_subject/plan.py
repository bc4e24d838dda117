"""Plan: which label each subject of a source has, and when it comes.

A source has a label with each of its events. Where no two events of one subject have different ones, they are labels of
subjects. Then each subject is labelled once, when it is closed: its last event is decided, and as many more events as
`replay.label_delay` says, or with `replay.label_delay_hours` so much of their time has gone by. Where
`replay.label_time` says at which column or path the label's own time stands, the label comes at that time, but not
before the last event. The labels that are left at the end come then.

Where events of one subject have different labels they are labels of events: each comes for its own event, as in any
replay, and a subject counts as of a class that raises alerts where one of its events is of that class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from tocsin.config.schema import keys_of
from tocsin.config.settings import Settings
from tocsin.streams.replay.past_event import PastEvent, as_json, in_unit
from tocsin.streams.wire.dot_paths import put

HOUR = 3_600_000
"""Milliseconds."""


@dataclass(slots=True)
class PlannedSubject:
    """One subject of a source."""

    first: int
    """The number of its first event, counted from 0."""
    last: int
    """The number of its last event."""
    label: str | None
    """Its class by the name of today; None where no event has a label."""
    last_time: int
    """The time of its last event, epoch milliseconds."""
    label_time: int | None
    """When its label came, where the source says so."""
    key: bytes
    """The Kafka key of its events."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The subjects of a source, by name, in the order in which they begin."""

    subjects: dict[str, PlannedSubject]
    of_events: bool
    """Whether labels are those of events, because two of one subject differ."""


def make_plan(settings: Settings, source: Iterable[PastEvent]) -> Plan | None:
    """The plan of a source; None where early risk is off, no subject has two events, or there are more subjects than
    `bounds.subjects`. Raises SourceError."""
    if not settings.early_risk.classes or isinstance(source, Iterator):
        return None
    found: dict[str, PlannedSubject] = {}
    differ, several = False, False
    for number, past in enumerate(source):
        label = None if past.label is None else settings.class_map.get(past.label, past.label)
        one = found.get(past.subject)
        if one is None:
            if len(found) >= settings.bounds.subjects:
                return None
            found[past.subject] = PlannedSubject(number, number, label, past.time, past.labelled_at, past.key)
            continue
        several = True
        differ |= label is not None and one.label is not None and label != one.label
        one.label = _of_both(settings, one.label, label)
        one.last, one.last_time = number, max(one.last_time, past.time)
        if past.labelled_at is not None:
            one.label_time = max(past.labelled_at, one.label_time or 0)
    return Plan(found, differ) if several else None


def _of_both(settings: Settings, before: str | None, label: str | None) -> str | None:
    """The label of a subject with a further event: of two that differ the one that raises alerts, else the latter."""
    if label is None or before in settings.early_risk.classes:
        return before
    return label


class DueSubjects:
    """Which subjects' labels are due before each event of the source."""

    def __init__(self, settings: Settings, plan: Plan, label_delay: int) -> None:
        self._hours = settings.replay.label_delay_hours
        self._delay = label_delay
        self._closed_by = _by_last(plan)
        self._by_number: list[tuple[int, int, str]] = []
        self._by_time: list[tuple[int, int, str]] = []
        self._plan = plan

    def before(self, number: int, time: int) -> list[str]:
        """The subjects whose labels come before the event of this number, which is of this time (epoch ms)."""
        due = [heappop(self._by_number) for _ in _while(self._by_number, number)]
        due += [heappop(self._by_time) for _ in _while(self._by_time, time)]
        return [name for _, _, name in due]

    def after(self, number: int) -> None:
        """The event of this number is decided: its subject may be closed."""
        name = self._closed_by.pop(number, None)
        if name is None:
            return
        one = self._plan.subjects[name]
        if one.label is None:
            return
        if one.label_time is not None:
            heappush(self._by_time, (max(one.label_time, one.last_time), number, name))
        elif self._hours is not None:
            heappush(self._by_time, (one.last_time + int(self._hours * HOUR), number, name))
        else:
            heappush(self._by_number, (number + 1 + self._delay, number, name))

    def rest(self) -> list[str]:
        """The subjects whose labels come after all events."""
        left = [*sorted(self._by_number), *sorted(self._by_time)]
        self._by_number, self._by_time = [], []
        return [name for _, _, name in left]


def _by_last(plan: Plan) -> dict[int, str]:
    return {one.last: name for name, one in plan.subjects.items()}


def _while(heap: list[tuple[int, int, str]], most: int) -> Iterator[None]:
    """As often as the least of the heap, from which the loop takes it, is not above `most`."""
    while heap and heap[0][0] <= most:
        yield


def subject_label(settings: Settings, name: str, one: PlannedSubject) -> bytes:
    """The label of a subject as a record of the topic `labels`, in the shape that the config's schema reads."""
    paths = settings.schema_.label
    time = max(one.label_time or 0, one.last_time)
    record: dict[str, Any] = {}
    for path, value in (
        (paths.subject, name),
        (paths.label, one.label),
        (paths.time, in_unit(time, settings.schema_.time_unit)),
    ):
        put(record, keys_of(path), value)
    return as_json(record)
