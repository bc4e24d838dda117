"""Times: which dates and times of past events become features, and what of each the model is to see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tocsin.config.schema import TimePart
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.times.reading import feature_milliseconds
from tocsin.streams.replay.inference.profile import Profile
from tocsin.streams.replay.inference.reading.past_rows import ABSENT
from tocsin.streams.replay.inference.words import LATER, TIME, words_of

_HOUR, _DAY = 3_600_000, 86_400_000
"""Milliseconds."""
_LONG_AGO = 5 * 365 * _DAY
"""Of what is this much earlier than the event, such as a birthday, only the age is told."""
_FIRST_WEEKDAY = 3
"""1 January 1970 was a Thursday."""
_ENOUGH_DAYS = {"hour": 3, "weekday": 21}
"""The sample must last this long, or a run of one class would be taken for a habit of the hour or the weekday."""
_GROUPS = {"hour": 8, "weekday": 7}
_DEVIATIONS = 6.0
"""So many standard deviations above its mean, a likelihood ratio is no chance."""
_LATE_SHARE, _ORDERED_SHARE = 0.5, 0.95


class InferredTime(NamedTuple):
    """A time that becomes a feature."""

    parts: tuple[TimePart, ...]
    note: str
    """What is to be said of it."""


def milliseconds_of(values: Sequence[Any]) -> list[int | None] | None:
    """Each value as epoch milliseconds, None where it is missing; None for all where one of them is no time."""
    found: list[int | None] = []
    for value in values:
        missing = value is None or value is ABSENT or value != value
        try:
            found.append(None if missing or isinstance(value, bool) else feature_milliseconds(value))
        except ValueError:
            return None
    return found


def in_order(values: Sequence[Any]) -> bool:
    """Whether nearly all rows stand in the order of these times, and not all at one."""
    known = [value for value in milliseconds_of(values) or () if value is not None]
    steps = [after - before for before, after in pairwise(known)]
    return sum(step >= 0 for step in steps) >= _ORDERED_SHARE * len(steps) and any(steps)


def is_time_feature(profile: Profile) -> bool:
    """Whether a column holds dates or times, by their form, or by its name where they are numbers."""
    named = bool(set(words_of(profile.name)) & (TIME | LATER))
    if profile.nested or not profile.counts or not (profile.looks_like_dates or (named and profile.times is not None)):
        return False
    return milliseconds_of([value for _, value in profile.counts]) is not None


def parts_of(values: Sequence[int | None], of_events: Sequence[int | None] | None) -> InferredTime | str:
    """What a model is to see of a column of times, which may be missing; `of_events` are the times of the rows.

    A text instead says why the column had better be left out.
    """
    known = [value for value in values if value is not None]
    parts: list[TimePart] = [] if all(value % _DAY == 0 for value in known) else ["hour"]
    parts.append("weekday")
    if of_events is not None:
        pairs = zip(values, of_events, strict=True)
        ages = [event - value for value, event in pairs if value is not None and event is not None]
        if ages and sum(age < 0 for age in ages) > _LATE_SHARE * len(ages):
            late = sum(age < 0 for age in ages) / len(ages)
            return (
                f"a time that is later than the event's in {late:.1%} of the rows. Add it to `features` as a "
                "`kind: time` if it is known when the event comes, as a date when something is due"
            )
        parts = ["age"] if ages and sorted(ages)[len(ages) // 2] > _LONG_AGO else [*parts, "age"]
    gone = len(values) - len(known)
    missing = f", {gone / len(values):.1%} missing" if gone else ""
    span = f"from {_shown(min(known))} to {_shown(max(known))}"
    return InferredTime(tuple(parts), f"{span}{missing}; `zone` says where, UTC if left out")


def habits(of_events: Sequence[int | None], labels: Sequence[str | None]) -> tuple[TimePart, ...]:
    """The parts of the events' own times by which the classes differ, more than by chance."""
    known = [(t, label) for t, label in zip(of_events, labels, strict=True) if t is not None and label is not None]
    if not known:
        return ()
    times = np.array([t for t, _ in known], np.int64)
    numbers = {label: i for i, label in enumerate(dict.fromkeys(label for _, label in known))}
    y = np.array([numbers[label] for _, label in known], np.int64)
    days = (times.max() - times.min()) / _DAY
    groups = {"hour": times % _DAY // (3 * _HOUR), "weekday": (times // _DAY + _FIRST_WEEKDAY) % 7}
    found: list[TimePart] = []
    for part in ("hour", "weekday"):
        if days >= _ENOUGH_DAYS[part] and _differ(groups[part], y, _GROUPS[part]):
            found.append(part)
    return tuple(found)


def _differ(groups: Ints, y: Ints, most: int) -> bool:
    """Whether classes differ by group: the likelihood ratio statistic of their table, beside that of chance."""
    classes = int(y.max()) + 1
    table: Floats = np.bincount(groups * classes + y, minlength=most * classes).reshape(most, classes).astype(float)
    table = table[table.any(axis=1)]
    freedom = (len(table) - 1) * (classes - 1)
    if not freedom:
        return False
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    there = table > 0
    ratio = 2.0 * float((table[there] * np.log(table[there] / expected[there])).sum())
    return ratio - freedom > _DEVIATIONS * float(np.sqrt(2.0 * freedom))


def _shown(milliseconds: int) -> str:
    return date.fromordinal(date(1970, 1, 1).toordinal() + milliseconds // _DAY).isoformat()
