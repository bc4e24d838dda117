"""What a column is taken for, from its name and its values."""

from __future__ import annotations

import datetime
import decimal
import random
from collections.abc import Sequence
from typing import Any

import pytest

from tocsin.streams.replay.inference.infer import Inferred, infer
from tocsin.streams.replay.inference.reading.past_rows import ABSENT, PastRows, Shape

N = 120
LABELS = random.Random(1).choices("xy", k=N)


def inferred(shape: Shape = "table", **columns: Sequence[Any]) -> Inferred:
    """What is made of columns, with one more feature and a label beside them."""
    named = {"other": [(i * 13) % 97 for i in range(N)], "label": LABELS, **columns}
    rows = [{name: v for name, values in named.items() if (v := values[i]) is not ABSENT} for i in range(N)]
    return infer(PastRows("test", shape, iter(rows)), None, 20_000, True)


def kind(name: str, values: Sequence[Any], shape: Shape = "table") -> str:
    """The kind of the feature that a column became, its role, or the first words of why it is left out."""
    found = inferred(shape, **{name: values})
    roles = found.roles
    if name in roles.taken:
        return next(role for role in ("id", "subject", "time", "text") if getattr(roles, role) == name)
    for feature in found.features:
        if feature.name == name:
            return "a time besides the event's" if feature.kind == "time" else feature.kind
    return roles.left_out[name]


def some(*values: Any) -> list[Any]:
    return [values[i % len(values)] for i in range(N)]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("a", some("1", "2.5", "-3e2", ""), "number"),
        ("a", some("1", "2", "NA", "?"), "number"),
        ("a", some("true", "False", ""), "boolean"),
        ("a", some("true", "False", "NA"), "boolean"),
        ("a", some("true", " false"), "category"),
        ("a", some("yes", "no"), "category"),
        ("a", some("red", "green", "NA"), "category"),
        ("zip", some("01234", "99999", "00017"), "category"),
        ("zip_code", some("12345", "99999"), "category"),
        ("count", some("12345", "99999"), "number"),
        ("a", some("5"), "constant"),
        ("a", some(""), "it holds no value"),
        ("a", some("?", "NA"), "it holds no value"),
        ("a", some("1", "2", "3", "n/a", "x"), "category"),
        ("a", [str(i) if i % 9 else "error" for i in range(N)], "mixed: "),
        ("a", some("1,5", "2,25", "3"), "numbers with a comma"),
        ("a", some("inf", "1", "2.5"), "category"),
        ("born", some("17.05.1980", "3.1.1999"), "dates of a form of their own"),
        ("born", some("1950-05-17", "1999-01-03", ""), "a time besides the event's"),
        ("born", some("1950-05-17", "1999-13-03"), "dates of a form of their own"),
        ("version", some("1.2.3.4", "10.0.0.1"), "category"),
        ("payment_id", [f"p{i}" for i in range(N)], "id"),
        ("payment_id", [str(10**30 + i) for i in range(N)], "id"),
        ("big", [str(10**30 + i % 4) for i in range(N)], "category"),
        ("key", [f"{i:032x}" for i in range(N)], "id"),
        ("a", [f"w{i % 110}" for i in range(N)], "nearly an id"),
        ("customer_id", [f"c{i % 20}" for i in range(N)], "subject"),
        ("customer_id", [i % 20 for i in range(N)], "subject"),
        ("user_age", [str(i % 20) for i in range(N)], "number"),
        ("at", [f"2024-01-01 {i % 24:02d}:00:00" for i in range(N)], "time"),
        ("ts", [str(1_700_000_000 + i) for i in range(N)], "time"),
        ("ts", [1_700_000_000_000 + i for i in range(N)], "time"),
        ("ts", [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=i) for i in range(N)], "time"),
        ("day", [datetime.date(2024, 1, 1 + i % 28) for i in range(N)], "time"),
        ("price", [1_700_000_000 + i % 50 for i in range(N)], "number"),
        ("date", some("20240115", "20240116"), "number"),
        ("at", some("2024-01-01", ""), "a time besides the event's"),
        ("body", [f"please do look at number {i} of these" for i in range(N)], "text"),
        ("title", [f"number {i}" for i in range(N)], "text"),
        ("a", some("a fixed sentence of many words", "another one of those it seems"), "category"),
        ("a", ["x" * 600 if i % 2 else "y" for i in range(N)], "it has values of 600 characters"),
        ("a", [decimal.Decimal(i * 7 % N) / 4 for i in range(N)], "number"),
        ("a", some([1, 2], [3]), "it holds lists or objects"),
        ("a", some(b"bytes", b"more"), "it holds lists or objects"),
        ("", some("0", "1"), "nothing names it"),
    ],
)  # fmt: skip
def test_a_column_of_a_table_is_taken_for_what_its_values_are(name: str, values: Sequence[Any], said: str) -> None:
    assert kind(name, values).startswith(said)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("a", some(1, 2.5, None), "number"),
        ("a", some("1", "2"), "number"),
        ("a", some("1", 2, ""), "number"),
        ("a", some(True, False, None), "boolean"),
        ("a", some("true", "false"), "category"),
        ("a", some("x", 1, True), "category"),
        ("a", some("x", 1.5), "mixed"),
        ("a", some("NA", 1), "category"),
        ("order_id", [i * 7 % N + 0.5 for i in range(N)], "number"),
        ("order_id", list(range(N)), "id"),
        ("order", [2.0**70 + (i % 3) * 2.0**30 for i in range(N)], "whole numbers so large"),
        ("account", some("u", "v", "w", None), "category"),  # JSON without a subject would be refused
        ("account", some("u", "v", "w"), "subject"),
        ("at", some("2024-01-01T00:00:00Z", None), "time"),
        ("nested", some({}, {"a": 1}), "it holds lists or objects"),
    ],
)
def test_a_value_of_json_is_taken_for_what_its_type_is(name: str, values: Sequence[Any], said: str) -> None:
    assert kind(name, values, "json").startswith(said)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (list(range(N)), False),
        ([i // 5 / 8 for i in range(N)], False),
        ([i // 20 for i in range(N)], True),  # a few steps are no counter
        ([i if i != 90 else 3 for i in range(N)], True),
        ([N - i for i in range(N)], True),
    ],
)
def test_a_counter_is_left_out_because_no_later_event_has_its_values(values: Sequence[Any], kept: bool) -> None:
    found = inferred(seconds=values)
    assert ("seconds" in [feature.name for feature in found.features]) is kept
    assert kept or found.roles.left_out["seconds"].startswith("it only grows from row to row")


def test_a_key_that_some_events_lack_is_not_required() -> None:
    features = {f.name: f.required for f in inferred("json", a=some(1, 2, ABSENT), b=some(1, None, 3)).features}
    assert features == {"other": True, "a": False, "b": True}


def test_of_several_times_the_events_own_is_the_earliest_and_not_that_of_an_update() -> None:
    columns = {
        "updated_at": some("2024-01-01", "2024-01-02"),
        "paid_at": some("2024-03-01", "2024-03-02"),
        "seen_at": some("2024-02-01", "2024-02-02"),
    }
    found = inferred(**columns)
    assert found.roles.time == "seen_at"
    assert [(feature.name, feature.kind) for feature in found.features] == [("other", "number"), ("updated_at", "time")]
    assert found.roles.left_out["paid_at"].startswith("a time that is later than the event's in 100.0% of the rows")


def test_of_several_texts_the_longest_is_read_and_the_other_named() -> None:
    found = inferred(
        title=[f"title number {i}" for i in range(N)], body=[f"the long text of the body, number {i}" for i in range(N)]
    )
    assert found.roles.text == "body"
    assert found.roles.left_out["title"].startswith("a second text")


def test_spellings_of_one_class_are_one_and_an_empty_cell_is_no_label() -> None:
    found = inferred(label=some("1", "1.0", "0", ""))
    assert found.classes == {"0": 30, "1": 60}
    assert found.unlabelled == 30
    assert list(inferred(label=some("True", "False")).classes) == ["False", "True"]
    assert list(inferred(label=some("10", "9", "x")).classes) == ["9", "10", "x"]
