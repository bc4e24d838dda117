"""The columns that the features of an event become: one each, and several for a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from tocsin.config.schema import FeatureSettings, TimePart, columns_in
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.features import category_code
from tocsin.models.data.frames import is_missing
from tocsin.models.data.times.reading import LATEST, feature_milliseconds

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CODES = np.array([category_code(name) for name in WEEKDAYS], np.float64)
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
"""Milliseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_WEEKDAY = 3
"""1 January 1970 was a Thursday."""
_YEAR = 365.2425
"""Days of a year on average."""
_DECIMALS = 12
"""Sine and cosine are rounded to so many, because their last bits differ from one kind of CPU to the next, and all
workers must see the same."""


class Clock(NamedTuple):
    """What the clock and the calendar of a time zone say at N instants, and how long each was before its event."""

    hour: Floats
    """Since midnight, with the fraction."""
    day: Ints
    """Since 1 January 1970."""
    days: Floats
    """Since 1970 in UTC, with the fraction."""
    age: Floats
    """Days from the instant to the event's own time; NaN where that is not known."""


class TimeColumns:
    """Makes the columns of X from the declared features of events.

    A feature that is a time has its first column at its own place, and the others behind those of all features.

    >>> columns = TimeColumns((FeatureSettings(name="amount"), FeatureSettings(name="at", kind="time", parts=["age"])))
    >>> columns.names
    ['amount', 'days since at']
    """

    def __init__(self, features: Sequence[FeatureSettings] = ()) -> None:
        columns = columns_in(features)
        self.names = [column.name for column in columns]
        self.nominal = [column.is_category for column in columns]
        """Which columns are categories."""
        self.features = {feature.name: place for place, feature in enumerate(features)}
        """The place of each declared feature."""
        self._times = {place: feature for place, feature in enumerate(features) if feature.kind == "time"}
        self._read = {
            place: partial(feature_milliseconds, unit=time.unit, zone=ZoneInfo(time.zone))
            for place, time in self._times.items()
        }
        with_names = any("weekday" in time.parts for time in self._times.values())
        self.category_names = dict(zip(map(int, _CODES), WEEKDAYS, strict=True)) if with_names else {}
        """The names behind the codes of weekdays."""

    def is_time(self, place: int) -> bool:
        """Whether the feature at this place is a time."""
        return place in self._times

    def read(self, name: object, place: int, value: Any) -> float:
        """A value of the time at this place as epoch milliseconds, NaN for one that is missing.

        Raises ValueError, which names the feature.
        """
        if is_missing(value):
            return np.nan
        try:
            milliseconds = self._read[place](value)
        except ValueError as error:
            raise ValueError(f"feature {name!r} {error}") from None
        return np.nan if milliseconds is None else float(milliseconds)

    def expand(self, batch: Batch) -> Batch:
        """The events with all columns: float64 [B, columns] from [B, features], in which times are epoch milliseconds.

        Raises ValueError where the events have another number of features.
        """
        if not self._times:
            return batch
        if batch.X.shape[1] != len(self.features):
            raise ValueError(f"X {batch.X.shape} is not [B, {len(self.features)}]")
        X = np.full((len(batch), len(self.names)), np.nan)
        X[:, : len(self.features)] = batch.X
        behind = len(self.features)
        for place, time in self._times.items():
            columns = _columns(time, batch.X[:, place], batch.times)
            X[:, place] = columns[0]
            for column in columns[1:]:
                X[:, behind] = column
                behind += 1
        return replace(batch, X=X)


def _columns(time: FeatureSettings, instants: Floats, of_events: Ints) -> list[Floats]:
    """The columns [B] of a time whose values are epoch milliseconds [B], NaN where it is not known."""
    known = np.flatnonzero(~np.isnan(instants))
    clock = _clock(instants[known].astype(np.int64), of_events[known], ZoneInfo(time.zone))
    columns = []
    for part in time.parts:
        for values in _part(part, clock):
            column = np.full(len(instants), np.nan)
            column[known] = values
            columns.append(column)
    return columns


def _clock(instants: Ints, of_events: Ints, zone: ZoneInfo) -> Clock:
    local = instants + _offsets(instants, zone)
    # An event without a time has 0, which a model in a notebook or a test sees.
    age = np.where(of_events != 0, (of_events - instants) / _DAY, np.nan)
    return Clock(local % _DAY / _HOUR, local // _DAY, instants / _DAY, age)


def _offsets(instants: Ints, zone: ZoneInfo) -> Ints:
    """The zone's offset from UTC at each instant, in milliseconds."""
    if zone.key == "UTC":
        return np.zeros(len(instants), np.int64)
    # A day before the end of the year 9999, Python still has a date for every zone.
    minutes = np.minimum(instants, LATEST - _DAY) // _MINUTE
    return np.array([_offset(minute, zone) for minute in minutes.tolist()], np.int64)


@lru_cache(maxsize=65_536)  # the times of a stream are near to one another, or are days
def _offset(minute: int, zone: ZoneInfo) -> int:
    """The zone's offset from UTC, in milliseconds, at the beginning of a minute that is counted from 1970."""
    offset = (_EPOCH + timedelta(minutes=minute)).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1_000)


def _part(part: TimePart, clock: Clock) -> tuple[Floats, ...]:
    """The columns of one part of a time."""
    day = clock.day.astype("datetime64[D]")
    match part:
        case "hour":
            return clock.hour, *_circle(clock.hour / 24)
        case "weekday":
            return (_CODES[(clock.day + _FIRST_WEEKDAY) % 7],)
        case "day-of-month":
            return ((day - day.astype("datetime64[M]")).astype(np.float64) + 1,)
        case "day-of-year":
            number = (day - day.astype("datetime64[Y]")).astype(np.float64) + 1
            return number, *_circle((number - 1 + clock.hour / 24) / _YEAR)
        case "age":
            return (clock.age,)
        case "days":
            return (clock.days,)


def _circle(turns: Floats) -> tuple[Floats, Floats]:
    """Sine and cosine of so many turns."""
    sine: Floats = np.sin(2 * np.pi * turns)
    cosine: Floats = np.cos(2 * np.pi * turns)
    return sine.round(_DECIMALS), cosine.round(_DECIMALS)
