"""Why a record was put aside, as the headers of its dead letter say it."""

from __future__ import annotations

from msgspec import Struct, field


class DeadLetter(Struct, frozen=True):
    """Why a record was put aside; the record itself is the dead letter's value, byte for byte.

    These are the headers of a record on the topic `dead-letters`, as KIP-1034 names them. Where the record is larger
    than the topic takes, headers that begin with `__tocsin.` follow: what was left out (`LeftOut`).
    """

    topic: str = field(name="__streams.errors.topic")
    partition: int = field(name="__streams.errors.partition")
    offset: int = field(name="__streams.errors.offset")
    exception: str = field(name="__streams.errors.exception")
    message: str = field(name="__streams.errors.message")


class LeftOut(Struct, frozen=True, omit_defaults=True):
    """What was left out of a record that is larger than its topic takes; its headers say so under these names."""

    value_bytes: int | None = field(default=None, name="__tocsin.value.bytes")
    """Length of the whole value, of which the record holds the beginning."""
    value_sha256: str | None = field(default=None, name="__tocsin.value.sha256")
    """SHA-256 of the whole value, hexadecimal."""
    key_sha256: str | None = field(default=None, name="__tocsin.key.sha256")
    """SHA-256 of the key, which was left out."""
    headers: int = field(default=0, name="__tocsin.headers.left_out")
    """How many headers were left out, the last ones."""
