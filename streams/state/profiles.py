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
from tocsin.streams.state.entries import DamagedError, LmdbEntries, fingerprint
from tocsin.streams.state.notes import Notes

PROFILES = "profiles"
"""The row of a key's value by its partition, the number of its profile, and its fingerprint."""
_PLACE = struct.Struct(">IH")
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
                    known.restore(self._read(partition, number))
                except (ValueError, struct.error, UnicodeDecodeError) as error:
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

    def complete(self, partition: int, makes: MakesProfiles) -> None:
        """From the end of this transaction on the state has the profiles of a partition as of its position."""
        self._notes.set_profiles(partition, makes.digest)

    def write(self) -> None:
        """Write what has changed into the transaction. Raises StateError."""
        for partition, profiles in self._memory.items():
            for number, known in enumerate(profiles.rows):
                prefix = _PLACE.pack(partition, number)
                for key in known.gone:
                    self._entries.delete(PROFILES, prefix + fingerprint(key))
                # In the order of their keys, which LMDB writes fastest.
                new = sorted((prefix + fingerprint(key), _entry(key, known.row(key))) for key in known.changed)
                if new:
                    self._entries.put_all(PROFILES, new)
                known.gone.clear()
                known.changed.clear()

    def forget_memory(self) -> None:
        """Leave nothing in memory, because the transaction is given up."""
        self._memory.clear()

    def _read(self, partition: int, number: int) -> Iterator[tuple[str, Floats]]:
        for _, value in self._entries.walk_from(PROFILES, _PLACE.pack(partition, number)):
            [length] = _LENGTH.unpack_from(value)
            start = _LENGTH.size + length
            yield value[_LENGTH.size : start].decode(), np.frombuffer(value[start:], "<f8")


def _entry(key: str, row: Floats) -> bytes:
    name = key.encode()
    return _LENGTH.pack(len(name)) + name + row.astype("<f8", copy=False).tobytes()
