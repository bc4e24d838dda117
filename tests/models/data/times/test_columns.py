from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config.schema import FeatureSettings, TimePart
from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code
from tocsin.models.data.times.columns import WEEKDAYS, TimeColumns
from tocsin.models.data.times.reading import EARLIEST, LATEST

PARTS: tuple[TimePart, ...] = ("hour", "weekday", "day-of-month", "day-of-year", "age", "days")
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati")


def time(zone: str = "UTC", parts: tuple[TimePart, ...] = PARTS) -> FeatureSettings:
    return FeatureSettings(name="at", kind="time", zone=zone, parts=parts)


def reference(instant: int, of_event: int, zone: str) -> list[float]:
    """The columns of all parts, by Python's own calendar."""
    local = datetime.fromtimestamp(instant / 1000, UTC).astimezone(ZoneInfo(zone))
    midnight = local.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    hour = (local.replace(tzinfo=None) - midnight).total_seconds() / 3600
    of_day, day = 2 * math.pi * hour / 24, local.timetuple().tm_yday
    of_year = 2 * math.pi * (day - 1 + hour / 24) / 365.2425
    return [
        hour, math.sin(of_day), math.cos(of_day), float(category_code(local.strftime("%A"))), local.day,
        day, math.sin(of_year), math.cos(of_year), (of_event - instant) / 86_400_000, instant / 86_400_000,
    ]  # fmt: skip


@given(
    st.lists(st.integers(EARLIEST + 10**8, LATEST - 10**8).map(lambda t: t - t % 1000), min_size=1, max_size=5),
    st.sampled_from(ZONES),
)
def test_columns_are_what_the_calendar_of_the_zone_says(instants: list[int], zone: str) -> None:
    columns = TimeColumns([time(zone)])
    of_events = [1_700_000_000_000 + i for i in range(len(instants))]
    X = columns.expand(Batch.of(np.array(instants, float)[:, None], times=np.array(of_events))).X
    expected = [reference(instant, event, zone) for instant, event in zip(instants, of_events, strict=True)]
    np.testing.assert_allclose(X, expected, rtol=1e-9, atol=1e-9)
    assert len(columns.names) == len(columns.nominal) == X.shape[1]


@pytest.mark.parametrize("zone", ZONES)
def test_the_last_instant_that_can_be_read_has_columns_in_every_zone(zone: str) -> None:
    for instant in (EARLIEST, LATEST):
        X = TimeColumns([time(zone)]).expand(Batch.of(np.array([[float(instant)]]), times=np.ones(1, np.int64))).X
        assert np.isfinite(X).all()


def test_summer_time_moves_the_hour() -> None:
    columns = TimeColumns([time("Europe/Berlin", ("hour",))])
    read = [columns.read("at", 0, text) for text in ("2026-01-01T12:00Z", "2026-07-01T12:00Z", "2026-07-01T12:00")]
    assert columns.expand(Batch.of(np.array(read)[:, None])).X[:, 0].tolist() == [13.0, 14.0, 12.0]


def test_the_first_column_stands_at_the_features_place_and_the_others_behind_all() -> None:
    features = [
        FeatureSettings(name="amount"),
        time(parts=("hour", "weekday")),
        FeatureSettings(name="shop", kind="category"),
    ]
    columns = TimeColumns(features)
    assert columns.names == [
        "amount", "hour of day of at", "shop", "sine of hour of day of at", "cosine of hour of day of at",
        "weekday of at",
    ]  # fmt: skip
    assert columns.nominal == [False, False, True, False, False, True]
    sunday = columns.read("at", 1, "2026-11-29T18:00Z")
    X = columns.expand(Batch.of(np.array([[3.0, sunday, 7.0]]))).X
    assert X[0, :3].tolist() == [3.0, 18.0, 7.0]
    assert columns.category_names[int(X[0, 5])] == "Sunday"
    assert set(columns.category_names.values()) == set(WEEKDAYS)


def test_a_time_that_is_missing_is_missing_in_every_column() -> None:
    columns = TimeColumns([time(), FeatureSettings(name="b")])
    values = [columns.read("at", 0, value) for value in (None, float("nan"), "", "2026-11-29")]
    X = columns.expand(Batch.of(np.array([[v, 1.0] for v in values]), times=np.ones(4, np.int64))).X
    assert np.isnan(np.delete(X[:3], 1, axis=1)).all()
    assert not np.isnan(X[3]).any()


def test_an_event_without_a_time_has_no_age() -> None:
    columns = TimeColumns([time(parts=("age",))])
    assert np.isnan(columns.expand(Batch.of(np.array([[1e12]]))).X).all()


def test_an_error_names_the_feature() -> None:
    with pytest.raises(ValueError, match="feature 'at' is no time"):
        TimeColumns([time()]).read("at", 0, "soon")


def test_without_times_a_batch_stays_as_it_is() -> None:
    batch = Batch.of(np.ones((2, 1)))
    assert TimeColumns([FeatureSettings(name="a")]).expand(batch) is batch


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"X \(1, 3\) is not \[B, 1\]"):
        TimeColumns([time()]).expand(Batch.of(np.zeros((1, 3))))


def test_how_a_batch_is_cut_leaves_the_bits() -> None:
    rng, columns = np.random.default_rng(0), TimeColumns([time("Europe/Berlin")])
    X = rng.integers(EARLIEST, LATEST, (101, 1)).astype(float)
    whole = columns.expand(Batch.of(X)).X
    single: Any = np.concatenate([columns.expand(Batch.of(row[None])).X for row in X])
    assert whole.tobytes() == single.tobytes()
