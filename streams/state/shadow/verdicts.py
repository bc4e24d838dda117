"""Paired verdicts: what two models said of each event, kept until its first label comes.

An entry is 53 bytes, with the one that tells its age: a million of them are some eighty megabytes of the map.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tocsin.streams.state.entries import DamagedError, LmdbEntries, fingerprint
from tocsin.streams.state.entries import Sequence as OrderSequence

VERDICTS, BY_AGE = "verdicts", "verdicts_order"
"""An entry by the fingerprint of the event's id, with its order; that fingerprint by the order."""
_ORDER = 8
_VERDICT = struct.Struct(">HHB")
_NONE = 0xFFFF
"""Stands for no class."""


class PairedVerdict(NamedTuple):
    """What a first and a second model said of one event."""

    first: int
    """The number of the class that it named, as the caller numbers classes; -1 for none."""
    second: int
    first_decided: bool
    second_decided: bool


class PairedVerdicts:
    """The verdicts within one transaction."""

    def __init__(self, entries: LmdbEntries, sequence: OrderSequence) -> None:
        self._entries = entries
        self._sequence = sequence

    def add(self, verdicts: Iterable[tuple[str, PairedVerdict]], most: int) -> None:
        """Keep what was said of events, by their ids, none of which is kept yet; of more than `most` the oldest go."""
        kept, ages = [], []
        for event, verdict in verdicts:
            key, order = fingerprint(event), self._sequence.next()
            kept.append((key, order + _packed(verdict)))
            ages.append((order, key))
        self._entries.put_all(VERDICTS, kept)
        self._entries.put_all(BY_AGE, ages)
        for order, key in self._entries.walk(BY_AGE):
            if self._entries.count(BY_AGE) <= most:
                break
            self._forget(order, key)

    def take(self, events: Sequence[str]) -> dict[str, PairedVerdict]:
        """What was said of these events, as far as it is kept; it is forgotten with that."""
        keys = {event: fingerprint(event) for event in events}
        found = self._entries.get_all(VERDICTS, keys.values())
        taken = {event: found[key] for event, key in keys.items() if key in found}
        for event, kept in taken.items():
            self._entries.delete(VERDICTS, keys[event])
            self._entries.delete(BY_AGE, kept[:_ORDER])
        return {event: _unpacked(kept[_ORDER:]) for event, kept in taken.items()}

    def clear(self) -> None:
        """Forget all of them."""
        for order, key in self._entries.walk(BY_AGE):
            self._entries.delete(VERDICTS, key)
            self._entries.delete(BY_AGE, order)

    def count(self) -> int:
        """How many are kept."""
        return self._entries.count(BY_AGE)

    def _forget(self, order: bytes, key: bytes) -> None:
        """Forget the entry of this age, unless the event has another one by now."""
        kept = self._entries.get(VERDICTS, key)
        if kept is not None and kept[:_ORDER] == order:
            self._entries.delete(VERDICTS, key)
        self._entries.delete(BY_AGE, order)


def _packed(verdict: PairedVerdict) -> bytes:
    first, second = (_NONE if number < 0 else number for number in verdict[:2])
    return _VERDICT.pack(first, second, verdict.first_decided + 2 * verdict.second_decided)


def _unpacked(packed: bytes) -> PairedVerdict:
    try:
        first, second, decided = _VERDICT.unpack(packed)
    except struct.error as error:
        raise DamagedError(f"state.directory: an entry of {VERDICTS!r} is damaged ({error})") from error
    return PairedVerdict(
        -1 if first == _NONE else first, -1 if second == _NONE else second, bool(decided & 1), bool(decided & 2)
    )
