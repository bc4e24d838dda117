from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from tocsin.streams.state.waiting import WaitingLabel, pack, unpack
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.records import Label


@pytest.mark.parametrize("value", [None, b"", bytes(range(256))])
def test_a_packed_label_is_the_label_that_came(value: bytes | None) -> None:
    headers: Any = (("h", b"\xff"), ("h", b""), ("null", value))
    label = Label(event="e", label="yes", time=5, weight=0.1, features={"a": 1.5, "b": None, "c": "x", "d": True})
    waiting = WaitingLabel(label, Record("labels", 1, 2, 3, value, value, headers))
    assert unpack(pack(waiting)) == waiting


def test_the_record_of_a_label_is_kept_as_it_always_was() -> None:
    packed = orjson.loads(pack(WaitingLabel(Label(event="e", label="yes", time=5), Record("t", 0, 0, 0, None, b"x"))))
    assert packed["record"] == ["t", 0, 0, 0, None, base64.b85encode(b"x").decode(), []]
