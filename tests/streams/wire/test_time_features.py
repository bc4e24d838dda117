"""Times as features: read from an event, kept until its label comes, and taught as they were read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.wire.compiled import NotTakenError, compiled
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.packed.events import event_of, packed_alone
from tocsin.streams.wire.records import Event
from tocsin.streams.wire.schema import EventSchema, UnfitError, read_fields

from ..support import START, record, settings

FEATURES: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "opened", "kind": "time", "zone": "Europe/Berlin", "required": False},
    {"name": "at", "kind": "time", "path": "time"},
]


def decoder(tmp_path: Path, features: list[dict[str, Any]], **schema: Any) -> Decoder:
    return Decoder(EventSchema(settings(tmp_path, schema={"features": features, **schema})))


def raw(**more: Any) -> dict[str, Any]:
    features = {"a": 1.0, "opened": "2023-11-14T23:13:20"} | more.pop("features", {})
    return {"id": "e", "subject": "s", "time": START, "features": features, **more}


def test_a_time_and_the_events_own_time_are_read_as_epoch_milliseconds(tmp_path: Path) -> None:
    event = decoder(tmp_path, FEATURES).event(record(raw()))
    assert event.features == {"a": 1.0, "opened": START, "at": START}  # 22:13:20 UTC is 23:13:20 in Berlin


def test_the_events_own_time_is_read_once_so_that_the_fast_decoder_still_reads_all(tmp_path: Path) -> None:
    schema = EventSchema(settings(tmp_path, schema={"features": FEATURES}))
    fast = compiled(schema.event_fields, 10)
    assert fast is not None
    assert fast(orjson.dumps(raw())) == read_fields(schema.event_fields, raw()) == ["e", "s", START, 1.0, START]


def test_an_event_without_a_time_has_that_of_its_record_as_its_own(tmp_path: Path) -> None:
    without = {key: value for key, value in raw().items() if key != "time"}
    event = decoder(tmp_path, FEATURES).event(record(without))
    assert event.time == event.features["at"] == START


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("soon", "features.opened: is no time: give an epoch time or ISO 8601, found the string 'soon'"),
        ([1], "features.opened: is no time: give an epoch time (a number) or ISO 8601 (a string), found an array of 1"),
        (True, "features.opened: is no time: give an epoch time (a number) or ISO 8601 (a string), found true"),
        (20231114, "features.opened: is too small a number to tell its unit, found the number 20231114: "),
    ],
)
def test_a_value_that_is_no_time_makes_a_dead_letter_that_names_the_feature(
    tmp_path: Path, value: Any, why: str
) -> None:
    with pytest.raises(UnfitError) as refused:
        decoder(tmp_path, FEATURES).event(record(raw(features={"opened": value})))
    assert str(refused.value).startswith(why)
    assert refused.value.kind == "invalid"


@pytest.mark.parametrize("value", [None, "", "NaT"])
def test_a_time_may_be_missing(tmp_path: Path, value: Any) -> None:
    assert decoder(tmp_path, FEATURES).event(record(raw(features={"opened": value}))).features["opened"] is None


@given(
    st.sampled_from(["auto", "seconds", "milliseconds", "microseconds", "nanoseconds"]),
    st.none()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.datetimes().map(lambda t: t.isoformat())
    | st.dates().map(lambda d: d.isoformat())
    | st.integers(-(10**15), 10**15).map(str)
    | st.text(max_size=3),
)
def test_the_fast_decoder_gives_what_the_plain_reader_gives(unit: str, value: Any) -> None:
    feature = {"name": "opened", "kind": "time", "unit": unit, "zone": "America/St_Johns"}
    schema = EventSchema(settings(Path("/tmp"), schema={"features": [feature]}))
    event = {"subject": "s", "features": {"opened": value}}
    fast = compiled(schema.event_fields, 10)
    assert fast is not None
    try:
        found = fast(orjson.dumps(event))
    except (NotTakenError, TypeError):
        return
    plain = read_fields(schema.event_fields, orjson.loads(orjson.dumps(event)))
    assert found == plain
    assert [type(one) for one in found] == [type(one) for one in plain]


def test_a_kept_time_comes_back_to_the_millisecond(tmp_path: Path) -> None:
    read = decoder(tmp_path, FEATURES)
    for opened in (None, -62_135_596_799_999, 253_402_300_799_999):
        event = Event("e", "s", START, {"a": 1.0, "opened": opened, "at": START})
        assert event_of(read.layout, packed_alone(event, read.layout, 0, None)) == event


def test_a_kept_time_is_not_read_a_second_time_in_another_unit(tmp_path: Path) -> None:
    seconds = [{"name": "opened", "kind": "time", "unit": "seconds"}]
    read = decoder(tmp_path, seconds)
    event = read.event(record(raw(features={"opened": START // 1000})))
    assert read.refitted(event)[0].features == {"opened": START}
    number = Event("e", "s", START, {"opened": float(START // 1000)})  # as a config knew it for which it was a number
    assert read.refitted(number)[0].features == {"opened": START}


def test_a_time_that_a_config_adds_later_is_the_events_own_or_not_known(tmp_path: Path) -> None:
    old = Event("e", "s", START, {"a": 1.0})
    event, unfit = decoder(tmp_path, FEATURES).refitted(old)
    assert (event.features, unfit) == ({"a": 1.0, "opened": None, "at": START}, 0)


def test_a_label_with_a_time_of_its_own_does_not_bring_features_by_that(tmp_path: Path) -> None:
    read = decoder(tmp_path, [{"name": "at", "kind": "time", "path": "time"}, {"name": "b", "required": False}])
    label = {"event": "e", "label": "yes", "time": START}
    assert read.label(record(label)).features is None
    brought = read.label(record({**label, "features": {"b": 2.0}})).features
    assert brought == {"at": START, "b": 2.0}
