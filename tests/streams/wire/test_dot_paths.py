from __future__ import annotations

from typing import Any

import pytest

from tocsin.config.schema import keys_of
from tocsin.streams.wire.dot_paths import put, walk


def test_walking_stops_where_no_object_is() -> None:
    raw = {"a": {"b": None, "c": [{"d": 1}], "e": "text"}}
    assert walk(raw, ("a", "b")) == (True, None)
    assert walk(raw, ("a", "b", "x")) == (False, None)
    assert walk(raw, ("a", "c", "1")) == (False, None)
    assert walk(raw, ("a", "c", "x")) == (False, None)
    assert walk(raw, ("a", "c", "9" * 5_000)) == (False, None)
    assert walk(raw, ("a", "e", "t")) == (False, None)
    assert walk(raw, ()) == (True, raw)


def test_a_number_leads_into_an_array_and_dots_may_belong_to_a_key() -> None:
    raw = {"items": [{"price": 3}], "user.id": "s", "event": {"kind.of": {"a.b": 1}}, "0": {"1": 2}}
    assert walk(raw, keys_of("items.0.price")) == (True, 3)
    assert walk(raw, keys_of("0.1")) == (True, 2)
    assert walk(raw, keys_of("user.id")) == walk(raw, keys_of(r"user\.id")) == (True, "s")
    assert walk(raw, keys_of("event.kind.of.a.b")) == walk(raw, keys_of(r"event.kind\.of.a\.b")) == (True, 1)
    assert walk({"user": {"id": 1}, "user.id": 2}, keys_of("user.id")) == (True, 1)
    assert walk({"user": {"id": 1}, "user.id": 2}, keys_of(r"user\.id")) == (True, 2)


def test_what_is_put_is_found() -> None:
    target: dict[str, Any] = {"a": {"x": 1}}
    put(target, keys_of("a.b.c"), 2)
    put(target, keys_of("d"), 3)
    assert target == {"a": {"x": 1, "b": {"c": 2}}, "d": 3}
    assert walk(target, keys_of("a.b.c")) == (True, 2)


def test_nothing_is_put_through_what_is_no_object() -> None:
    for value in (5, None):
        with pytest.raises((TypeError, AttributeError)):
            put({"a": value}, keys_of("a.b.c"), 1)
