"""JSON that most parsers take and a strict one does not, and the names of what is no JSON."""

from __future__ import annotations

import re
from typing import Any

import orjson

from tocsin.streams.wire.values import found

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""One escape of a string; a surrogate without its other half is the group 1."""
_FORMATS = {
    b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "Zstandard", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip",
    b"Obj\x01": "an Avro file", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PAR1": "Parquet",
}  # fmt: skip
"""How records begin that are no JSON in UTF-8."""
_SCHEMA_FRAME = 5
"""Bytes that a schema registry's client puts before a record: a zero, and four of the schema's number."""


def parsed(value: bytes) -> dict[str, Any]:
    """The JSON object in a record's value. Raises ValueError, whose text says what was found instead.

    A byte order mark is left out, and half a character (a lone surrogate, which is not Unicode) becomes U+FFFD.
    """
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        repaired = _ESCAPES.sub(_whole, value.removeprefix(_BYTE_ORDER_MARK))
        try:
            raw = orjson.loads(repaired)
        except orjson.JSONDecodeError:
            raise ValueError(f"the record is not JSON in UTF-8: {_what_it_is(value) or error}") from None
    if isinstance(raw, dict):
        return raw
    if isinstance(raw, str) and raw.lstrip()[:1] in ("{", "["):
        raise ValueError("the record is JSON within a JSON string: it was encoded twice")
    if isinstance(raw, list):
        raise ValueError(f"the record is a JSON array of {len(raw)}: send each event as a record of its own")
    raise ValueError(f"the record is no JSON object, {found(raw)}")


def _whole(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] is None else b"\\ufffd"


def _what_it_is(value: bytes) -> str | None:
    """The name of a format that is recognised by its first bytes."""
    for begins, name in _FORMATS.items():
        if value.startswith(begins):
            return f"it looks like {name}"
    if len(value) > _SCHEMA_FRAME and value[0] == 0:
        number = int.from_bytes(value[1:_SCHEMA_FRAME])
        return (
            f"it begins with a schema registry's framing (a zero byte and the schema's number, {number}); "
            "have producers send plain JSON"
        )
    return None if value.strip() else "it is empty"
