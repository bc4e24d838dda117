"""What a worker sends: records with the topic they go to, and their JSON."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import orjson

from tocsin.streams.transport.base import Headers, Record
from tocsin.streams.wire.decode import UnfitError

OPTIONS = orjson.OPT_SERIALIZE_NUMPY


class Output(NamedTuple):
    """One record to emit."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()


def encode(record: dict[str, Any]) -> bytes:
    """A record as JSON."""
    return orjson.dumps(record, option=OPTIONS)


def dead_letter(topic: str, record: Record, error: UnfitError) -> Output:
    """A record put aside: its own bytes, its own headers, and why, in headers named after KIP-1034."""
    reason = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "exception": error.kind,
        "message": str(error)[:1_000],
    }
    headers = [(f"__streams.errors.{name}", value.encode()) for name, value in reason.items()]
    return Output(topic, record.key, record.value or b"", [*record.headers, *headers])


def read_back(record: Record) -> dict[str, Any] | None:
    """A record of one of our own topics; None for what Tocsin did not write there."""
    try:
        value = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def finite(value: float) -> float | None:
    """JSON has no infinity: null stands for it."""
    return value if math.isfinite(value) else None
