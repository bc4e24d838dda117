"""The link of a decision: its bytes, and what changes them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.streams.wire.kinds.link import Link
from tocsin.streams.wire.proof.chain import LINK_BYTES, is_whole, link_of, with_link, without_link
from tocsin.streams.wire.records import Decision

DECISION = (
    b'{"event":"e","subject":"s","time":1,"decided_at":2,"status":"abstained","label":null,"belief":{},"uncertainty":1.0,'
    b'"conflict":0.0,"reason":"cold-start","set":[],"explanation":null,"model":{"feedback_offset":0,"config":"c",'
    b'"segment":"default"}}'
)


def test_a_link_stands_last_and_reads_back() -> None:
    linked, digest = with_link(DECISION, 3, 17, 64 * "a")
    assert link_of(linked) == Link(3, 17, 64 * "a", digest)
    assert msgspec.json.decode(linked, type=Decision).chain == link_of(linked)
    assert without_link(linked) == DECISION
    assert msgspec.json.encode(msgspec.json.decode(linked, type=Decision)) == linked
    assert link_of(DECISION) is None
    assert without_link(DECISION) == DECISION


def test_a_link_takes_no_more_room_than_is_left_for_it() -> None:
    linked, _ = with_link(DECISION, 2**31 - 1, 2**63 - 1, 64 * "f")
    assert len(linked) - len(DECISION) <= LINK_BYTES


@given(st.data())
def test_any_byte_that_is_changed_is_found(data: st.DataObject) -> None:
    linked, _ = with_link(DECISION, 0, 5, "")
    place = data.draw(st.integers(0, len(linked) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda b: b != linked[place]))
    assert is_whole(linked)
    assert not is_whole(linked[:place] + bytes([other]) + linked[place + 1 :])


@pytest.mark.parametrize("value", [b"", b"{}", b"null", b"\xff", DECISION, DECISION[:-1]])
def test_what_has_no_link_is_not_whole_and_no_error(value: bytes) -> None:
    assert not is_whole(value)
    assert link_of(value) is None
