from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tocsin.models.data.values import as_number
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.records import Event, Label
from tocsin.streams.wire.schema import EventSchema, UnfitError, read_fields

from ..support import START, record, settings

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


def read(schema: EventSchema, raw: dict[str, Any]) -> Event:
    """An event by the plain reader."""
    values = read_fields(schema.event_fields, raw)
    values[0] = values[0] or "nameless"
    return schema.columns([record(raw)], [values]).event(0)


def test_a_users_own_json_becomes_an_event(schema: EventSchema) -> None:
    raw = {
        "meta": {"uuid": 17, "at": START},
        "account": {"id": "a", "new": True},
        "payment": {"amount": 12},
        "body": {"text": "hi", "other": 1},
    }
    event = read(schema, raw)
    assert event == Event("17", "a", START, {"amount": 12.0, "country": None, "new": True}, "hi")


def test_a_users_own_label_becomes_a_label(schema: EventSchema) -> None:
    raw = {"ref": {"uuid": "e"}, "verdict": "yes", "judged": START, "by": None, "w": None, "event": "not this"}
    assert schema.read_label(raw) == Label(event="e", label="yes", time=START)


@pytest.mark.parametrize("meta", [5, "x", [], {"at": START}, {"uuid": None, "at": START}])
def test_an_id_whose_place_is_missing_is_a_missing_id(tmp_path: Path, meta: Any) -> None:
    schema = EventSchema(settings(tmp_path, schema={"id": "meta.uuid"} | {"features": [{"name": "a"}]}))
    raw = {"meta": meta, "subject": "s", "time": START, "features": {"a": 1}}
    assert read(schema, raw).id == "nameless"


def test_a_mistake_is_told_in_the_configs_own_names(schema: EventSchema) -> None:
    with pytest.raises(UnfitError, match=r"^features\.amount: is missing \(and 1 more\)$"):
        read(schema, {"account": {"id": "a"}, "meta": {"at": START}})
    with pytest.raises(UnfitError, match=r"^features\.new: is missing$"):
        read(schema, {"account": {"id": "a"}, "meta": {"at": START}, "payment": {"amount": None}})


def test_features_may_bear_the_names_of_other_features_fields(tmp_path: Path) -> None:
    features = [{"name": "f1"}, {"name": "f0", "kind": "boolean"}, {"name": "__init__", "kind": "category"}]
    schema = EventSchema(settings(tmp_path, schema={"features": features}))
    raw = {"id": "e", "subject": "s", "time": 0, "features": {"f1": 1, "f0": False, "__init__": "x"}}
    assert read(schema, raw).features == {"f1": 1.0, "f0": False, "__init__": "x"}


def test_text_is_required_only_where_it_is_all_there_is_to_see(tmp_path: Path) -> None:
    base = {"id": "e", "subject": "s", "time": 0}
    alone = EventSchema(settings(tmp_path, schema={"text": "text"}))
    beside = EventSchema(settings(tmp_path, schema={"text": "text", "features": [{"name": "a", "required": False}]}))
    for raw in (base, {**base, "text": None}):
        with pytest.raises(UnfitError, match=r"^text: "):
            read(alone, raw)
        assert read(beside, raw).text is None


def test_the_words_of_every_refusal(tmp_path: Path) -> None:
    """A user mends a producer by these words, and alerts may look for them."""
    features = [{"name": "n"}, {"name": "c", "kind": "category"}, {"name": "f", "kind": "boolean"}]
    config = settings(
        tmp_path, schema={"features": features, "text": "text"}, bounds={"string_length": 16, "text_length": 20}
    )
    features_of: dict[str, Any] = {"n": 1, "c": "x", "f": True}
    good = {"subject": "s", "time": START, "features": features_of}
    long = "x" * 21
    for change, words in (
        ({"id": ""}, "id: must not be empty"),
        ({"id": 1.5}, "id: must be a string or an integer, found the number 1.5"),
        ({"subject": True}, "subject: must be a string or an integer, found true"),
        ({"subject": None}, "subject: must be a string or an integer, found null"),
        ({"subject": long}, "subject: must have at most 16 characters, found 21"),
        ({"subject": 2**63}, "subject: must have at most 16 characters, found 19"),
        ({"time": []}, "time: is no time: give an epoch time (a number) or ISO 8601 (a string), found an array of 0"),
        ({"time": "soon"}, "time: is no time: give an epoch time or ISO 8601, found the string 'soon'"),
        ({"time": -1}, "time: is no time between the years 1970 and 9999, found the number -1; see `schema.time_unit`"),
        ({"text": 5}, "text: must be a string, found the number 5"),
        ({"text": long}, "text: must have at most 20 characters, found 21"),
        ({"features": {}}, "features.n: is missing (and 2 more)"),
        ({"features": {**features_of, "n": "one"}}, "features.n: must be a number, found the string 'one'"),
        ({"features": {**features_of, "n": "1_000"}}, "features.n: must be a number, found the string '1_000'"),
        ({"features": {**features_of, "n": "-inf"}}, "features.n: must be a finite number"),
        ({"features": {**features_of, "n": "9e999"}}, "features.n: must be a finite number"),
        ({"features": {**features_of, "c": 1.5}}, "features.c: must be a string or an integer, found the number 1.5"),
        ({"features": {**features_of, "f": 0}}, "features.f: must be true or false, found the number 0"),
    ):
        with pytest.raises(UnfitError) as found:
            read(EventSchema(config), orjson.loads(orjson.dumps({**good, **change})))
        assert str(found.value) == words


@pytest.mark.parametrize(
    "written", ["12.5", " -3e2 ", "7", "", " ", "nan", "inf", "1e999", "1_000", "12,5", "0x1F", "low"]
)
def test_a_text_in_a_column_of_numbers_is_the_same_number_on_the_wire_as_in_the_models(
    tmp_path: Path, written: str
) -> None:
    decoder = Decoder(EventSchema(settings(tmp_path)))
    sent = record({"subject": "s", "time": START, "features": {"a": written}})
    try:
        expected = as_number("a", written)
    except ValueError:
        with pytest.raises(UnfitError, match=r"features\.a: must be a "):
            decoder.event(sent)
        return
    read_on_the_wire = decoder.batch([decoder.event(sent)]).X[0, 0]
    np.testing.assert_equal(read_on_the_wire, expected)


def test_the_words_of_a_refused_label(tmp_path: Path) -> None:
    schema = EventSchema(settings(tmp_path))
    good = {"event": "e", "label": "yes", "time": START}
    for change, words in (
        ({"event": None}, "record: a label needs `event` (the event's id) or `subject`"),
        ({"label": "maybe"}, "label: 'maybe' is not one of the classes no, yes"),
        ({"label": 1.5}, "label: must be a string or an integer, found the number 1.5"),
        ({"weight": 0}, "weight: must be greater than 0, found the number 0"),
        ({"weight": 1e7}, "weight: must be at most 1000000, found the number 10000000.0"),
        ({"weight": True}, "weight: must be a number, found true"),
    ):
        with pytest.raises(UnfitError) as found:
            schema.read_label({**good, **change})
        assert str(found.value) == words


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "line\nbreak", "nul\0"])
def test_a_feature_of_any_name_is_read(tmp_path: Path, name: str) -> None:
    """A quotation mark in the name of a feature ended every command in a traceback."""
    config = settings(tmp_path, schema={"features": [{"name": name}]})
    found = Decoder(EventSchema(config)).event(record({"subject": "s", "time": START, "features": {name: 3}}))
    assert found.features == {name: 3.0}
