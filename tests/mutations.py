"""Mutations of JSON records that know their structure: what a broken or hostile producer might send instead."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Place = tuple[Any, Any]
"""A container, and the key or index of one value in it."""

NUMBERS = ("1e999", "-1e999", "1e308", "5e-324", "-0.0", "NaN", "Infinity", "9" * 400, "-" + "9" * 25, "1.7e18", "0")
TEXTS = (
    "", "\x00", "\u202e\u2066", "\ufeff", "\U0001f600" * 40, "e\u0301" * 60, "\ufdfa", "x" * 3_000, "12.5", "NaN",
    "2023-11-14T22:13:20Z", "2023-13-45T99:99:99Z", "0001-01-01", "1e5", "a.b", "\\", "'; DROP TABLE", "[/x]",
    "\x1b[31m", "true",
)  # fmt: skip
VALUES = (None, True, False, 0, -1, 2**31, 2**63, 2**64, 1e300, -1e-300, [], {}, [[]], {"": {}}, [None], [1, [2, [3]]])
BYTES = (
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\x00",
    b"\\ud800",
    b"\\u0000",
    b"\xef\xbb\xbf",
    b'"',
    b"{",
    b"]",
    b",",
)
WHOLE = (
    b"", b"null", b"true", b"0", b"[]", b"{}", b'""', b"[" * 5_000, b'{"a":' * 200, b"\x1f\x8b\x08\x00",
    b"\x00\x00\x00\x00\x07{}",
    b"NaN", b"\xfe\xff\x00{", b" " * 100, b"id,subject\n1,2",
)  # fmt: skip


def places(value: Any) -> Iterator[Place]:
    """Every value inside a value."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


class Mutations:
    """Draws mutations, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._of_values: Sequence[Callable[[Any, Any], None]] = (
            self._another_type, self._nested, self._left_out, self._renamed, self._text, self._copied,
        )  # fmt: skip

    def of(self, record: dict[str, Any]) -> bytes | None:
        """One record, with one to three things wrong; sometimes with none."""
        draw = self._random
        if draw.random() < 0.02:
            return None if draw.random() < 0.2 else draw.choice(WHOLE)
        value = copy.deepcopy(record)
        for _ in range(draw.choice((0, 0, 0, 1, 1, 2, 3))):
            there = list(places(value))
            if there:
                draw.choice(self._of_values)(*draw.choice(there))
        data = json.dumps(value, ensure_ascii=draw.random() < 0.5).encode(errors="surrogatepass")
        for mutate in (self._number, self._twice, self._cut, self._bytes, self._wrapped):
            if draw.random() < 0.03:
                data = mutate(data)
        return data

    def _another_type(self, container: Any, key: Any) -> None:
        container[key] = copy.deepcopy(self._random.choice(VALUES))

    def _nested(self, container: Any, key: Any) -> None:
        for _ in range(self._random.choice((1, 2, 40))):
            container[key] = [container[key]] if self._random.random() < 0.5 else {"x": container[key]}

    def _left_out(self, container: Any, key: Any) -> None:
        del container[key]

    def _renamed(self, container: Any, key: Any) -> None:
        if isinstance(container, dict):
            container[self._random.choice((str(key).upper(), f" {key}", "", "id", "label", "features"))] = (
                container.pop(key)
            )

    def _text(self, container: Any, key: Any) -> None:
        container[key] = self._random.choice(TEXTS) + ("" if self._random.random() < 0.5 else str(container[key])[:50])

    def _copied(self, container: Any, key: Any) -> None:
        """The value of another place."""
        other, from_key = self._random.choice(list(places(container)))
        container[key] = copy.deepcopy(other[from_key])

    def _number(self, data: bytes) -> bytes:
        """A number that JSON's grammar allows, or nearly, in the place of some value."""
        at = data.find(b": ", self._random.randrange(len(data)))
        end = min((i for i in (data.find(b",", at), data.find(b"}", at)) if i >= 0), default=-1)
        return data if at < 0 or end < 0 else data[: at + 2] + self._random.choice(NUMBERS).encode() + data[end:]

    def _twice(self, data: bytes) -> bytes:
        """A key that stands there twice."""
        at = data.find(b"{", self._random.randrange(len(data)))
        inner = data[at + 1 :].split(b", ")[0]
        return data if at < 0 or b":" not in inner else data[: at + 1] + inner + b", " + data[at + 1 :]

    def _cut(self, data: bytes) -> bytes:
        return data[: self._random.randrange(len(data) + 1)]

    def _bytes(self, data: bytes) -> bytes:
        at = self._random.randrange(len(data) + 1)
        return data[:at] + self._random.choice(BYTES) + data[at + self._random.randrange(2) :]

    def _wrapped(self, data: bytes) -> bytes:
        how = self._random.randrange(4)
        if how == 0:
            return json.dumps(data.decode(errors="replace")).encode()
        if how == 1:
            return data.decode(errors="replace").encode("utf-16")
        return b"[" + data + b"]" if how == 2 else data + data
