"""Which records are refused, and by what kind of reason."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tocsin.streams.wire.decode import Decoder, depth
from tocsin.streams.wire.schema import EventSchema, UnfitError

from ..support import START, record, settings


def decoder(tmp_path: Path, **changes: Any) -> Decoder:
    return Decoder(EventSchema(settings(tmp_path, **changes)))


def good(**changes: Any) -> dict[str, Any]:
    return {"id": "e", "subject": "s", "time": START, "features": {"a": 1, "b": None}, **changes}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "empty"),
        (b"", "not-json"),
        (b"{", "not-json"),
        (b'{"id": "\xff\xfe"}', "not-json"),
        (b'{"time": NaN}', "not-json"),
        (b'{"time": Infinity}', "not-json"),
        (b'{"time": -Infinity}', "not-json"),
        (b"[]", "not-json"),
        (b"null", "not-json"),
        (b'"text"', "not-json"),
        (b"1e400", "not-json"),
        (b"{}", "invalid"),
        (b"[" * 200_000, "not-json"),
        (b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "too-deep"),
    ],
    ids=lambda v: v[:12].decode("latin-1") if isinstance(v, bytes) else str(v),
)
def test_what_no_event_is_made_of_is_refused_by_kind(tmp_path: Path, value: bytes | None, kind: str) -> None:
    with pytest.raises(UnfitError) as found:
        decoder(tmp_path).event(record(value))
    assert found.value.kind == kind
    assert str(found.value)


def test_nesting_is_refused_beyond_its_bound_and_not_before(tmp_path: Path) -> None:
    plain = decoder(tmp_path)

    def nested(levels: int) -> bytes:  # the record itself is the first level
        return orjson.dumps(good())[:-1] + b',"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    for levels in (30, 32):
        assert plain.event(record(nested(levels))).id == "e"
    for levels in (33, 200, 1_000):
        with pytest.raises(UnfitError) as found:
            plain.event(record(nested(levels)))
        assert found.value.kind == "too-deep"


def test_brackets_within_strings_do_not_count_as_nesting(tmp_path: Path) -> None:
    assert decoder(tmp_path).event(record(good(note="[{" * 500))).id == "e"
    assert decoder(tmp_path).event(record(good(note=[[]] * 500))).id == "e"


def test_depth_counts_no_further_than_it_must() -> None:
    assert depth(1, 5) == 0
    assert depth([], 5) == 1
    assert depth({"a": [1, {"b": 2}]}, 5) == 3
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    assert depth(deep, 5) == 6


def test_a_900_kb_text_is_too_large_before_it_is_parsed(tmp_path: Path) -> None:
    huge = record(good(text="x" * 900_000))
    started = time.perf_counter()
    with pytest.raises(UnfitError) as found:
        decoder(tmp_path).event(huge)
    assert found.value.kind == "too-large"
    assert "record_bytes" in str(found.value)
    assert time.perf_counter() - started < 0.05


def test_a_text_beyond_its_bound_is_refused_by_the_field(tmp_path: Path) -> None:
    schema = {"text": "text"}
    bounds = {"text_length": 10}
    d = decoder(tmp_path, schema=schema, bounds=bounds)
    assert d.event(record(good(text="🎉" * 10))).text == "🎉" * 10
    with pytest.raises(UnfitError, match="text"):
        d.event(record(good(text="x" * 11)))
    for missing in (good(), good(text=None)):
        with pytest.raises(UnfitError, match="text"):
            d.event(record(missing))


def test_a_missing_or_null_id_becomes_the_place_in_the_log(tmp_path: Path) -> None:
    anonymous = good()
    del anonymous["id"]
    for raw in (anonymous, good(id=None)):
        assert decoder(tmp_path).event(record(raw, "events", 3, 17)).id == "events-3-17"
    with pytest.raises(UnfitError, match="id"):
        decoder(tmp_path).event(record(good(id="")))


ALIKE = (
    START // 1000, float(START // 1000), float(START), START * 1000, START * 1_000_000, str(START), str(START // 1000),
    "2023-11-14t22:13:20z", "2023-11-14T22:13:20.000000000Z", "2023-11-14T23:13:20+01:00[Europe/Paris]",
    " 2023-11-14 22:13:20Z",
)  # fmt: skip
"""Forms of one instant, as producers of all kinds write it."""


def test_a_time_is_the_same_instant_in_every_form(tmp_path: Path) -> None:
    d = decoder(tmp_path)
    for form in ("2023-11-14T22:13:20Z", "2023-11-14T22:13:20", "2023-11-14T23:13:20+01:00", START, *ALIKE):
        assert d.event(record(good(time=form))).time == START, form
    for no_time in (True, -1, "yesterday", [], {}, 1e21, 1e300, "2023-11-14T22:13:99Z"):
        with pytest.raises(UnfitError, match="time"):
            d.event(record(good(time=no_time)))


def test_a_boolean_is_no_number_and_a_number_no_boolean(tmp_path: Path) -> None:
    d = decoder(tmp_path, schema={"features": [{"name": "n"}, {"name": "f", "kind": "boolean"}]})
    for features, field in (({"n": True, "f": True}, "features.n"), ({"n": 1, "f": 1}, "features.f")):
        with pytest.raises(UnfitError, match=field):
            d.event(record(good(features=features)))


def test_a_required_feature_may_be_null_but_not_absent(tmp_path: Path) -> None:
    d = decoder(tmp_path)
    assert d.event(record(good(features={"a": None}))).features == {"a": None, "b": None}
    for features in ({}, {"b": 1}, None, [], "x"):
        with pytest.raises(UnfitError, match=r"features\.a: is missing"):
            d.event(record(good(features=features)))


def test_one_bad_record_takes_no_good_one_with_it(tmp_path: Path) -> None:
    raw = [good(id="1"), b"bad", good(id="2"), None, good(id="3", time="x")]
    events, rejected = decoder(tmp_path).events([record(value, offset=i) for i, value in enumerate(raw)])
    assert events.ids == ["1", "2"]
    assert [(r.offset, e.kind) for r, e in rejected] == [(1, "not-json"), (3, "empty"), (4, "invalid")]


def test_columns_keep_what_is_not_known_apart_from_zero(tmp_path: Path) -> None:
    schema = {
        "features": [{"name": "n"}, {"name": "c", "kind": "category"}, {"name": "f", "kind": "boolean"}],
        "text": "text",
    }
    d = decoder(tmp_path, schema=schema)
    raw = [
        good(id="1", features={"n": 0, "c": "red", "f": False}, text="hello"),
        good(id="2", features={"n": None, "c": None, "f": None}),
        good(id="3", features={"n": 2**53, "c": 7, "f": True}),
    ]
    batch = d.batch([d.event(record(r)) for r in raw])
    assert batch.X.dtype == np.float64
    assert batch.X[0, 0] == 0.0
    assert np.isnan(batch.X[1]).all()
    assert batch.X[2, 0] == 2.0**53
    assert batch.X[:, 2].tolist()[::2] == [0.0, 1.0]
    assert list(batch.texts) == ["hello", None, None]
    assert set(batch.categories[0].values()) == {"red"}
    assert set(batch.categories[2].values()) == {"7"}
    assert batch.X[0, 1] != batch.X[2, 1]


def test_a_label_that_speaks_of_nothing_is_refused(tmp_path: Path) -> None:
    d = decoder(tmp_path)
    for raw in ({"label": "yes", "time": START}, {"event": None, "label": "yes", "time": START}):
        with pytest.raises(UnfitError, match="event"):
            d.label(record(raw, "labels"))
    with pytest.raises(UnfitError, match=r"'maybe' is not one of the classes no, yes"):
        d.label(record({"event": "e", "label": "maybe", "time": START}, "labels"))
    for weight in (0, -1, 1e7, True, "1"):
        with pytest.raises(UnfitError, match="weight"):
            d.label(record({"event": "e", "label": "yes", "time": START, "weight": weight}, "labels"))
