"""Features that are times: their settings, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.config import Settings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.schema import FeatureSettings, SchemaSettings, columns_in


@pytest.mark.parametrize(
    ("feature", "why"),
    [
        ({"zone": "Europe/Belin"}, "'Europe/Belin' is no time zone such as UTC or Europe/Berlin; did you mean"),
        ({"zone": "../../etc/passwd"}, "is no time zone"),
        ({"zone": "Europe"}, "is no time zone"),
        ({"zone": ""}, "is no time zone"),
        ({"kind": "number", "zone": "Europe/Berlin"}, "`zone` is for times only: 'at' is of kind number"),
        ({"kind": "category", "unit": "seconds"}, "`unit` is for times only: 'at' is of kind category"),
        ({"kind": "boolean", "parts": ["hour"]}, "`parts` is for times only: 'at' is of kind boolean"),
        ({"parts": ["hour", "hour"]}, "a part of the time 'at' is named twice"),
        ({"parts": []}, "at least 1 item"),
        ({"parts": ["minute"]}, "Input should be 'hour', 'weekday', 'day-of-month', 'day-of-year', 'age' or 'days'"),
    ],
)  # fmt: skip
def test_a_wrong_setting_of_a_time_is_refused_with_what_is_wrong(feature: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FeatureSettings(**{"name": "at", "kind": "time", **feature})
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("features", "why"),
    [
        ([{"name": "at", "kind": "time"}, {"name": "weekday of at"}], "'weekday of at' is a part of a time"),
        ([{"name": "at", "kind": "time", "path": "when", "unit": "seconds"}], "'at' is the event's own time: say its"),
    ],
)  # fmt: skip
def test_a_schema_in_which_a_time_is_ambiguous_is_refused(features: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SchemaSettings(time="when", features=features)
    assert why in str(refused.value)


def test_a_time_is_the_events_own_where_it_has_its_path() -> None:
    schema = SchemaSettings(time="a.b", features=[{"name": "at", "kind": "time", "path": "a.b"}, {"name": "b"}])
    assert [schema.is_own_time(feature) for feature in schema.features] == [True, False]


def test_a_named_time_zone_says_the_names_of_no_part_twice() -> None:
    parts: Any = ("hour", "weekday", "day-of-month", "day-of-year", "age", "days")
    names = [column.name for column in columns_in([FeatureSettings(name="{}", kind="time", parts=parts)])]
    assert names[0] == "hour of day of {}"
    assert len(set(names)) == len(names) == 10


def test_the_columns_of_times_count_for_what_the_default_pool_remembers() -> None:
    def window(kind: str) -> int:
        features = [{"name": f"f{i}", "kind": kind} for i in range(900)]
        pool = Settings(schema={"features": features}, classes=["x", "y"]).experts
        return max(expert.window for expert in pool if isinstance(expert, NeighboursSettings))

    assert (window("number"), window("time")) == (2_000, 500)


def test_a_config_without_times_has_the_digest_that_it_had_before_there_were_times() -> None:
    settings = Settings(schema={"features": [{"name": "a"}, {"name": "b", "kind": "category"}]}, classes=["x", "y"])
    said = settings.without_secrets()["schema"]["features"]
    assert said == [
        {"name": "a", "kind": "number", "path": None, "required": True},
        {"name": "b", "kind": "category", "path": None, "required": True},
    ]
