"""Kept profiles: what the events of each partition have said of its keys, in memory and in the state.

In memory are the profiles of the partitions that were asked for, as `tocsin.models.profiles` has them. What has changed
of them is written at the commit of the transaction, so that the state has them as of its positions. Where a
transaction is given up, the memory is emptied and filled again from the state.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from tocsin.models.data.batch import Floats
from tocsin.models.profiles.event_profiles import EventProfiles
from tocsin.streams.state.entries import DamagedError, LmdbEntries
from tocsin.streams.state.notes import Notes

PROFILES = "profiles"
"""A value of a key with its row, by its partition, the number of its profile, and the number of the row."""
_PROFILE, _ROW = struct.Struct(">IH"), struct.Struct(">I")
_LENGTH = struct.Struct(">I")


class MakesProfiles(Protocol):
    """What knows how profiles begin."""

    @property
    def digest(self) -> str:
        """What names all that kept profiles depend on."""
        ...

    def begin(self) -> EventProfiles:
        """The profiles of a stream without any event."""
        ...


class KeptProfiles:
    """The profiles of all partitions within one transaction."""

    def __init__(self, entries: LmdbEntries, notes: Notes, memory: dict[int, EventProfiles]) -> None:
        """`memory` holds the profiles as of the end of the transaction before, of some partitions."""
        self._entries = entries
        self._notes = notes
        self._memory = memory

    def known(self, partition: int, makes: MakesProfiles) -> bool:
        """Whether the state has the profiles of a partition as these settings have them."""
        return self._notes.profiles(partition) == makes.digest

    def of(self, partition: int, makes: MakesProfiles) -> EventProfiles:
        """The profiles of a partition, which begin where the state has none. They are kept with the transaction."""
        profiles = self._memory.get(partition)
        if profiles is None or profiles.digest != makes.digest:
            if not self.known(partition, makes):
                profiles = self.begin(partition, makes)
                self.complete(partition, makes)
                return profiles
            profiles = makes.begin()
            for number, known in enumerate(profiles.rows):
                try:
                    known.restore(self._read(partition, number, known.width))
                except (ValueError, struct.error) as error:
                    raise DamagedError(f"state.directory: an entry of {PROFILES!r} is damaged ({error})") from error
            self._memory[partition] = profiles
        return profiles

    def begin(self, partition: int, makes: MakesProfiles) -> EventProfiles:
        """Forget what is known of a partition: its profiles begin anew, and are `known` once they are complete."""
        for key in [key for key, _ in self._entries.walk_from(PROFILES, partition.to_bytes(4, "big"))]:
            self._entries.delete(PROFILES, key)
        self._notes.set_profiles(partition, "")
        profiles = self._memory[partition] = makes.begin()
        return profiles

    def partitions(self) -> list[int]:
        """The partitions of which anything is kept."""
        kept = {int.from_bytes(name[:4], "big") for name, _ in self._entries.walk_from(PROFILES, b"")}
        return sorted(kept | self._memory.keys())

    def forget(self, value: str, makes: MakesProfiles, key: str) -> None:
        """Forget what is known of one value of a key, in every partition whose profiles are of these settings.

        Those of other settings are removed whole.
        """
        for partition in self.partitions():
            if not self.known(partition, makes):
                self.begin(partition, makes)
                continue
            profiles = self.of(partition, makes)
            for number, (name, known) in enumerate(zip(profiles.keys, profiles.rows, strict=True)):
                gone = known.forget(value) if name == key else None
                if gone is not None:
                    self._entries.delete(PROFILES, _PROFILE.pack(partition, number) + _ROW.pack(gone))

    def complete(self, partition: int, makes: MakesProfiles) -> None:
        """From the end of this transaction on the state has the profiles of a partition as of its position."""
        self._notes.set_profiles(partition, makes.digest)

    def write(self) -> None:
        """Write what has changed into the transaction. Raises StateError."""
        for partition, profiles in self._memory.items():
            for number, known in enumerate(profiles.rows):
                changed = np.flatnonzero(known.changed)
                if not len(changed):
                    continue
                prefix, names = _PROFILE.pack(partition, number), known.names
                entries = [
                    (prefix + _ROW.pack(row), _named(names[row]) + packed)
                    for row, packed in zip(changed.tolist(), pack_rows(known.rows[changed]), strict=True)
                ]
                self._entries.put_all(PROFILES, entries)
                known.changed[changed] = False

    def forget_memory(self) -> None:
        """Leave nothing in memory, because the transaction is given up."""
        self._memory.clear()

    def _read(self, partition: int, number: int, width: int) -> Iterator[tuple[str, Floats]]:
        for _, value in self._entries.walk_from(PROFILES, _PROFILE.pack(partition, number)):
            [length] = _LENGTH.unpack_from(value)
            start = _LENGTH.size + length
            yield value[_LENGTH.size : start].decode(), unpack_row(value[start:], width)


def _named(key: str) -> bytes:
    name = key.encode()
    return _LENGTH.pack(len(name)) + name


def pack_rows(rows: Floats) -> list[bytes]:
    """Rows [N, W], most of whose numbers are 0, as bytes: a bit for each number that is not, and then these numbers."""
    there = rows.view(np.int64) != 0  # the bits: -0.0 is no 0.0
    bits, numbers = np.packbits(there, axis=1).tobytes(), rows[there].astype("<f8", copy=False).tobytes()
    size = (rows.shape[1] + 7) // 8
    ends = (8 * np.count_nonzero(there, axis=1).cumsum()).tolist()
    return [
        bits[i * size : (i + 1) * size] + numbers[start:stop]
        for i, (start, stop) in enumerate(zip([0, *ends], ends, strict=False))
    ]


def unpack_row(packed: bytes, width: int) -> Floats:
    """The row [width] that `pack_rows` packed. Raises ValueError for what it did not."""
    size = (width + 7) // 8
    there = np.unpackbits(np.frombuffer(packed[:size], np.uint8), count=width).astype(np.bool_)
    row = np.zeros(width)
    row[there] = np.frombuffer(packed[size:], "<f8")
    return row
