"""Kept keys: what a worker knows of the topic `keys`, in its state and, unwrapped, in memory.

The state has every key as it stands in the topic, wrapped by the secret, up to the position that it notes. A key that
is made in a transaction is kept with it, and produced with the batch that it seals. Where the transaction is given up,
so is the key.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from tocsin.streams.state.entries import LmdbEntries
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.sealing.key_records import (
    DeletedKey,
    Forgotten,
    KeyRecord,
    MadeKey,
    new_key,
    read_key_record,
)
from tocsin.streams.wire.sealing.sealed import Key, KeySeals
from tocsin.streams.wire.sealing.secret import INDEX, ErasureError, Secret, cipher_of

KEYS = "keys"
"""By its id a key's subject and the wrapped key; by a subject the ids of its keys; and the forgotten subjects."""
_BY_ID, _BY_SUBJECT, _FORGOTTEN, _TO_ERASE, _POSITION = b"k", b"s", b"f", b"o", b"p"
_V = TypeVar("_V")
_K = TypeVar("_K")


class KeyMemory:
    """What is kept in memory from one transaction to the next.

    It is also the keys for whoever has no transaction at hand (`tocsin.streams.wire.sealing.sealed.Keys`): those of the
    one that is open, of which there is one at a time.
    """

    def __init__(self, secret: Secret, most: int, clock: Callable[[], int], topic: str) -> None:
        """At most so many keys; `clock` gives epoch milliseconds, `topic` is that of the keys."""
        self.secret = secret
        self.most = most
        self.clock = clock
        self.topic = topic
        self.sealing: dict[str, Key] = {}
        self.ready: dict[bytes, Key] = {}
        self.deleted: set[bytes] = set()
        """Ids that are known to name no key, as of where the topic was read to."""
        self.kept_ms = sys.maxsize
        """So long events stay in their topic: what was sent before a subject was forgotten comes no more after that."""
        self.made: list[KeyRecord] = []
        """Keys that were made and not yet produced."""
        self.sent: dict[str, Forgotten] | None = None
        """Forgotten subjects of which events may still come that were sent before; None before that is looked up."""
        self.seals = KeySeals(self)
        self.within: KeptKeys | None = None
        """The keys within the transaction that is open."""
        self.read_on: Callable[[KeptKeys], bool] = lambda kept: False
        """Reads the topic to its end; returns whether there was anything new."""

    def of_subject(self, subject: str) -> Key:
        """See `Keys`."""
        assert self.within is not None  # a transaction is open whenever anything is sealed
        return self.within.of_subject(subject)

    def by_id(self, key_id: bytes) -> Key | None:
        """See `Keys`."""
        assert self.within is not None
        return self.within.by_id(key_id)

    def clear(self) -> None:
        """Forget it all: the transaction is given up, and what it made is of no use."""
        self.forget_keys()
        self.made.clear()
        self.sent = None

    def forget_keys(self) -> None:
        """Forget the keys themselves."""
        self.sealing.clear()
        self.ready.clear()
        self.deleted.clear()


class KeptKeys:
    """The keys within one transaction; see `tocsin.streams.wire.sealing.sealed.Keys`."""

    def __init__(self, entries: LmdbEntries, memory: KeyMemory) -> None:
        self._entries = entries
        self.memory = memory
        memory.within = self

    def of_subject(self, subject: str) -> Key:
        """See `Keys`."""
        memory = self.memory
        key = memory.sealing.get(subject)
        if key is None:
            key = self._found(memory.secret.index(subject)) or self._make(subject)
            _remember(memory.sealing, subject, key, memory.most)
        return key

    def by_id(self, key_id: bytes) -> Key | None:
        """See `Keys`. One that is not known is looked for behind what was read of the topic."""
        memory = self.memory
        key = memory.ready.get(key_id)
        if key is None and key_id not in memory.deleted:
            key = self._kept(key_id)
            if key is None and memory.read_on(self):
                key = self._kept(key_id)
            if key is None:
                self._require_any()
                if len(memory.deleted) >= memory.most:
                    memory.deleted.clear()
                memory.deleted.add(key_id)
        return key

    def has(self, key_id: bytes) -> bool:
        """Whether there is a key of this id, as far as the topic was read."""
        return self._entries.get(KEYS, _BY_ID + key_id) is not None

    @property
    def position(self) -> int:
        """The next offset of the topic that is to be read."""
        return int(self._entries.get(KEYS, _POSITION) or 0)

    def take(self, record: Record) -> None:
        """Take over a record of the topic. Raises ErasureError where another secret wrapped it."""
        self._entries.put(KEYS, _POSITION, b"%d" % (record.offset + 1))
        said = read_key_record(record, self.memory.secret)
        if isinstance(said, MadeKey):
            self._keep(said)
        elif isinstance(said, DeletedKey):
            self._delete(said)
        elif isinstance(said, Forgotten):
            for key_id in list(self._ids(said.owner)):
                self._delete(DeletedKey(said.owner, key_id))
            self._entries.put(KEYS, _FORGOTTEN + said.owner, record.value or b"")
            self._entries.put(KEYS, _TO_ERASE + said.owner, b"")
            self.memory.sent = None

    def to_erase(self) -> list[Forgotten]:
        """The forgotten subjects of which the state may still hold something."""
        indices = [key[1:] for key, _ in self._entries.walk_from(KEYS, _TO_ERASE)]
        return [one for index in indices if (one := self._forgotten(index)) is not None]

    def erased(self, one: Forgotten) -> None:
        """The state holds nothing of a subject any more."""
        self._entries.delete(KEYS, _TO_ERASE + one.owner)

    @property
    def forgets(self) -> bool:
        """Whether any subject was ever forgotten."""
        return next(iter(self._entries.walk_from(KEYS, _FORGOTTEN)), None) is not None

    def _require_any(self) -> None:
        """Raise ErasureError where nothing is known of the topic: what is sealed had a key once."""
        if self._entries.count(KEYS) == 0:
            raise ErasureError(
                f"topic {self.memory.topic!r} (topics.keys) is empty, and there is something sealed: the topic was "
                "deleted or is another one. Bring its records back; without them all that is sealed is erased"
            )

    def forgotten(self, subject: str) -> Forgotten | None:
        """That a subject was forgotten, and when; None where it was not. It may have begun anew since."""
        return self._forgotten(self.memory.secret.index(subject))

    def still_coming(self, done: Callable[[Forgotten], bool]) -> dict[str, Forgotten]:
        """The forgotten subjects of which events or labels may come that were sent before.

        `done` says whether all that was sent before is read. It is asked once, and again whenever a subject is
        forgotten.
        """
        if self.memory.sent is None:
            indices = [key[1:] for key, _ in self._entries.walk_from(KEYS, _FORGOTTEN)]
            found = [one for index in indices if (one := self._forgotten(index)) is not None]
            oldest = self.memory.clock() - self.memory.kept_ms
            self.memory.sent = {one.subject: one for one in found if one.time >= oldest and not done(one)}
        return self.memory.sent

    def _forgotten(self, index: bytes) -> Forgotten | None:
        value = self._entries.get(KEYS, _FORGOTTEN + index)
        if value is None:
            return None
        said = read_key_record(Record(self.memory.topic, 0, 0, 0, index.hex().encode(), value), self.memory.secret)
        return said if isinstance(said, Forgotten) else None

    def count(self) -> int:
        """How many keys and forgotten subjects are kept."""
        return self._entries.count(KEYS)

    def _ids(self, index: bytes) -> Iterator[bytes]:
        prefix = _BY_SUBJECT + index
        for key, _ in self._entries.walk_from(KEYS, prefix):
            yield key[len(prefix) :]

    def _found(self, index: bytes) -> Key | None:
        """A key of a subject: of several the one of the lowest id, so that a worker keeps to one."""
        for key_id in self._ids(index):
            return self._kept(key_id)
        return None

    def _kept(self, key_id: bytes) -> Key | None:
        value = self._entries.get(KEYS, _BY_ID + key_id)
        if value is None:
            return None
        key = Key(key_id, cipher_of(self.memory.secret.unwrapped(value[INDEX:], key_id)), value[:INDEX])
        _remember(self.memory.ready, key_id, key, self.memory.most)
        return key

    def _make(self, subject: str) -> Key:
        made, clear, record = new_key(self.memory.secret, subject, self.memory.clock())
        self._keep(made)
        self.memory.made.append(record)
        key = Key(made.id, cipher_of(clear), made.owner)
        _remember(self.memory.ready, made.id, key, self.memory.most)
        return key

    def _keep(self, made: MadeKey) -> None:
        self._entries.put(KEYS, _BY_ID + made.id, made.owner + made.wrapped)
        self._entries.put(KEYS, _BY_SUBJECT + made.owner + made.id, b"")
        self.memory.deleted.discard(made.id)

    def _delete(self, gone: DeletedKey) -> None:
        self._entries.delete(KEYS, _BY_ID + gone.id)
        self._entries.delete(KEYS, _BY_SUBJECT + gone.owner + gone.id)
        # Keys are deleted seldom, and by what subject the memory has them is not known here.
        self.memory.forget_keys()


def _remember(known: dict[_K, _V], name: _K, value: _V, most: int) -> None:
    """Keep one more; beyond `most` those that came first go."""
    if len(known) >= most:
        del known[next(iter(known))]
    known[name] = value
