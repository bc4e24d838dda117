"""The spreads over live subjects, kept up by the writes that keep the subjects: no subject is looked at but its own.

A subject is live as long as it is kept or, with `live_hours`, until an event comes that is so much younger than its
latest post. Where the spread is missing, or where other classes or hours are asked for, it is counted anew from the
subjects that are kept: those that were live when the last of them wrote.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import orjson

from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.models.early_risk.peers import Counts, bin_of, empty
from tocsin.models.early_risk.policies import HOUR, excess_per_post

LIVE = "subjects_live"
"""Of each live subject, by the time of its latest post (8 bytes) and its order: the bin it is counted in, by class."""
_NOTE, _KEPT = "spread:", "spreads"
"""Notes: the spread of a class; which classes are kept up, and for how long a subject is live."""
_ORDER = 8
FOR_EVER = 1 << 62
"""Milliseconds."""


class SpreadOf(NamedTuple):
    """Which classes' spreads are asked for, and for how long after its latest post a subject is live."""

    classes: tuple[str, ...] = ()
    live: int = 0
    """Milliseconds."""


def spread_of(settings: EarlyRiskSettings) -> SpreadOf:
    """What these settings ask for."""
    if settings.policy != "spread":
        return SpreadOf()
    hours = settings.live_hours
    return SpreadOf(settings.classes, FOR_EVER if hours is None else round(hours * HOUR))


class Entries(Protocol):
    """What a transaction gives; see `tocsin.streams.state.store.Transaction`."""

    def get(self, database: str, key: bytes) -> bytes | None:
        """An entry of a database, or None."""

    def put(self, database: str, key: bytes, value: bytes) -> None:
        """Write one."""

    def delete(self, database: str, key: bytes) -> None:
        """Remove one; a missing one is no error."""

    def walk(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        """All by ascending key; the one that was given last may be deleted."""


class PeerBaselines:
    """The spreads within one transaction; `save` before it is committed."""

    def __init__(self, entries: Entries, of: SpreadOf) -> None:
        self._entries, self.of = entries, of
        self._changed = False
        kept = entries.get("meta", _KEPT.encode())
        if kept == self._note() or (kept is None and not of.classes):
            self._counts = {name: self._read(name) for name in of.classes}
        else:
            self._count_anew(kept)

    def _note(self) -> bytes:
        return orjson.dumps({"classes": list(self.of.classes), "live": self.of.live})

    def _read(self, name: str) -> Counts:
        return np.frombuffer(self._entries.get("meta", (_NOTE + name).encode()) or empty().tobytes(), np.int64).copy()

    def _count_anew(self, kept: bytes | None) -> None:
        before = orjson.loads(kept or b"[]")
        for name in before["classes"] if isinstance(before, dict) else before:
            self._entries.delete("meta", (_NOTE + name).encode())
        for order, _ in list(self._entries.walk(LIVE)):
            self._entries.delete(LIVE, order)
        self._counts = {name: empty() for name in self.of.classes}
        self._changed = True
        if not self.of.classes:
            return
        # Not when the youngest wrote: one event that is dated far ahead would make all others silent for ever.
        last = max((value for _, value in self._entries.walk("subjects")), default=None)
        since = 0 if last is None else _time(orjson.loads(last[_ORDER:])) - self.of.live
        for _, value in self._entries.walk("subjects"):
            state = orjson.loads(value[_ORDER:])
            if _time(state) >= since:
                self._enter(value[:_ORDER], state)

    def of_each(self) -> Mapping[str, Counts]:
        """By class, how many live subjects have which excess of its evidence per post: see
        `tocsin.models.early_risk.peers`."""
        return self._counts

    def enter(self, order: bytes, state: Mapping[str, Any]) -> None:
        """Count a subject that has just written; those that have been silent too long are live no more."""
        if not self.of.classes:
            return
        since = _time(state) - self.of.live
        for key, value in self._entries.walk(LIVE):
            if struct.unpack_from(">Q", key)[0] >= since:
                break
            self._leave(key, value)
        self._enter(order, state)

    def leave(self, kept: bytes) -> None:
        """Count a subject no more, if it was counted; `kept` is its order and its state as they are kept."""
        if not self.of.classes:
            return
        key = _key(kept[:_ORDER], orjson.loads(kept[_ORDER:]))
        if (value := self._entries.get(LIVE, key)) is not None:
            self._leave(key, value)

    def _enter(self, order: bytes, state: Mapping[str, Any]) -> None:
        bins = [bin_of(excess_per_post(state, name)) for name in self.of.classes]
        self._entries.put(LIVE, _key(order, state), struct.pack(f">{len(bins)}H", *bins))
        self._add(bins, 1)

    def _leave(self, key: bytes, value: bytes) -> None:
        self._entries.delete(LIVE, key)
        self._add(list(struct.unpack(f">{len(self.of.classes)}H", value)), -1)

    def _add(self, bins: list[int], by: int) -> None:
        for counts, at in zip(self._counts.values(), bins, strict=True):
            counts[at] += by
        self._changed = True

    def save(self) -> None:
        """Write what has changed."""
        if not self._changed:
            return
        for name, counts in self._counts.items():
            self._entries.put("meta", (_NOTE + name).encode(), counts.tobytes())
        if self.of.classes:
            self._entries.put("meta", _KEPT.encode(), self._note())
        else:
            self._entries.delete("meta", _KEPT.encode())
        self._changed = False


def _key(order: bytes, state: Mapping[str, Any]) -> bytes:
    return struct.pack(">Q", _time(state)) + order


def _time(state: Mapping[str, Any]) -> int:
    return max(int(state.get("time", 0)), 0)
