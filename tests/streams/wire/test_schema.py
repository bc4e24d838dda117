from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.streams.wire.schema import EventSchema, walk

from ..support import START, settings

OWN: dict[str, Any] = {
    "id": "meta.uuid",
    "subject": "account.id",
    "time": "meta.at",
    "text": "body.text",
    "features": [
        {"name": "amount", "path": "payment.amount"},
        {"name": "country", "kind": "category", "path": "account.country", "required": False},
        {"name": "new", "kind": "boolean", "path": "account.new"},
    ],
    "label": {"event": "ref.uuid", "label": "verdict", "time": "judged", "source": "by", "weight": "w"},
}


@pytest.fixture
def schema(tmp_path: Path) -> EventSchema:
    return EventSchema(settings(tmp_path, schema=OWN))


def test_a_users_own_json_becomes_an_event(schema: EventSchema) -> None:
    raw = {
        "meta": {"uuid": 17, "at": START},
        "account": {"id": "a", "new": True},
        "payment": {"amount": 12},
        "body": {"text": "hi", "other": 1},
    }
    mapped = schema.map_event(raw)
    assert mapped == {
        "id": 17, "subject": "a", "time": START, "text": "hi", "features": {"amount": 12, "new": True},
    }  # fmt: skip
    event: Any = schema.event_model.model_validate(mapped)
    assert event.id == "17"
    assert event.features.model_dump(by_alias=True) == {"amount": 12.0, "country": None, "new": True}


def test_a_users_own_label_becomes_a_label(schema: EventSchema) -> None:
    raw = {"ref": {"uuid": "e"}, "verdict": "yes", "judged": START, "by": None, "w": None, "event": "not this"}
    assert schema.map_label(raw) == {"event": "e", "label": "yes", "time": START}
    label: Any = schema.label_model.model_validate(schema.map_label(raw))
    assert (label.event, label.subject, label.source, label.weight, label.features) == ("e", None, None, None, None)


@pytest.mark.parametrize("meta", [None, 5, "x", [], {}, {"uuid": None}])
def test_an_id_whose_place_is_missing_is_a_missing_id(schema: EventSchema, meta: Any) -> None:
    assert "id" not in schema.map_event({"meta": meta})


def test_walking_stops_where_no_object_is() -> None:
    raw = {"a": {"b": None, "c": [{"d": 1}], "e": "text"}}
    assert walk(raw, ("a", "b")) == (True, None)
    assert walk(raw, ("a", "b", "x")) == (False, None)
    assert walk(raw, ("a", "c", "0")) == (False, None)
    assert walk(raw, ("a", "e", "t")) == (False, None)
    assert walk(raw, ()) == (True, raw)


def test_a_mistake_is_told_in_the_configs_own_names(schema: EventSchema) -> None:
    with pytest.raises(ValidationError) as found:
        schema.event_model.model_validate(schema.map_event({"account": {"id": "a"}, "meta": {"at": START}}))
    assert {e["loc"] for e in found.value.errors()} == {("features", "amount"), ("features", "new")}


def test_features_may_bear_the_names_of_other_features_fields(tmp_path: Path) -> None:
    features = [{"name": "f1"}, {"name": "f0", "kind": "boolean"}, {"name": "model_dump", "kind": "category"}]
    schema = EventSchema(settings(tmp_path, schema={"features": features}))
    raw = {"id": "e", "subject": "s", "time": 0, "features": {"f1": 1, "f0": False, "model_dump": "x"}}
    event: Any = schema.event_model.model_validate(schema.map_event(raw))
    assert event.features.model_dump(by_alias=True) == {"f1": 1.0, "f0": False, "model_dump": "x"}


def test_text_is_required_only_where_it_is_all_there_is_to_see(tmp_path: Path) -> None:
    base = {"id": "e", "subject": "s", "time": 0}
    alone = EventSchema(settings(tmp_path, schema={"text": "text"}))
    beside = EventSchema(settings(tmp_path, schema={"text": "text", "features": [{"name": "a", "required": False}]}))
    for raw in (base, {**base, "text": None}):
        with pytest.raises(ValidationError):
            alone.event_model.model_validate(alone.map_event(raw))
        beside.event_model.model_validate(beside.map_event(raw))
