"""Named databases of bytes: what every part of the state reads and writes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import lmdb
import msgspec

T = TypeVar("T")
FINGERPRINT = 16
"""Bytes of a fingerprint."""
ORDER = 16
"""Bytes of an order, which `Sequence.at` gives."""


EXPIRED_AT_ONCE = 10_000
"""Entries that expire in one call. What is left expires in the next one, so that no call holds a worker for long."""


class StateError(Exception):
    """The state directory cannot be used, or its map is full; the text names the setting."""


class DamagedError(StateError):
    """The state holds what Tocsin did not write. It is of no use, and the logs give back what it should hold."""


def decoded(database: str, decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    """What an entry holds. Raises DamagedError where it is not what Tocsin wrote."""
    try:
        return decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise DamagedError(f"state.directory: an entry of {database!r} is damaged ({error})") from error


@lru_cache(maxsize=1 << 14)
def fingerprint(*parts: str) -> bytes:
    """A key of 16 bytes for ids of any length (LMDB's keys end at 511 bytes).

    The last ones are remembered, because one batch asks for each several times.
    """
    data = b""
    for part in parts:
        encoded = part.encode()
        data += len(encoded).to_bytes(4, "big") + encoded
    return hashlib.blake2b(data, digest_size=FINGERPRINT).digest()


class Entries(Protocol):
    """Databases of bytes by bytes. Keys are ordered bytewise."""

    def get(self, database: str, key: bytes) -> bytes | None:
        """An entry of a database, or None."""
        ...

    def put(self, database: str, key: bytes, value: bytes) -> None:
        """Write an entry. Raises StateError where the map is full, as `delete` does."""
        ...

    def delete(self, database: str, key: bytes) -> None:
        """Remove an entry; a missing one is no error."""
        ...

    def walk(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        """Entries by ascending key; the one that was given last may be deleted meanwhile."""
        ...

    def count(self, database: str) -> int:
        """Entries of a database."""
        ...


class LmdbEntries:
    """The databases within one LMDB write transaction."""

    def __init__(self, transaction: lmdb.Transaction, databases: Mapping[str, Any], directory: Path) -> None:
        self._transaction = transaction
        self._databases = databases
        self._directory = directory

    def get(self, database: str, key: bytes) -> bytes | None:
        """See `Entries`."""
        try:
            found = self._transaction.get(key, db=self._databases[database])
        except lmdb.Error as error:
            raise self.failed(error) from error
        return None if found is None else bytes(found)

    def get_all(self, database: str, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The entries of these keys that there are."""
        try:
            with self._transaction.cursor(self._databases[database]) as cursor:
                return {bytes(key): bytes(value) for key, value in cursor.getmulti(list(keys))}
        except lmdb.Error as error:
            raise self.failed(error) from error

    def put(self, database: str, key: bytes, value: bytes) -> None:
        """See `Entries`."""
        try:
            self._transaction.put(key, value, db=self._databases[database])
        except lmdb.Error as error:
            raise self.failed(error) from error

    def put_all(self, database: str, entries: list[tuple[bytes, bytes]]) -> None:
        """Write many entries. Raises StateError."""
        try:
            with self._transaction.cursor(self._databases[database]) as cursor:
                cursor.putmulti(entries)
        except lmdb.Error as error:
            raise self.failed(error) from error

    def delete(self, database: str, key: bytes) -> None:
        """See `Entries`."""
        try:  # a page is copied before it is changed, so that deleting may find no room either
            self._transaction.delete(key, db=self._databases[database])
        except lmdb.Error as error:
            raise self.failed(error) from error

    def walk(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        """See `Entries`."""
        cursor = self._transaction.cursor(self._databases[database])
        there = cursor.first()
        while there:
            key = bytes(cursor.key())
            yield key, bytes(cursor.value())
            there = cursor.next() if cursor.set_key(key) else cursor.set_range(key)

    def walk_from(self, database: str, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries whose keys begin with a prefix, by ascending key, from `start` on. Nothing may be written meanwhile.

        A `start` begins with the prefix.
        """
        cursor = self._transaction.cursor(self._databases[database])
        there = cursor.set_range(start or prefix)
        while there and bytes(cursor.key()).startswith(prefix):
            yield bytes(cursor.key()), bytes(cursor.value())
            there = cursor.next()

    def walk_back(self, database: str, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Entries whose keys begin with a prefix, by descending key. Nothing may be written meanwhile.

        What follows the prefix in a key is an order.
        """
        cursor = self._transaction.cursor(self._databases[database])
        there = cursor.prev() if cursor.set_range(prefix + b"\xff" * ORDER) else cursor.last()
        while there and bytes(cursor.key()).startswith(prefix):
            yield bytes(cursor.key()), bytes(cursor.value())
            there = cursor.prev()

    def count(self, database: str) -> int:
        """See `Entries`."""
        return int(self._transaction.stat(self._databases[database])["entries"])

    def size(self, database: str) -> int:
        """Bytes of the pages that a database takes."""
        stat = self._transaction.stat(self._databases[database])
        return int((stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]) * stat["psize"])

    def failed(self, error: lmdb.Error) -> StateError:
        """The error for a write that failed: because the map is full, the disk is, or the file is damaged."""
        if isinstance(error, lmdb.MapFullError | lmdb.TxnFullError):
            return StateError(f"state.max_bytes: the map in {self._directory} cannot take more ({error}): raise it")
        if isinstance(error, lmdb.DiskError) or "space" in str(error):
            free = shutil.disk_usage(self._directory).free
            return StateError(
                f"state.directory: the disk of {self._directory} is full, {free:,} bytes are free ({error}): make "
                "room, or name a directory on another disk"
            )
        return DamagedError(f"state.directory: the state in {self._directory} is damaged ({error})")


class Sequence:
    """A number that only grows: it tells the order of entries of the same millisecond."""

    _DATABASE, _KEY = "meta", b"sequence"

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._kept = self._last = int.from_bytes(entries.get(self._DATABASE, self._KEY) or b"", "big")

    def next(self) -> bytes:
        """The next number, as 8 bytes."""
        self._last += 1
        return self._last.to_bytes(8, "big")

    def at(self, now: int) -> bytes:
        """An order (16 bytes) for what comes at an instant, epoch milliseconds; before 1970 it is that of 1970.

        So a clock that is not set yet ends no worker.
        """
        return max(now, 0).to_bytes(8, "big") + self.next()

    def save(self) -> None:
        """Write the last number."""
        if self._last != self._kept:
            self._entries.put(self._DATABASE, self._KEY, self._last.to_bytes(8, "big"))
            self._kept = self._last
