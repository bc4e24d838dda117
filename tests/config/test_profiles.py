"""Profiles in a config: what a key alone gives, and that a mistake is told with its place and the way out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.config.inputs.profiles import window_of
from tocsin.config.schema import SchemaSettings
from tocsin.config.settings import Settings

FEATURES = [{"name": "amount"}, {"name": "country", "kind": "category"}, {"name": "online", "kind": "boolean"}]


def schema(*profiles: dict[str, Any]) -> SchemaSettings:
    return SchemaSettings(features=FEATURES, profiles=profiles)


def test_a_key_alone_says_something_of_every_number() -> None:
    names = [feature.name for feature in schema({"key": "subject"}).said]
    assert names[:3] == [
        "seconds since last of subject",
        "count of subject over 1h",
        "mean of amount of subject over 1h",
    ]
    assert names[-1] == "ratio of amount of subject over 7d"
    assert len(names) == 1 + 3 * 5
    assert not any("online" in name or "country" in name for name in names)


def test_a_key_that_is_no_feature_is_read_and_not_seen() -> None:
    made = schema({"key": "subject"}, {"key": "country"}, {"key": "terminal", "path": "device.id"}, {"key": "card"})
    assert [(key.name, key.keys) for key in made.keys] == [
        ("terminal", ("device", "id")),
        ("card", ("features", "card")),
    ]
    model = Settings(schema=made).model
    assert [feature.name for feature in model.features[:3]] == ["amount", "country", "online"]
    assert model.features[3:] == made.said


def test_a_path_changes_nothing_of_a_model() -> None:
    one, other = schema({"key": "terminal"}), schema({"key": "terminal", "path": "device.id"})
    assert Settings(schema=one).model.digest() == Settings(schema=other).model.digest()


@pytest.mark.parametrize("text", ["90s", "15m", "1h", "7d", "1 event", "100 events", "100events"])
def test_a_window_is_cut_into_at_most_eight_buckets(text: str) -> None:
    window = window_of(text)
    assert window.reach <= 8
    assert 0 <= window.reach * window.width - window.length < window.width


@pytest.mark.parametrize("text", ["", "1 year", "0d", "-1h", "1.5h", "h", "99999d", "1h\n2h", "١h"])
def test_what_is_no_window_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match=r"1h|longest"):
        schema({"key": "subject", "windows": [text]})


@pytest.mark.parametrize(
    ("profiles", "wrong"),
    [
        ([{"key": "subject"}, {"key": "subject"}], "two profiles have the key 'subject'"),
        ([{"key": "amount"}], "a key is a category"),
        ([{"key": "country", "path": "x"}], "leave `path` out"),
        ([{"key": "subject", "of": ["online"]}], "'online' is no feature of `kind: number`"),
        ([{"key": "subject", "distinct": ["amount"]}], "neither a feature of `kind: category` nor the key"),
        ([{"key": "subject", "share": ["shop"]}], "neither a feature of `kind: category` nor the key"),
        ([{"key": "subject", "windows": ["1h", "1h"]}], "named twice"),
        ([{"key": "subject", "windows": []}], "name at least one"),
        ([{"key": "subject", "say": []}], "it says nothing"),
        ([{"key": "s" * 120}], "more than 128 characters"),
        ([{"key": "subject", "say": ["median"]}], "Input should be"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(profiles: list[dict[str, Any]], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        schema(*profiles)


def test_more_columns_than_may_be_are_refused() -> None:
    numbers = [{"name": f"n{i}"} for i in range(100)]
    with pytest.raises(ValidationError, match="name the numbers in `of`"):
        SchemaSettings(features=numbers, profiles=[{"key": "subject"}])


def test_a_feature_with_the_name_of_a_column_is_refused() -> None:
    with pytest.raises(ValidationError, match="give the feature another name"):
        SchemaSettings(features=[{"name": "count of subject over 1h"}], profiles=[{"key": "subject"}])


def test_a_rate_of_a_class_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="'theft' is not one of `classes`"):
        Settings(schema=schema({"key": "subject", "rate": ["theft"]}), classes=["ok", "fraud"])


def test_two_columns_of_one_name_are_refused() -> None:
    """One of the two was lost in decisions and rebuilds, and nobody was told."""
    with pytest.raises(ValidationError, match="two of their columns are named 'distinct c of y of z over 1d'"):
        SchemaSettings(
            features=[{"name": "c", "kind": "category"}, {"name": "c of y", "kind": "category"}],
            profiles=[
                {"key": "y of z", "path": "a", "windows": ["1d"], "say": ["count"], "distinct": ["c"]},
                {"key": "z", "path": "b", "windows": ["1d"], "say": ["count"], "distinct": ["c of y"]},
            ],
        )
