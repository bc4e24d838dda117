"""Sealed bytes, sealed JSON and the records of keys: what is sealed opens to the very bytes, for its purpose only."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.wire.encode import Output, dead_letter
from tocsin.streams.wire.packed.control import Control, packed_control
from tocsin.streams.wire.schema import UnfitError
from tocsin.streams.wire.sealing.json_records import (
    ALERT,
    DECISION,
    REVIEW,
    opened_record,
    sealed_decision,
    sealed_record,
)
from tocsin.streams.wire.sealing.key_records import (
    DeletedKey,
    Forgotten,
    MadeKey,
    deletion,
    forgotten_record,
    new_key,
    read_key_record,
)
from tocsin.streams.wire.sealing.outputs import SealedOutputs
from tocsin.streams.wire.sealing.sealed import EVENT, MORE, RECORD, UNSEALED, ErasedError, Key, KeySeals
from tocsin.streams.wire.sealing.secret import DamagedSealError, ErasureError, Secret, cipher_of

from ...support import settings

SECRET = Secret("a text that is long enough")
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class OneKey:
    """A key for everybody, until it is deleted."""

    def __init__(self) -> None:
        self.key: Key | None = Key(b"k" * 12, cipher_of(b"s" * 32), b"o" * 16)

    def of_subject(self, subject: str) -> Key:
        assert self.key is not None
        return self.key

    def by_id(self, key_id: bytes) -> Key | None:
        return self.key if self.key is not None and key_id == self.key.id else None


@pytest.fixture
def keys() -> OneKey:
    return OneKey()


@pytest.fixture
def seals(keys: OneKey) -> KeySeals:
    return KeySeals(keys)


@given(st.binary(max_size=300))
def test_sealed_bytes_open_to_what_they_were_and_are_so_much_longer(plain: bytes) -> None:
    seals = KeySeals(OneKey())
    sealed = seals.seal("s", plain, EVENT)
    assert seals.opened(sealed, EVENT) == plain
    assert len(sealed) == len(plain) + MORE
    assert seals.seal("s", plain, EVENT) != sealed  # another nonce each time
    if len(plain) > 4:
        assert plain not in sealed


def test_sealed_bytes_open_for_their_purpose_only(seals: KeySeals) -> None:
    with pytest.raises(DamagedSealError):
        seals.opened(seals.seal("s", b"plain", EVENT), RECORD)


@pytest.mark.parametrize("at", [20, 30, -1])
def test_one_bit_of_sealed_bytes_that_was_changed_is_noticed(seals: KeySeals, at: int) -> None:
    sealed = bytearray(seals.seal("s", b"plain", EVENT))
    sealed[at] ^= 1
    with pytest.raises(DamagedSealError):
        seals.opened(bytes(sealed), EVENT)


@pytest.mark.parametrize("length", range(2, MORE))
def test_sealed_bytes_that_were_cut_short_are_damaged(seals: KeySeals, length: int) -> None:
    with pytest.raises((DamagedSealError, ErasedError)):
        seals.opened(seals.seal("s", b"", EVENT)[:length], EVENT)


def test_without_its_key_nobody_opens_anything(keys: OneKey, seals: KeySeals) -> None:
    sealed = seals.seal("s", b"plain", EVENT)
    keys.key = None
    with pytest.raises(ErasedError):
        seals.opened(sealed, EVENT)
    with pytest.raises(ErasureError, match=r"erasure\.enabled is not set"):
        UNSEALED.opened(sealed, EVENT)


def test_what_was_written_before_anything_was_sealed_opens_as_it_is(seals: KeySeals) -> None:
    assert seals.opened(b"\x9a\x01", EVENT) == b"\x9a\x01"
    assert opened_record(b'{"event":"e"}', seals) == b'{"event":"e"}'
    assert UNSEALED.seal("s", b"plain", EVENT) == b"plain"


@given(ANY_JSON, ANY_JSON, ANY_JSON)
def test_any_decision_opens_to_the_very_bytes_and_shows_no_explanation(a: object, b: object, c: object) -> None:
    seals = KeySeals(OneKey())
    risk = {"posts": 1, "threads": {"words": a}}
    value = orjson.dumps({"event": "e", "belief": c, "explanation": a, "profiles": b, "risk": risk, "shed": None})
    sealed = sealed_record(value, DECISION, "s", seals)
    shown = orjson.loads(sealed)
    assert (shown["explanation"], shown["profiles"], shown["risk"]) == (None, None, {"posts": 1})
    assert shown["belief"] == orjson.loads(value)["belief"]
    assert opened_record(sealed, seals) == value
    linked = sealed[:-1] + b',"chain":{"sha256":"x"}}'
    assert opened_record(linked, seals) == value[:-1] + b',"chain":{"sha256":"x"}}'


RAW = {
    "event": "e", "subject": "s", "time": 1, "decided_at": 2, "status": "abstained", "label": None,
    "belief": {"a": 0.1}, "uncertainty": 0.9, "conflict": 0.0, "reason": None, "set": ["a"],
    "explanation": {"words": ["x"]}, "model": {"feedback_offset": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {}, {"profiles": {"mean": 1.5}}, {"risk": {"posts": 1, "threads": {"w": 1}}, "shed": "explanations"},
        {"explanation": None}, {"over_budget": None, "priors": {"a": 2.0}}, {"of a later release": 1},
    ],
)  # fmt: skip
def test_the_fast_way_and_the_plain_one_seal_the_same(more: dict[str, object]) -> None:
    class AsItIs(KeySeals):
        def seal(self, subject: str, plain: bytes, purpose: bytes) -> bytes:
            return b"sealed " + plain  # without a nonce, so that both can be compared

    seals = AsItIs(OneKey())
    for value in (orjson.dumps(RAW | more), orjson.dumps(dict(reversed((RAW | more).items())))):
        assert sealed_decision(value, "s", seals) == sealed_record(value, DECISION, "s", seals)


def test_a_record_that_quotes_nothing_stays_as_it_is(seals: KeySeals) -> None:
    value = b'{"event":"e","explanation":null,"risk":{"posts":1}}'
    assert sealed_record(value, DECISION, "s", seals) == value
    assert sealed_record(b'{"explanation":null}', ALERT, "s", seals) == b'{"explanation":null}'


def test_a_review_shows_which_event_it_is_of_and_what_was_decided(seals: KeySeals) -> None:
    event = {"id": "e", "subject": "s", "time": 1, "features": {"a": 2.5}, "text": "words"}
    decision = {"event": "e", "label": None, "explanation": {"words": ["words"]}}
    value = orjson.dumps({"event": event, "decision": decision, "quick_within": 3})
    sealed = sealed_record(value, REVIEW, "s", seals)
    shown = orjson.loads(sealed)
    assert shown.pop("sealed")
    assert shown == {
        "event": {**event, "features": {}, "text": None},
        "decision": {**decision, "explanation": None},
        "quick_within": 3,
    }
    assert opened_record(sealed, seals) == value


@pytest.mark.parametrize("text", ["", "no base 64!", "AAAA", "AA=A"])
def test_what_is_no_sealed_member_is_damaged_or_of_no_key(seals: KeySeals, text: str) -> None:
    value = orjson.dumps({"event": "e", "sealed": text})
    with pytest.raises(DamagedSealError):
        opened_record(value, seals)


def test_the_records_of_keys_say_what_they_were_made_of() -> None:
    made, clear, record = new_key(SECRET, "anna", 5)
    read = Record("keys", 0, 0, 0, record.key, record.value)
    assert read_key_record(read, SECRET) == made
    assert isinstance(made, MadeKey)
    assert SECRET.unwrapped(made.wrapped, made.id) == clear
    gone = deletion(made.owner, made.id)
    assert (gone.key, gone.value) == (record.key, None)
    assert read_key_record(Record("keys", 0, 1, 0, gone.key, None), SECRET) == DeletedKey(made.owner, made.id)
    told = forgotten_record(SECRET, "anna", {Partition("events", 1): 7}, 9)
    said = read_key_record(Record("keys", 0, 2, 0, told.key, told.value), SECRET)
    assert said == Forgotten(made.owner, "anna", {"events": {"1": 7}}, 9)
    assert isinstance(said, Forgotten)
    assert said.sent_before(Record("events", 1, 6, 0, None, None))
    assert not said.sent_before(Record("events", 1, 7, 0, None, None))
    assert not said.sent_before(Record("events", 0, 0, 0, None, None))
    for one in (record, told):
        assert b"anna" not in one.key + (one.value or b"")
        with pytest.raises(ErasureError, match="another secret"):
            read_key_record(Record("keys", 0, 0, 0, one.key, one.value), Secret("another text, long enough"))


def test_dead_letters_hold_a_place_and_no_values(tmp_path: Path, seals: KeySeals) -> None:
    outputs = SealedOutputs(settings(tmp_path))
    spoofed = (("__streams.errors.topic", b"words"), ("trace", b"words"))
    record = Record("events", 2, 7, 0, b"anna", b'{"text":"words"}', spoofed)
    letter = dead_letter("dead-letters", record, UnfitError("invalid", "features.a: must be a number, found 'words'"))
    sealed = outputs(letter, lambda: seals)
    assert (sealed.key, sealed.value) == (None, b"")
    headers = dict(sealed.headers)
    assert len(sealed.headers) == 5
    assert headers["__streams.errors.topic"] == b"events"
    assert headers["__streams.errors.partition"] == b"2"
    assert headers["__streams.errors.offset"] == b"7"
    assert headers["__streams.errors.exception"] == b"invalid"
    assert headers["__streams.errors.message"].startswith(b"features.a: not repeated here")
    unknown = dead_letter("dead-letters", record, UnfitError("unknown-event", "event 'e' did not turn up"))
    assert dict(outputs(unknown, lambda: seals).headers)["__streams.errors.message"] == b"event 'e' did not turn up"


def test_control_records_and_telemetry_are_not_sealed(tmp_path: Path, seals: KeySeals) -> None:
    outputs = SealedOutputs(settings(tmp_path))
    control = packed_control(Control(kind="leave-out", reason="taken-back", time=0, offsets=[1]))
    for one in (Output("feedback", b"anna", control), Output("telemetry", b"w", b"{}")):
        assert outputs(one, lambda: seals) == one


def test_a_record_of_the_room_that_is_left_fits_its_topic_once_it_is_sealed(tmp_path: Path, seals: KeySeals) -> None:
    outputs = SealedOutputs(settings(tmp_path))
    for limit in (3_000, 50_000, 1_000_000):
        room = outputs.room("decisions", limit)
        frame = b'{"event":"e","explanation":"%b"}'
        value = frame % (b"x" * (room - len(frame)))
        assert len(sealed_record(value, DECISION, "s", seals)) <= limit
        assert outputs.room("telemetry", limit) == outputs.room("dead-letters", limit) == limit
