"""Tallies: how many events are kept of each partition of the events, and how many of these have a label."""

from __future__ import annotations

from typing import Literal

from tocsin.streams.state.entries import Entries

_DATABASE = "meta"
Tally = Literal["pending", "labelled"]


class Tallies:
    """The tallies within one transaction. They are kept, because counting a million entries takes too long."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._changed: dict[bytes, int] = {}

    def of(self, tally: Tally, partition: int) -> int:
        """How many there are of a partition."""
        key = _key(tally, partition)
        return self._changed[key] if key in self._changed else int(self._entries.get(_DATABASE, key) or 0)

    def add(self, tally: Tally, partition: int, by: int) -> None:
        """Count up, or down where `by` is negative."""
        self.set(tally, partition, self.of(tally, partition) + by)

    def set(self, tally: Tally, partition: int, count: int) -> None:
        """Say how many there are of a partition."""
        self._changed[_key(tally, partition)] = count

    def save(self) -> None:
        """Write what has changed."""
        for key, count in self._changed.items():
            self._entries.put(_DATABASE, key, b"%d" % count)
        self._changed = {}


def _key(tally: Tally, partition: int) -> bytes:
    return b"tally:%s:%d" % (tally.encode(), partition)
