"""Reading a date or a time, in whatever form it comes: one rule for the time of an event and for times as features."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import numpy as np

from tocsin.config.schema import TimeUnit
from tocsin.models.data.values import found

LATEST = 253_402_300_799_999
"""31 December 9999, the last instant that ISO 8601 writes with a year of four digits; epoch milliseconds."""
EARLIEST = -30_610_224_000_000
"""1 January 1000, the earliest instant of a feature; epoch milliseconds."""
_UNITS: dict[str, tuple[int, int]] = {
    "seconds": (1_000, 1), "milliseconds": (1, 1), "microseconds": (1, 1_000), "nanoseconds": (1, 1_000_000),
}  # fmt: skip
"""What a number of each unit is multiplied with, and then divided by, to be milliseconds."""
FIRST_SECONDS, FIRST_MILLISECONDS, FIRST_MICROSECONDS, FIRST_NANOSECONDS = 10**8, 10**11, 10**14, 10**17
"""From which numbers on `auto` takes a time for one of this unit: from March 1973 on each unit has its own numbers.

Below the first of them the time of an event is milliseconds: a counter of a test, or one of the first 27 hours of 1970.
"""
_ZONE_NAME = re.compile(r"\[[^\]]*\]$")
_LEAP_SECOND = re.compile(r"(?<=:\d\d):60(?=[.,Z+-]|$)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING = ("", "nan", "nat")
"""How a text says that there is no time, in lower case."""


def epoch_milliseconds(value: Any, unit: TimeUnit = "auto") -> int:
    """The time of an event as epoch milliseconds, from a number of `unit`, from its digits, or from ISO 8601 (UTC
    without an offset).

    `auto` finds the unit by the size of the number, see `unit_of`. Raises ValueError for anything else, and for an
    instant before 1970 or after the year 9999.

    >>> epoch_milliseconds("2026-11-24T18:00:00Z"), epoch_milliseconds(1795543200), epoch_milliseconds(1795543200.5)
    (1795543200000, 1795543200000, 1795543200500)
    """
    milliseconds = _read(_number_of(value), unit, UTC)
    if not 0 <= milliseconds <= LATEST:
        raise ValueError(f"is no time between the years 1970 and 9999, {found(value)}; see `schema.time_unit`")
    return milliseconds


def feature_milliseconds(value: Any, unit: TimeUnit = "auto", zone: tzinfo = UTC) -> int | None:
    """A time that is a feature, as epoch milliseconds, which are negative before 1970; None where a text is empty or
    says `NaN` or `NaT`.

    It reads what `epoch_milliseconds` reads, and Python's, numpy's and pandas' own dates and times. Without an offset
    it is one of `zone`. Raises ValueError for anything else, for an instant outside the years 1000 to 9999, and under
    `auto` for a number so small that nothing tells its unit.

    >>> feature_milliseconds("1969-12-31T23:00:00Z"), feature_milliseconds("2026-11-24"), feature_milliseconds("")
    (-3600000, 1795478400000, None)
    """
    if isinstance(value, str) and value.strip().lower() in _MISSING:
        return None
    plain = _number_of(_plain(value))
    if unit == "auto" and type(plain) in (int, float) and abs(plain) < FIRST_SECONDS:
        raise ValueError(
            f"is too small a number to tell its unit, {found(value)}: write ISO 8601, or say the feature's `unit`"
        )
    milliseconds = _read(plain, unit, zone)
    if not EARLIEST <= milliseconds <= LATEST:
        raise ValueError(f"is no time between the years 1000 and 9999, {found(value)}; see the feature's `unit`")
    return milliseconds


def unit_of(number: float) -> TimeUnit:
    """The unit in which this number is a time from March 1973 on.

    >>> unit_of(1795543200), unit_of(1795543200000), unit_of(0)
    ('seconds', 'milliseconds', 'milliseconds')
    """
    size = abs(number)
    if size >= FIRST_NANOSECONDS:
        return "nanoseconds"
    if size >= FIRST_MICROSECONDS:
        return "microseconds"
    return "seconds" if FIRST_SECONDS <= size < FIRST_MILLISECONDS else "milliseconds"


def _plain(value: Any) -> Any:
    """A date or time of Python, numpy or pandas as ISO 8601, a number of numpy's as Python's; others as they are."""
    if isinstance(value, date):  # with a time of day or without; pandas' Timestamp is one, too
        return value.isoformat()
    if isinstance(value, np.datetime64):
        return str(value.astype("datetime64[us]"))
    return value.item() if isinstance(value, np.integer | np.floating) else value


def _number_of(value: Any) -> Any:
    """A text of digits as the number that it is; anything else as it stands."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value) else value


def _read(value: Any, unit: TimeUnit, zone: tzinfo) -> int:
    if type(value) in (int, float):
        return _of_number(value, unit)
    if isinstance(value, str):
        return _of_iso(value, zone)
    raise ValueError(f"is no time: give an epoch time (a number) or ISO 8601 (a string), {found(value)}")


def _of_number(value: float, unit: TimeUnit) -> int:
    if not math.isfinite(value):
        raise ValueError("is no time: the number is not finite")
    times, by = _UNITS[unit_of(value) if unit == "auto" else unit]
    return value * times // by if isinstance(value, int) else math.floor(value * times / by + 1e-6)


def _of_iso(text: str, zone: tzinfo) -> int:
    plain = _ZONE_NAME.sub("", text.strip()).upper()
    whole, leap = _LEAP_SECOND.subn(":59", plain)
    try:
        moment = datetime.fromisoformat(whole)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        raise ValueError(f"is no time: give an epoch time or ISO 8601, {found(text)}") from None
    return round(since / timedelta(milliseconds=1)) + 1_000 * leap
