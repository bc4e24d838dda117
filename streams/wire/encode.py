"""What a worker sends: records as JSON, with the topics they go to."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tocsin.streams.transport.base import Headers, Record
from tocsin.streams.wire.kinds.dead_letter import DeadLetter, LeftOut
from tocsin.streams.wire.schema import UnfitError


class Output(NamedTuple):
    """One record to produce."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = ()
    origin: Record | None = None
    """The record from outside that it answers, which becomes a dead letter where the output does not fit its topic."""


def _plain(value: Any) -> Any:
    """A number of numpy's as one of Python's: a model named by the config may bring such into an explanation."""
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"a record cannot hold {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def encode(record: msgspec.Struct | list[msgspec.Struct]) -> bytes:
    """A record as JSON. Numbers that are not finite become null."""
    return _ENCODER.encode(record)


def dead_letter(topic: str, record: Record, error: UnfitError) -> Output:
    """A record put aside: its own bytes, its own headers, and why, in headers named after KIP-1034."""
    letter = DeadLetter(record.topic, record.partition, record.offset, error.kind, str(error)[:1_000])
    return Output(topic, record.key, record.value or b"", [*record.headers, *letter_headers(letter)])


def letter_headers(said: DeadLetter | LeftOut) -> list[tuple[str, bytes]]:
    """What is said of a record, as headers."""
    return [(name, str(value).encode(errors="replace")) for name, value in msgspec.to_builtins(said).items()]


REASON_HEADERS = len(msgspec.structs.fields(DeadLetter))
"""How many headers give the reason of a dead letter. They are its last ones."""


def finite(value: float) -> float | None:
    """A number, or None for one that is not finite: JSON has null for it."""
    return value if math.isfinite(value) else None
