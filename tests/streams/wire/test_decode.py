from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.schema import EventSchema, UnfitError

from ..support import START, record

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
STRINGS = 24
TEXT = 40

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from([0, 1, -1, 10**15, 253_402_300_799_999, 253_402_300_800_000, 2**64 - 1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [
            "", "x", "é" * STRINGS, "x" * (STRINGS + 1), "🎉" * TEXT, "t" * (TEXT + 1), "2026-11-24T18:00:00Z",
            "2026-11-24", "2026-11-24T18:00:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59.9999Z",
            "0001-01-01T00:00:00+23:59", "20261124T180000+0100", "2026-13-01", "now", "1700000000000", "true",
            "\x00", "nan",
        ]
    ),
    st.text(max_size=TEXT + 2),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcid"), inner), max_leaves=5
)
keys = st.sampled_from(["a", "b", "c", "id", "features", "meta", "naïve"])
paths = st.lists(keys, min_size=1, max_size=3).map(".".join)


@st.composite
def configs(draw: st.DrawFn) -> Settings:
    """Schemas with paths that nest, meet and shadow each other."""
    kinds = st.sampled_from(["number", "category", "boolean"])
    names = draw(st.lists(st.sampled_from(["a", "b", "f1", "f0", "näme", "with.dot"]), unique=True, max_size=4))
    features = [
        {"name": n, "kind": draw(kinds), "required": draw(st.booleans()), "path": draw(st.none() | paths)}
        for n in names
    ]
    text = draw(st.none() | paths) if features else draw(paths)
    own = st.just({}) if draw(st.booleans()) else st.fixed_dictionaries({"id": paths, "subject": paths, "time": paths})
    label = draw(st.just({}) | st.fixed_dictionaries({"event": paths, "label": paths, "weight": paths}))
    return Settings(
        schema={"features": features, "text": text, "label": label, **draw(own)},
        classes=draw(st.sampled_from([(), ("no", "yes"), ("true", "1")])),
        bounds={"string_length": STRINGS, "text_length": TEXT},
        experts=[{"kind": "linear"}],
    )


def put(target: dict[str, Any], path: str, value: Any) -> None:
    """Set a value; where another path's value stands in the way, that one gives way."""
    *parents, last = path.split(".")
    for key in parents:
        if not isinstance(target.get(key), dict):
            target[key] = {}
        target = target[key]
    target[last] = value


GOOD = {
    "number": st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    "category": st.text(max_size=STRINGS) | st.integers(-99, 2**64 - 1) | st.booleans(),
    "boolean": st.booleans(),
}
names = st.text(min_size=1, max_size=STRINGS) | st.integers(-9, 2**64 - 1)
times = st.integers(10**11, 10**14 - 1) | st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(
    datetime.isoformat
)


@st.composite
def valid_events(draw: st.DrawFn, config: Settings) -> dict[str, Any]:
    """Events that fit a config, as long as no two of its paths stand in each other's way."""
    schema, raw = config.schema_, dict[str, Any]()
    put(raw, schema.id, draw(st.none() | names))
    put(raw, schema.subject, draw(names))
    put(raw, schema.time, draw(times))
    for feature in schema.features:
        if feature.required or draw(st.booleans()):
            put(
                raw,
                ".".join(feature.keys) if feature.path else f"features.{feature.name}",
                draw(st.none() | GOOD[feature.kind]),
            )
    if schema.text:
        put(raw, schema.text, draw(st.text(max_size=TEXT)))
    return raw


@st.composite
def mutated(draw: st.DrawFn, raw: dict[str, Any]) -> dict[str, Any]:
    """The same with a few places dropped or changed."""
    raw = copy.deepcopy(raw)
    for _ in range(draw(st.integers(0, 3))):
        node: Any = raw
        while node and isinstance(node, dict):
            key = draw(st.sampled_from(sorted(node)))
            if isinstance(node[key], dict) and node[key] and draw(st.booleans()):
                node = node[key]
                continue
            if draw(st.booleans()):
                del node[key]
            else:
                node[key] = draw(values)
            break
    return raw


def plainly(decoder: Decoder) -> Decoder:
    """The same decoder without its compiled parts."""
    plain = copy.copy(decoder)
    plain._fast_event = plain._fast_label = None
    return plain


def outcome(decode: Callable[[Record], Any], raw: Record) -> str:
    """What a decoder makes of a record, with all types: the value, or why it is refused."""
    try:
        return repr(decode(raw))
    except UnfitError as error:
        return f"{error.kind}: {error}"


def agrees(decoder: Decoder, raw: Any, kind: str) -> None:
    """Compiled and plain decoder say the same of a record."""
    assert outcome(getattr(decoder, kind), record(raw)) == outcome(getattr(plainly(decoder), kind), record(raw))


@given(st.data())
@settings(QUICK, max_examples=200)
def test_the_compiled_decoder_never_parts_from_the_plain_one(data: st.DataObject) -> None:
    config = data.draw(configs())
    raw = data.draw(valid_events(config).flatmap(mutated) | st.dictionaries(keys, values))
    agrees(Decoder(EventSchema(config)), raw, "event")


@given(st.data())
@settings(QUICK, max_examples=80)
def test_labels_are_read_alike_by_the_compiled_and_the_plain_decoder(data: st.DataObject) -> None:
    config = data.draw(configs())
    paths = config.schema_.label
    raw: dict[str, Any] = {}
    for part, what in (
        ("event", names), ("subject", names), ("label", st.sampled_from(["no", "yes", True, 1, 0, "other"])),
        ("time", times), ("source", names), ("weight", st.floats(1e-3, 1e6) | st.integers(1, 9)),
    ):  # fmt: skip
        if data.draw(st.booleans()) or part in ("event", "label", "time"):
            put(raw, getattr(paths, part), data.draw(what))
    agrees(Decoder(EventSchema(config)), data.draw(mutated(raw)), "label")


BROKEN_BYTES = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\\ud800", b"\xff", b"\xed\xa0\x80", b"\x00", b"\n", b"0", b"e5",
    b".", b"-", b"-0", b"NaN", b"1e400", b"5e-324", b"18446744073709551615", b"18446744073709551616",
    b"-9223372036854775809", b'"id":7,', b'"features":{},', b'"time":"2026",', b'"x":[[[[[[[]]]]]]],',
]  # fmt: skip


@cache
def strict() -> Decoder:
    """The decoder of a small schema that bounds how deep JSON nests."""
    features = [{"name": "n"}, {"name": "c", "kind": "category", "required": False}]
    return Decoder(EventSchema(Settings(schema={"features": features}, bounds={"nesting": 4})))


@given(st.data())
@settings(QUICK, max_examples=200)
def test_broken_json_and_doubled_keys_are_read_alike_too(data: st.DataObject) -> None:
    decoder = strict()
    raw = orjson.dumps({"id": "e", "subject": "s", "time": START, "features": {"n": 1.5, "c": "é"}})
    for _ in range(data.draw(st.integers(1, 2))):
        start = data.draw(st.just(1) | st.integers(0, len(raw)))
        stop = min(len(raw), start + data.draw(st.sampled_from([0, 0, 1, 3])))
        raw = raw[:start] + data.draw(st.sampled_from(BROKEN_BYTES)) + raw[stop:]
    assert outcome(decoder.event, record(raw)) == outcome(plainly(decoder).event, record(raw))


FULL = [
    {"name": "n"},
    {"name": "c", "kind": "category"},
    {"name": "f", "kind": "boolean"},
    {"name": "o", "required": False},
    {"name": "deep", "path": "account.score", "required": False},
]


@cache
def bounded(features: int) -> tuple[Settings, Decoder]:
    """The config and the decoder of so many of the features, with a text and short strings."""
    config = Settings(
        schema={"features": FULL[:features], "text": "text"}, bounds={"string_length": STRINGS, "text_length": TEXT}
    )
    return config, Decoder(EventSchema(config))


@pytest.mark.parametrize("features", [5, 4], ids=["of several objects", "of one object"])
@given(st.data())
@settings(QUICK, max_examples=60)
def test_canonical_events_never_fall_back_to_the_plain_decoder(features: int, data: st.DataObject) -> None:
    config, decoder = bounded(features)
    fast = decoder._fast_event
    assert fast is not None
    raw = data.draw(valid_events(config))
    fast(orjson.dumps(raw))
    agrees(decoder, raw, "event")


@pytest.mark.parametrize(
    ("schema", "taken"),
    [
        ({"features": [{"name": "a"}]}, True),
        ({"features": [{"name": "a", "path": "account.score"}], "subject": "account.id"}, True),
        ({"features": [{"name": "a", "path": "id"}]}, False),
        ({"features": [{"name": "a", "path": "subject.score"}]}, False),
        ({"features": [{"name": "a", "path": "a.b.c.d.e"}]}, False),
    ],
)
def test_fields_that_stand_in_each_others_way_have_no_compiled_decoder(schema: dict[str, Any], taken: bool) -> None:
    config = Settings(schema=schema, bounds={"nesting": 4})
    assert (Decoder(EventSchema(config))._fast_event is not None) == taken


def test_a_label_whose_parts_lie_among_the_features_has_no_compiled_decoder() -> None:
    """It would not see the features that such a label brings."""
    apart = Settings(schema={"features": [{"name": "a"}]})
    among = Settings(schema={"features": [{"name": "a"}], "label": {"weight": "features.a"}})
    assert Decoder(EventSchema(apart))._fast_label is not None
    assert Decoder(EventSchema(among))._fast_label is None
    raw = {"event": "e", "label": "yes", "time": START, "features": {"a": 2}}
    read = Decoder(EventSchema(among)).label(record(raw))
    assert (read.weight, read.features) == (2.0, {"a": 2.0})
