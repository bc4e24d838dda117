"""The records of the topic `keys`: made, read, and what each says."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tocsin.streams.transport.base import Offsets, Record
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.kinds.keys import SubjectKey
from tocsin.streams.wire.sealing.sealed import KEY_ID
from tocsin.streams.wire.sealing.secret import INDEX, KEY, DamagedSealError, ErasureError, Secret

_KEY = re.compile(rb"([0-9a-f]{%d})(?:\.([0-9a-f]{%d}))?" % (2 * INDEX, 2 * KEY_ID))
_NAME = b"name"
_DECODER = msgspec.json.Decoder(SubjectKey)
ROLL = b"roll"
"""The key of a record that says nothing: it lets the broker close a segment, see `tocsin.streams.worker.erasing`."""


class MadeKey(NamedTuple):
    """A key of a subject, still wrapped."""

    owner: bytes
    """The index of the subject."""
    id: bytes
    wrapped: bytes


class DeletedKey(NamedTuple):
    """A key that is deleted."""

    owner: bytes
    """The index of the subject."""
    id: bytes


class Forgotten(NamedTuple):
    """A subject that is forgotten: all of its keys until then are deleted."""

    owner: bytes
    """The index of the subject."""
    subject: str
    ends: Mapping[str, Mapping[str, int]]
    """See `SubjectKey.ends`."""
    time: int

    def sent_before(self, record: Record) -> bool:
        """Whether an event or a label stood in its topic already when its subject was forgotten."""
        return record.offset < self.ends.get(record.topic, {}).get(str(record.partition), 0)


class KeyRecord(NamedTuple):
    """A record to produce; without a value it deletes."""

    key: bytes
    value: bytes | None


def new_key(secret: Secret, subject: str, now: int) -> tuple[MadeKey, bytes, KeyRecord]:
    """A new random key of a subject: wrapped, in clear, and as a record; `now` is epoch milliseconds."""
    made, key_id, index = os.urandom(KEY), os.urandom(KEY_ID), secret.index(subject)
    wrapped = secret.wrapped(made, key_id)
    record = SubjectKey(secret.name, now, key=base64.b64encode(wrapped).decode())
    return MadeKey(index, key_id, wrapped), made, KeyRecord(_key_of(index, key_id), encode(record))


def deletion(index: bytes, key_id: bytes) -> KeyRecord:
    """The record that deletes a key."""
    return KeyRecord(_key_of(index, key_id), None)


def forgotten_record(secret: Secret, subject: str, ends: Offsets, now: int) -> KeyRecord:
    """The record that says that a subject is forgotten; `ends` are the end offsets of events and labels now."""
    by_topic: dict[str, dict[str, int]] = {}
    for partition, end in ends.items():
        by_topic.setdefault(partition.topic, {})[str(partition.index)] = end
    name = base64.b64encode(secret.wrapped(subject.encode(), _NAME)).decode()
    return KeyRecord(
        _key_of(secret.index(subject)), encode(SubjectKey(secret.name, now, forgotten=name, ends=by_topic))
    )


def read_key_record(record: Record, secret: Secret) -> MadeKey | DeletedKey | Forgotten | None:
    """What a record of the topic says; None for one that says nothing, or that Tocsin did not write.

    Raises ErasureError where another secret wrapped it.
    """
    found = _KEY.fullmatch(record.key or b"")
    if found is None:
        return None
    index, key_id = bytes.fromhex(found[1].decode()), bytes.fromhex((found[2] or b"").decode())
    if record.value is None:
        return DeletedKey(index, key_id) if key_id else None
    try:
        said = _DECODER.decode(record.value)
        if said.secret != secret.name:
            raise other_secret(f"topic {record.topic!r}")
        if key_id:
            return MadeKey(index, key_id, base64.b64decode(said.key, validate=True))
        name = secret.unwrapped(base64.b64decode(said.forgotten, validate=True), _NAME).decode()
        return Forgotten(index, name, said.ends, said.time)
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, DamagedSealError):
        return None


def other_secret(where: str) -> ErasureError:
    """The error to raise where keys were wrapped by another secret than the one that is given."""
    return ErasureError(
        f"{where}: the keys were wrapped by another secret than TOCSIN_ERASURE__SECRET (erasure.secret): give the one "
        "that this service has always had"
    )


def _key_of(index: bytes, key_id: bytes = b"") -> bytes:
    return index.hex().encode() + (b"." + key_id.hex().encode() if key_id else b"")
