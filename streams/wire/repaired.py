"""JSON that most parsers take and a strict one does not, and the names of what is no JSON."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import orjson

from tocsin.models.data.values import found
from tocsin.streams.wire.schema import UnfitError

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
_DEEPEST, _DEEPEST_FAILS = 1_024, "depth limit exceeded"
"""How deep orjson goes, and what it says beyond."""
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or the rest of a text where a string has no end."""
_BETWEEN = ord("]") - ord("[")
"""From an opening bracket to the closing one of its kind, square or curly."""


def parsed(value: bytes) -> dict[str, Any]:
    """The JSON object in a record's value. Raises ValueError, whose text says what was found instead.

    A byte order mark is left out. Half a character (a lone surrogate, which is not Unicode) is left as it is, so that
    two names that differ in it alone are not taken for one; `tocsin.streams.wire.values` refuses it in a name and
    repairs it in a text. Raises UnfitError of kind `too-deep` for JSON that nests deeper than the parser goes.
    """
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raw = _repaired(value, error)
    if isinstance(raw, dict):
        return raw
    if isinstance(raw, str) and raw.lstrip()[:1] in ("{", "["):
        raise ValueError("the record is JSON within a JSON string: it was encoded twice")
    if isinstance(raw, list):
        raise ValueError(f"the record is a JSON array of {len(raw)}: send each event as a record of its own")
    raise ValueError(f"the record is no JSON object, {found(raw)}")


def _repaired(value: bytes, error: orjson.JSONDecodeError) -> Any:
    """What a strict parser refused with this error, where it is JSON in the end."""
    plain = value.removeprefix(_BYTE_ORDER_MARK)
    repaired = _ESCAPES.sub(_whole, plain)
    try:
        raw = orjson.loads(repaired)
    except orjson.JSONDecodeError:
        if _DEEPEST_FAILS in str(error) and _brackets_match(repaired):
            raise UnfitError(
                "too-deep", f"nested deeper than {_DEEPEST:,}, more than any bounds.nesting lets in"
            ) from None
        raise ValueError(f"the record is not JSON in UTF-8: {_what_it_is(value) or error}") from None
    if repaired == plain:
        return raw
    try:
        # It is JSON beyond doubt, so that this lenient parser makes the same of it, but for the halves, which it keeps.
        return json.loads(plain, parse_int=orjson.loads, parse_float=orjson.loads)
    except RecursionError:
        return raw  # more than any `bounds.nesting` lets in


def _brackets_match(value: bytes) -> bool:
    """Whether a text nests as JSON does: what is deeper than the parser goes is looked at without recursion."""
    bare = _STRINGS.sub(b'"', value).strip()
    marks = np.frombuffer(bare, np.uint8)
    opens, closes = np.isin(marks, list(b"[{")), np.isin(marks, list(b"]}"))
    level = np.cumsum(opens.astype(np.int64) - closes)
    if not level.size or level[-1] != 0 or np.flatnonzero(level <= 0)[0] != level.size - 1:
        return False
    brackets = np.flatnonzero(opens | closes)
    # Of each level the brackets open and close in turn.
    pairs = marks[brackets[np.argsort(level[brackets] + closes[brackets], kind="stable")]].reshape(-1, 2)
    return bool((pairs[:, 1] - pairs[:, 0] == _BETWEEN).all())


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
