"""The keys of a service as the topic has them, read into memory: for commands, which have no state."""

from __future__ import annotations

import time
from typing import NamedTuple

from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.encode import Output
from tocsin.streams.wire.packed.feedback import SEALED as SEALED_FEEDBACK
from tocsin.streams.wire.packed.feedback import read
from tocsin.streams.wire.sealing.json_records import is_sealed, opened_record
from tocsin.streams.wire.sealing.key_records import DeletedKey, Forgotten, KeyRecord, MadeKey, new_key, read_key_record
from tocsin.streams.wire.sealing.outputs import SealedOutputs
from tocsin.streams.wire.sealing.sealed import UNSEALED, ErasedError, Key, KeySeals, Seals
from tocsin.streams.wire.sealing.secret import Secret, cipher_of


class _Wrapped(NamedTuple):
    owner: bytes
    wrapped: bytes


class LoggedKeys:
    """All keys of the topic; see `tocsin.streams.wire.sealing.sealed.Keys`."""

    def __init__(self, reader: Transport, topic: str, secret: Secret) -> None:
        """Read the topic to its end. Raises TransportError, and ErasureError where another secret wrapped a key."""
        self._reader, self._topic, self._secret = reader, topic, secret
        self._position = 0
        self._wrapped: dict[bytes, _Wrapped] = {}
        self._of: dict[bytes, list[bytes]] = {}
        self._ready: dict[bytes, Key] = {}
        self._deleted: set[bytes] = set()
        """Ids that are known to name no key: a key stands in its topic before what it seals does."""
        self.made: list[KeyRecord] = []
        """Keys that were made here, and are to be produced before what they seal."""
        self.read_on()

    def read_on(self) -> bool:
        """Read what was written since; returns whether there was anything."""
        began = self._position
        for partition, end in self._reader.end_offsets(self._topic).items():
            for record in self._reader.read(partition, began, end) if began < end else ():
                self._position = record.offset + 1
                self._take(record)
        return self._position > began

    def of_subject(self, subject: str) -> Key:
        """See `Keys`."""
        ids = self._of.get(self._secret.index(subject))
        key = None if not ids else self.by_id(ids[0])
        return self._make(subject) if key is None else key

    def by_id(self, key_id: bytes) -> Key | None:
        """See `Keys`."""
        key = self._ready.get(key_id)
        if key is not None or key_id in self._deleted:
            return key
        if key_id in self._wrapped or (self.read_on() and key_id in self._wrapped):
            owner, wrapped = self._wrapped[key_id]
            key = self._ready[key_id] = Key(key_id, cipher_of(self._secret.unwrapped(wrapped, key_id)), owner)
        else:
            self._deleted.add(key_id)
        return key

    def _make(self, subject: str) -> Key:
        made, clear, record = new_key(self._secret, subject, time.time_ns() // 1_000_000)
        self._keep(made)
        self.made.append(record)
        self._ready[made.id] = Key(made.id, cipher_of(clear), made.owner)
        return self._ready[made.id]

    def _take(self, record: Record) -> None:
        said = read_key_record(record, self._secret)
        if isinstance(said, MadeKey):
            self._keep(said)
        elif isinstance(said, DeletedKey):
            self._delete(said.id)
        elif isinstance(said, Forgotten):
            for key_id in list(self._of.get(said.owner, ())):
                self._delete(key_id)

    def _keep(self, made: MadeKey) -> None:
        if made.id not in self._wrapped:
            self._of.setdefault(made.owner, []).append(made.id)
        self._wrapped[made.id] = _Wrapped(made.owner, made.wrapped)
        self._deleted.discard(made.id)

    def _delete(self, key_id: bytes) -> None:
        self._ready.pop(key_id, None)
        if (gone := self._wrapped.pop(key_id, None)) is not None:
            self._of[gone.owner].remove(key_id)

    def outputs(self) -> list[Output]:
        """The keys that were made since the last call, to be produced before what they seal."""
        made, self.made = self.made, []
        return [Output(self._topic, record.key, record.value or b"") for record in made]


class CommandOutputs:
    """Seals what a command writes, by keys of the topic and new ones; as they are where nothing is sealed."""

    def __init__(self, settings: Settings, transport: Transport) -> None:
        """Raises TransportError, ErasureError."""
        secret = Secret.of(settings)
        self._keys = None if secret is None else LoggedKeys(transport, settings.topics.keys, secret)
        self._seals = UNSEALED if self._keys is None else KeySeals(self._keys)
        self._sealed = SealedOutputs(settings)

    def room(self, topic: str, limit: int) -> int:
        """Of the bytes that a topic takes, those that a record may have before it is sealed."""
        return self._sealed.room(topic, limit) if self._seals.active else limit

    def __call__(self, output: Output) -> list[Output]:
        """The records to produce: new keys, and the output as it is to be produced."""
        if self._keys is None:
            return [output]
        sealed = self._sealed(output, lambda: self._seals)
        return [*self._keys.outputs(), sealed]


def seals_of(settings: Settings, reader: Transport) -> Seals:
    """What opens what a service has sealed; its keys are read now. Raises TransportError, ErasureError."""
    secret = Secret.of(settings)
    return UNSEALED if secret is None else KeySeals(LoggedKeys(reader, settings.topics.keys, secret))


def is_erased(value: bytes, seals: Seals) -> bool:
    """Whether what is sealed in a record that Tocsin wrote cannot be read any more, because a subject is forgotten.

    The record is a decision, an alert, a review, or feedback. One of which nothing is sealed is not erased. Raises
    ErasureError where the config seals nothing, and DamagedSealError.
    """
    try:
        if value.startswith(SEALED_FEEDBACK):
            read(value, seals)
        elif is_sealed(value):
            opened_record(value, seals)
    except ErasedError:
        return True
    return False
