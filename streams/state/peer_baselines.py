"""Peer baselines: by class, how many live subjects have which excess of evidence per post.

The writes that keep subjects keep the baselines up to date, so that no subject is read but the one that writes. A
subject is live as long as it is kept or, with `live_hours`, until an event comes that is so much younger than its
latest post. Where the baselines are missing, or where other classes or hours are asked for, they are counted anew from
the subjects that are kept: those that were live when the last of them wrote.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.models.early_risk.peers import Counts, bin_of, empty
from tocsin.models.early_risk.policies import HOUR, excess_per_post
from tocsin.streams.state.entries import Entries, decoded
from tocsin.streams.state.notes import Notes
from tocsin.streams.state.subject_entry import SUBJECTS, SubjectEntry
from tocsin.streams.wire.records import SubjectState

LIVE = "subjects_live"
"""Of each live subject, by the time of its latest post (8 bytes) and its order: the bin it is counted in, by class."""
_COUNTS, _GROUP = "spread:", "spreads"
"""Notes: the counts of a class; the group that they are of."""
FOR_EVER = 1 << 62
"""Milliseconds."""


class PeerGroup(NamedTuple):
    """The classes whose baselines are asked for, and for how long after its latest post a subject is live."""

    classes: tuple[str, ...] = ()
    live: int = 0
    """Milliseconds."""


class _GroupNote(msgspec.Struct, frozen=True):
    """The note of a group."""

    classes: list[str]
    live: int | None = None


def peer_group(settings: EarlyRiskSettings) -> PeerGroup:
    """The group that these settings ask for."""
    if settings.policy != "peer-baseline":
        return PeerGroup()
    hours = settings.live_hours
    return PeerGroup(settings.classes, FOR_EVER if hours is None else round(hours * HOUR))


class PeerBaselines:
    """The baselines within one transaction; `save` before it is committed."""

    def __init__(self, entries: Entries, group: PeerGroup) -> None:
        self._entries, self.group = entries, group
        self._notes = Notes(entries)
        self._changed = False
        kept = self._notes.get(_GROUP)
        if kept == self._note() or (kept is None and not group.classes):
            self._counts = {name: self._read(name) for name in group.classes}
        else:
            self._count_anew(kept)

    def counts(self) -> Mapping[str, Counts]:
        """By class, how many live subjects have which excess of its evidence per post: see
        `tocsin.models.early_risk.peers`."""
        return self._counts

    def enter(self, entry: SubjectEntry) -> None:
        """Count a subject that has just written, and those no more that have been silent for too long."""
        if not self.group.classes:
            return
        since = _time(entry.state) - self.group.live
        for key, value in self._entries.walk(LIVE):
            if struct.unpack_from(">Q", key)[0] >= since:
                break
            self._remove(key, value)
        self._add(entry)

    def leave(self, entry: SubjectEntry) -> None:
        """Count a subject no more, if it was counted, as it was kept until now."""
        if not self.group.classes:
            return
        key = _key(entry)
        if (value := self._entries.get(LIVE, key)) is not None:
            self._remove(key, value)

    def save(self) -> None:
        """Write what has changed."""
        if not self._changed:
            return
        for name, counts in self._counts.items():
            self._notes.set(_COUNTS + name, counts.tobytes())
        if self.group.classes:
            self._notes.set(_GROUP, self._note())
        else:
            self._notes.delete(_GROUP)
        self._changed = False

    def _note(self) -> bytes:
        return msgspec.json.encode(_GroupNote(list(self.group.classes), self.group.live))

    def _read(self, name: str) -> Counts:
        return np.frombuffer(self._notes.get(_COUNTS + name) or empty().tobytes(), np.int64).copy()

    def _count_anew(self, kept: bytes | None) -> None:
        for name in _classes_of(kept):
            self._notes.delete(_COUNTS + name)
        for key, _ in list(self._entries.walk(LIVE)):
            self._entries.delete(LIVE, key)
        self._counts = {name: empty() for name in self.group.classes}
        self._changed = True
        if not self.group.classes:
            return
        # Not when the youngest wrote: one event that is dated far ahead would make all others silent for ever.
        last = max((value for _, value in self._entries.walk(SUBJECTS)), default=None)
        since = 0 if last is None else _time(SubjectEntry.decoded(last).state) - self.group.live
        for _, value in self._entries.walk(SUBJECTS):
            entry = SubjectEntry.decoded(value)
            if _time(entry.state) >= since:
                self._add(entry)

    def _add(self, entry: SubjectEntry) -> None:
        bins = [bin_of(excess_per_post(entry.state, name)) for name in self.group.classes]
        self._entries.put(LIVE, _key(entry), struct.pack(f">{len(bins)}H", *bins))
        self._move(bins, 1)

    def _remove(self, key: bytes, value: bytes) -> None:
        self._entries.delete(LIVE, key)
        self._move(list(struct.unpack(f">{len(self.group.classes)}H", value)), -1)

    def _move(self, bins: list[int], by: int) -> None:
        for counts, place in zip(self._counts.values(), bins, strict=True):
            counts[place] += by
        self._changed = True


def _classes_of(note: bytes | None) -> list[str]:
    """The classes in the note of a group; at first it was a bare list of them."""
    if note is None:
        return []
    try:
        return msgspec.json.decode(note, type=_GroupNote).classes
    except msgspec.MsgspecError:
        return decoded(LIVE, msgspec.json.Decoder(list[str]), note)


def _key(entry: SubjectEntry) -> bytes:
    return struct.pack(">Q", _time(entry.state)) + entry.order


def _time(state: SubjectState) -> int:
    return max(state.time, 0)
