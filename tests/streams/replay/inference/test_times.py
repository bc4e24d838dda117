"""Which dates and times become features, and what of each the model is to see."""

from __future__ import annotations

import datetime
import random
from collections.abc import Sequence
from typing import Any

import pytest

from tocsin.streams.replay.inference.document import written
from tocsin.streams.replay.inference.features import InferredFeature
from tocsin.streams.replay.inference.infer import Inferred, infer
from tocsin.streams.replay.inference.reading.past_rows import PastRows, Shape
from tocsin.streams.replay.inference.self_check import settings_of

N = 1_000
START = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
MOMENTS = [START + datetime.timedelta(hours=1.7 * i) for i in range(N)]
LABELS = random.Random(1).choices(["good", "fraud"], k=N)
AT_NIGHT = ["fraud" if moment.hour < 6 else label for moment, label in zip(MOMENTS, LABELS, strict=True)]
SUNDAYS = ["fraud" if moment.weekday() == 6 else label for moment, label in zip(MOMENTS, LABELS, strict=True)]


def inferred(labels: Sequence[str] = LABELS, shape: Shape = "table", **columns: Sequence[Any]) -> Inferred:
    named = {"at": [m.isoformat() for m in MOMENTS], "a": [i * 13 % 97 for i in range(N)], **columns, "label": labels}
    rows = [{name: values[i] for name, values in named.items()} for i in range(N)]
    return infer(PastRows("test", shape, iter(rows)), None, 20_000, True)


def feature(found: Inferred, name: str) -> InferredFeature:
    return next(feature for feature in found.features if feature.name == name)


def before(**gap: float) -> list[datetime.datetime]:
    rng = random.Random(2)
    return [moment - rng.random() * datetime.timedelta(**gap) for moment in MOMENTS]


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ([m.isoformat() for m in before(days=90)], ("hour", "weekday", "age")),
        ([m.date().isoformat() for m in before(days=90)], ("weekday", "age")),
        ([m.date().isoformat() for m in before(days=30_000)], ("age",)),
        ([m.timestamp() for m in before(days=90)], ("hour", "weekday", "age")),
    ],
)
def test_of_a_time_those_parts_are_proposed_that_say_something(values: Sequence[Any], parts: tuple[str, ...]) -> None:
    found = feature(inferred(opened_at=values), "opened_at")
    assert (found.kind, found.parts) == ("time", parts)
    assert found.note.startswith("from ")


def test_without_a_time_of_the_event_there_is_no_age() -> None:
    rows = [
        {"born": f"19{50 + i % 40}-05-01", "made": "2020-01-01" if i % 2 else "", "label": LABELS[i]} for i in range(N)
    ]
    found = infer(PastRows("test", "table", iter(rows)), None, 20_000, True)
    assert found.roles.time is None
    assert [(one.name, one.parts) for one in found.features] == [("born", ("weekday",)), ("made", ("weekday",))]


def test_a_time_that_is_known_only_later_is_left_out() -> None:
    found = inferred(settled_at=[(m + datetime.timedelta(days=2)).isoformat() for m in MOMENTS])
    assert found.roles.left_out["settled_at"].startswith("a time that is later than the event's in 100.0% of the rows.")


def test_numbers_are_times_only_by_their_name() -> None:
    seconds = [int(m.timestamp()) for m in before(days=90)]
    found = inferred(opened_at=seconds, price=seconds)
    assert (feature(found, "opened_at").kind, feature(found, "price").kind) == ("time", "number")


def test_a_time_that_says_the_label_is_left_out_as_a_leak() -> None:
    blocked = [m.isoformat() if label == "fraud" else "" for m, label in zip(before(days=1), LABELS, strict=True)]
    assert inferred(blocked_at=blocked).roles.left_out["blocked_at"].startswith("suspicious, it leaks the label")


def test_the_time_in_whose_order_the_rows_stand_is_the_events_own() -> None:
    """An account is opened before it pays, so the earliest time would be the wrong one."""
    assert inferred(opened_at=[m.isoformat() for m in before(days=90)]).roles.time == "at"


@pytest.mark.parametrize(
    ("labels", "parts"), [(LABELS, None), (AT_NIGHT, ("hour",)), (SUNDAYS, ("weekday",))], ids=["no", "night", "sunday"]
)
@pytest.mark.parametrize("shape", ["table", "json"])
def test_the_events_own_time_is_a_feature_where_classes_differ_by_it(
    shape: Shape, labels: Sequence[str], parts: tuple[str, ...] | None
) -> None:
    found = inferred(labels, shape)
    assert found.roles.time == "at"
    own = [one for one in found.features if one.name == "at"]
    assert [one.parts for one in own] == ([] if parts is None else [parts])
    schema = settings_of(written(found, "past", None, "utf-8")).schema_
    assert [schema.is_own_time(one) for one in schema.features if one.kind == "time"] == [True] * len(own)


def test_a_run_of_one_class_is_not_taken_for_a_habit_of_the_hour() -> None:
    """A sample of one day has each hour once: a burst of fraud in the afternoon says nothing of afternoons."""
    columns = {"at": [(START + datetime.timedelta(minutes=i)).isoformat() for i in range(N)]}
    found = inferred(["fraud" if 300 < i < 500 else "good" for i in range(N)], **columns)
    assert [one.name for one in found.features] == ["a"]


def test_the_config_says_kind_and_parts_and_reads_its_own_file() -> None:
    text = written(inferred(opened=[m.date().isoformat() for m in before(days=90)]), "past", None, "utf-8")
    assert "- {name: opened, kind: time, parts: [weekday, age]}" in text
