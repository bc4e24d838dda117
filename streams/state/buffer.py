"""Changes to entries that stay in memory until they are written."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator

from tocsin.streams.state.entries import Entries


class _Changes:
    """The changes of one database."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes | None] = {}
        """What was put by its key; None for what was deleted."""
        self.keys: list[bytes] = []
        """The keys of what was put, sorted."""
        self.more = 0
        """By so many entries the database is larger."""


class Buffer:
    """Entries over other ones: what is read shows every change, and `write` passes the changes on.

    Each database is passed on in the order in which its entries were changed last.
    """

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._databases: defaultdict[str, _Changes] = defaultdict(_Changes)

    def get(self, database: str, key: bytes) -> bytes | None:
        """See `Entries`."""
        values = self._databases[database].values
        return values[key] if key in values else self._entries.get(database, key)

    def put(self, database: str, key: bytes, value: bytes) -> None:
        """See `Entries`."""
        changes = self._databases[database]
        if self.get(database, key) is None:
            insort(changes.keys, key)
            changes.more += 1
        elif key not in changes.values:
            insort(changes.keys, key)
        changes.values.pop(key, None)
        changes.values[key] = value

    def delete(self, database: str, key: bytes) -> None:
        """See `Entries`."""
        changes = self._databases[database]
        if self.get(database, key) is None:
            return
        if key in changes.values:
            del changes.keys[bisect_left(changes.keys, key)]
        changes.values.pop(key, None)
        changes.values[key] = None
        changes.more -= 1

    def walk(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        """See `Entries`."""
        changes = self._databases[database]
        unchanged = (entry for entry in self._entries.walk(database) if entry[0] not in changes.values)
        ahead = next(unchanged, None)
        last = b""
        while True:
            place = bisect_right(changes.keys, last)
            if ahead is not None and ahead[0] in changes.values:  # it was deleted since
                ahead = next(unchanged, None)
            elif place < len(changes.keys) and (ahead is None or changes.keys[place] < ahead[0]):
                last = changes.keys[place]
                value = changes.values[last]
                assert value is not None
                yield last, value
            elif ahead is not None:
                last = ahead[0]
                yield ahead
                ahead = next(unchanged, None)
            else:
                return

    def count(self, database: str) -> int:
        """See `Entries`."""
        return self._entries.count(database) + self._databases[database].more

    def write(self) -> None:
        """Pass every change on. Raises StateError."""
        for database, changes in self._databases.items():
            for key, value in changes.values.items():
                if value is None:
                    self._entries.delete(database, key)
                else:
                    self._entries.put(database, key, value)
        self._databases.clear()
