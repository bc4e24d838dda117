from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from tocsin.models.data.times.reading import EARLIEST, LATEST, epoch_milliseconds, feature_milliseconds

NOON = 1_782_907_200_000
"""1 July 2026, 12:00 UTC."""
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "value",
    [
        "2026-07-01T12:00:00Z", "2026-07-01T14:00+02:00", "2026-07-01 12:00", "20260701T120000", NOON, NOON // 1000,
        str(NOON), NOON * 1000, NOON * 10**6, NOON / 1000,
        datetime.datetime(2026, 7, 1, 12), datetime.datetime(2026, 7, 1, 14, tzinfo=BERLIN),
        np.datetime64("2026-07-01T12:00"), pd.Timestamp("2026-07-01T12:00Z"), np.int64(NOON), np.float64(NOON),
    ],
)  # fmt: skip
def test_a_time_is_read_in_whatever_form_it_comes(value: Any) -> None:
    assert feature_milliseconds(value) == NOON


@pytest.mark.parametrize("value", ["2026-07-01T12:00:00Z", "2026-07-01T14:00+02:00", NOON, NOON // 1000, str(NOON)])
def test_a_feature_reads_what_the_events_own_time_reads(value: Any) -> None:
    assert feature_milliseconds(value) == epoch_milliseconds(value) == NOON


def test_without_an_offset_it_is_a_time_of_the_features_zone() -> None:
    assert feature_milliseconds("2026-07-01T14:00", zone=BERLIN) == NOON
    assert feature_milliseconds(datetime.date(2026, 7, 1), zone=BERLIN) == NOON - 14 * 3_600_000
    assert feature_milliseconds("2026-07-01T12:00:00Z", zone=BERLIN) == NOON


@pytest.mark.parametrize("value", ["", "  ", "nan", "NaT"])
def test_a_text_may_say_that_there_is_no_time(value: str) -> None:
    assert feature_milliseconds(value) is None


def test_a_birthday_before_1970_is_a_time() -> None:
    assert feature_milliseconds("1958-03-01") == -373_593_600_000
    assert feature_milliseconds("1000-01-01") == EARLIEST
    assert feature_milliseconds("9999-12-31T23:59:59.999Z") == LATEST


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("yesterday", "give an epoch time or ISO 8601, found the string 'yesterday'"),
        ("2026-02-30", "give an epoch time or ISO 8601"),
        ("0001-01-01T00:00+14:00", "between the years 1000 and 9999"),
        (True, "give an epoch time .a number. or ISO 8601 .a string., found true"),
        ([1], "found an array of 1"),
        (float("inf"), "the number is not finite"),
        ("0999-12-31", "between the years 1000 and 9999"),
        (10**17, None),
        (10**22, "between the years 1000 and 9999"),
    ],
)
def test_what_is_no_time_is_refused_with_what_to_give(value: Any, why: str | None) -> None:
    if why is None:
        assert feature_milliseconds(value) == 10**11
        return
    with pytest.raises(ValueError, match=why):
        feature_milliseconds(value)


@pytest.mark.parametrize("value", [20260701, "20260701", 12, 0, -5, 99_999_999.5])
def test_a_date_written_as_a_number_is_not_taken_for_a_time_of_1970(value: Any) -> None:
    with pytest.raises(ValueError, match=r"too small a number to tell its unit.*say the feature's `unit`"):
        feature_milliseconds(value)
    assert feature_milliseconds(value, "seconds") is not None
