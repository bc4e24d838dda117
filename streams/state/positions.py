"""Positions: the next offset to be read of each input partition."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.streams.state.entries import Entries
from tocsin.streams.transport.base import Offsets, Partition

POSITIONS = "positions"


class Positions:
    """The positions within one transaction."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    def get(self, partition: Partition) -> int | None:
        """The next offset to be read of a partition; None where nothing is known of it."""
        found = self._entries.get(POSITIONS, _key(partition))
        return None if found is None else int(found)

    def all(self) -> Iterator[tuple[Partition, int]]:
        """Every partition of which something is known, with the next offset to be read. Nothing may be written."""
        for key, value in self._entries.walk(POSITIONS):
            topic, _, index = key.decode().partition("\0")
            yield Partition(topic, int(index)), int(value)

    def set(self, offsets: Offsets) -> None:
        """Remember the next offsets."""
        for partition, offset in offsets.items():
            self._entries.put(POSITIONS, _key(partition), str(offset).encode())


def _key(partition: Partition) -> bytes:
    return f"{partition.topic}\0{partition.index}".encode()
