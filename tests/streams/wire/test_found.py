"""What producers really send is taken where its meaning is beyond doubt, and named where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tocsin.config import Settings
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.event_columns import is_again
from tocsin.streams.wire.schema import EventSchema, UnfitError
from tocsin.streams.wire.values import Spellings

from ..support import START, record, settings


def decoder(tmp_path: Path, **changes: Any) -> Decoder:
    return Decoder(EventSchema(settings(tmp_path, **changes)))


RAW = orjson.dumps({"id": "e", "subject": "s", "time": START, "features": {"a": 1, "b": None}})
LABEL = orjson.dumps({"event": "e", "label": "yes", "time": START})


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"\0\0\0\0\x07" + RAW, "a schema registry's framing (a zero byte and the schema's number, 7)"),
        (b"\0\0\0\1\x02\x08abcd", "the schema's number, 258"), (b"\x1f\x8b\x08\0", "gzip"), (b"", "it is empty"),
        (RAW.decode().encode("utf-16"), "UTF-16"), (b"Obj\x01abc", "Avro"), (b"  \n", "it is empty"),
        (orjson.dumps(RAW.decode()), "encoded twice"), (b"[" + RAW + b"]", "a JSON array of 1"),
        (b"null", "found null"), (b"17", "found the number 17"), (b"true", "found true"), (RAW + b"\0", "not JSON"),
        (b'{"id": "\xff"}', "not JSON in UTF-8"), (b'{"id": "\xed\xa0\xbd"}', "not JSON in UTF-8"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_named(tmp_path: Path, sent: bytes, words: str) -> None:
    for read in (decoder(tmp_path).event, decoder(tmp_path).label):
        with pytest.raises(UnfitError) as found:
            read(record(sent))
        assert found.value.kind == "not-json"
        assert words in str(found.value)


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    assert decoder(tmp_path).event(record(b"\xef\xbb\xbf" + RAW)).id == "e"
    assert decoder(tmp_path).label(record(b"\xef\xbb\xbf" + LABEL)).event == "e"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb"caf\ud83d", "caf\ufffd"), (rb"\ude00x", "\ufffdx"), (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\\ud83d", r"\ud83d"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"), (rb"\\\ud83d", "\\\ufffd"), (rb"\uD83Dn", "\ufffdn"),
    ],
)  # fmt: skip
def test_half_a_character_becomes_the_replacement_character_and_nothing_else_changes(
    tmp_path: Path, sent: bytes, read: str
) -> None:
    # A lone half beside it makes the record one that a strict parser refuses.
    value = b'{"subject": "s", "time": %d, "note": "' % START + sent + rb'-\ud83d"}'
    reader = decoder(tmp_path, schema={"text": "note"}, experts=[{"kind": "linear-text"}])
    assert reader.event(record(value)).text == f"{read}-\ufffd"


@pytest.mark.parametrize("field", ["id", "subject", "event", "source", "label"])
def test_two_names_that_differ_in_half_a_character_are_not_taken_for_one(tmp_path: Path, field: str) -> None:
    read = decoder(tmp_path, classes=())
    whole, take = (LABEL, read.label) if field in ("event", "source", "label") else (RAW, read.event)
    for half in (r"x\ud800", r"x\ud801", r"x\udc00", r"\ud83dx"):
        sent = whole[:-1] + f', "{field}": "{half}"}}'.encode()  # of a key that stands twice the last one counts
        with pytest.raises(UnfitError, match=rf"{field}: holds half a character \(\\u[0-9a-f]{{4}}, at [01]\)") as told:
            take(record(sent))
        assert told.value.kind == "invalid"
        str(told.value).encode()  # it goes into a dead letter


def test_a_record_with_half_a_character_is_read_as_any_other(tmp_path: Path) -> None:
    read = decoder(tmp_path, schema={"features": [{"name": "a"}], "text": "note"})
    for number, value in ((b"1e3", 1_000.0), (b"18446744073709551616", 2.0**64), (b"-0", 0.0), (b"1.5", 1.5)):
        sent = (
            b'{"subject": 7, "time": %d, "features": {"a": ' % START + number + rb'}, "note": "\ud800", "\udfff": null}'
        )
        event = read.event(record(sent))
        assert (event.subject, event.features["a"], event.text) == ("7", value, "\ufffd")
    for no_json in (
        rb'{"note": "\ud800", "a": NaN}',
        rb'{"note": "\ud800"',
        rb'{"note": "\ud800\x"}',
        b'{"n": "\xed\xa0\x80"}',
    ):
        with pytest.raises(UnfitError, match="is not JSON in UTF-8"):
            read.event(record(no_json))


@pytest.mark.parametrize("levels", [1_025, 2_000, 20_000])
def test_json_deeper_than_the_parser_goes_is_not_called_no_json(tmp_path: Path, levels: int) -> None:
    begins, ends = b'{"a":' * levels, b"}" * levels
    lists, no_lists = b"[" * levels, b"]" * levels
    for deep in (
        begins + b"1" + ends,
        b' {"a": ' + lists + no_lists + b"}\n",
        begins + b'"}]\\""' + ends,
        lists + no_lists,
    ):
        for take in (decoder(tmp_path).event, decoder(tmp_path).label):
            with pytest.raises(UnfitError, match="nested deeper than") as told:
                take(record(deep))
            assert told.value.kind == "too-deep"
    for no_json in (
        lists, begins + b"1", begins + b"1" + ends[1:], begins + b"1" + ends + b"}", begins + b"1" + ends + b"{}",
        b"}" + begins + ends, begins + b'"' + ends, begins + b'"\\' + ends, lists[1:] + b"{" + no_lists,
        b"[}" + lists + no_lists,
        begins + ends + b'"x',
    ):  # fmt: skip
        with pytest.raises(UnfitError, match="is not JSON in UTF-8") as told:
            decoder(tmp_path).event(record(no_json))
        assert told.value.kind == "not-json"


def test_a_length_counts_characters_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnfitError, match="subject: must have at most 24 characters, found 5000"):
        decoder(tmp_path, bounds={"string_length": 24}).event(record(RAW.replace(b'"s"', b'"' + b"k" * 5_000 + b'"')))


def test_an_event_or_a_label_without_a_time_has_that_of_its_record(tmp_path: Path) -> None:
    d = decoder(tmp_path)
    for time in ({}, {"time": None}):
        sent = {**orjson.loads(RAW), **time}
        label = {**orjson.loads(LABEL), **time}
        if not time:
            del sent["time"], label["time"]
        assert d.event(record(sent)._replace(timestamp=START + 5)).time == START + 5
        assert d.label(record(label)._replace(timestamp=START + 6)).time == START + 6
        for no_time in (-1, 2**63 - 1):
            with pytest.raises(UnfitError, match="time: is missing, and the Kafka record has no time either"):
                d.event(record(sent)._replace(timestamp=no_time))
            with pytest.raises(UnfitError, match="time: is missing"):
                d.label(record(label)._replace(timestamp=no_time))


def test_an_event_without_a_time_that_is_sent_twice_is_the_same_event(tmp_path: Path) -> None:
    d = decoder(tmp_path)
    sent = {key: value for key, value in orjson.loads(RAW).items() if key != "time"}
    first, again = (record(sent)._replace(timestamp=START + i) for i in range(2))
    assert is_again(d.events([again])[0], 0, d.event(first), None)
    other = record({**sent, "features": {"a": 2, "b": None}})._replace(timestamp=START + 1)
    assert not is_again(d.events([other])[0], 0, d.event(first), None)
    later = record({**sent, "time": START + 9})
    assert not is_again(d.events([later])[0], 0, d.event(first), None)


def test_an_event_without_a_time_is_sent_again_though_its_own_time_is_a_feature(tmp_path: Path) -> None:
    """The time of the first record stood among the features, so that the second was another event of the same id."""
    features = [{"name": "at", "kind": "time", "path": "time", "required": False}, {"name": "a"}]
    d = decoder(tmp_path, schema={"features": features})
    sent = {"id": "e", "subject": "s", "features": {"a": 1}}
    first, again = (record(sent)._replace(timestamp=START + i) for i in range(2))
    assert is_again(d.events([again])[0], 0, d.event(first), None)
    other = record({**sent, "features": {"a": 2}})._replace(timestamp=START + 1)
    assert not is_again(d.events([other])[0], 0, d.event(first), None)


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (["0", "1"], [1, 1.0, True, "1", "1.0", "True", "true", "01", " 1 "]),
        (["true", "false"], [1, True, "True", "TRUE", "1.0"]),
        (["0.0", "1.0"], [1, 1.0, "1"]),
    ],
)
def test_one_class_has_many_spellings(tmp_path: Path, classes: list[str], labels: list[Any]) -> None:
    config = settings(tmp_path, classes=classes)
    meant = next(name for name in classes if name[0] in "1t")
    for label in labels:
        sent = {"event": "e", "label": label, "time": START}
        assert decoder(tmp_path, classes=config.classes).label(record(sent, "labels")).label == meant


def test_what_two_classes_could_mean_is_no_spelling_of_either() -> None:
    spellings = Spellings(["1", "true", "other"])
    assert spellings.class_of("true") == "true"
    with pytest.raises(ValueError, match="is not one of the classes"):
        spellings.class_of("1.0")
    for no_class in ("nan", "1e0", "١", "1.5", "", "1_0"):
        with pytest.raises(ValueError, match="is not one of the classes"):
            Spellings(["0", "1"]).class_of(no_class)


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ((1, 1.0, True, "1", "1.0", "1.", "True", "true", "TRUE", " 1 "), "1"),
        ((0, 0.0, -0.0, False, "0", "0.00", "False", "false"), "0"),
        ((-2, -2.0, "-2", "-2.0"), "-2"),
        ((7, "7"), "7"),
        (("007",), "007"),
        (("+1",), "+1"),
        (("spam",), "spam"),
        (("1.5",), "1.5"),
    ],
)
def test_without_classes_the_spellings_of_one_label_are_not_several_classes(
    tmp_path: Path, labels: tuple[Any, ...], name: str
) -> None:
    read = decoder(tmp_path, classes=())
    for label in labels:
        assert read.label(record({"event": "e", "label": label, "time": START}, "labels")).label == name, label


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"early_risk": {"classes": ["true"]}}, "true"),
        ({"class_map": {"true": "fraud", "false": "fair"}}, "fraud"),
        ({"class_map": {"yes": "true", "no": "false"}}, "true"),
        ({"abstention": {"controls": "cost", "costs": {"true": {"false": 5}}}}, "true"),
    ],
)
def test_a_label_goes_by_the_name_that_the_config_has_for_it_anywhere(
    tmp_path: Path, config: dict[str, Any], name: str
) -> None:
    read = decoder(tmp_path, classes=(), **config)
    for label in (1, 1.0, True, "1.0", "True"):
        assert read.label(record({"event": "e", "label": label, "time": START}, "labels")).label == name, label


def test_an_earlier_name_of_a_class_has_many_spellings_too() -> None:
    spellings = Spellings(["fraud", "fair"], {"1": "fraud", "0": "fair"})
    assert [spellings.class_of(label) for label in ("1", "1.0", "true", "False")] == ["fraud"] * 3 + ["fair"]


def test_a_config_names_its_classes_by_their_digits_too() -> None:
    assert Settings(schema={"text": "t"}, classes=[0.0, 1.0]).classes == ("0", "1")


def test_paths_lead_into_arrays_and_through_keys_with_dots(tmp_path: Path) -> None:
    schema = {
        "id": "meta.id", "subject": "user.id", "time": "@timestamp",
        "features": [{"name": "a", "path": "items.0.price"}, {"name": "b", "path": r"event\.amount"}],
    }  # fmt: skip
    sent = {"user.id": 7, "@timestamp": START, "items": [{"price": 3}], "event.amount": 4, "meta": {"id": "e"}}
    event = decoder(tmp_path, schema=schema).event(record(sent))
    assert (event.subject, event.time, event.features) == ("7", START, {"a": 3.0, "b": 4.0})
    with pytest.raises(UnfitError, match=r"features\.a: is missing"):
        decoder(tmp_path, schema=schema).event(record({**sent, "items": []}))
