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
        self._changed: dict[tuple[Tally, int], int] = {}

    def of(self, tally: Tally, partition: int) -> int:
        """How many there are of a partition."""
        changed = self._changed.get((tally, partition))
        return int(self._entries.get(_DATABASE, _key(tally, partition)) or 0) if changed is None else changed

    def add(self, tally: Tally, partition: int, by: int) -> None:
        """Count up, or down where `by` is negative."""
        self.set(tally, partition, self.of(tally, partition) + by)

    def set(self, tally: Tally, partition: int, count: int) -> None:
        """Say how many there are of a partition."""
        self._changed[tally, partition] = count

    def save(self) -> None:
        """Write what has changed."""
        for (tally, partition), count in self._changed.items():
            self._entries.put(_DATABASE, _key(tally, partition), b"%d" % count)
        self._changed = {}


def _key(tally: Tally, partition: int) -> bytes:
    return b"tally:%s:%d" % (tally.encode(), partition)
