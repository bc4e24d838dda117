"""Subjects: what each has accumulated so far, and how those that are live compare."""

from __future__ import annotations

from collections.abc import Mapping

from tocsin.models.early_risk.peers import Counts
from tocsin.streams.state.buffer import Buffer
from tocsin.streams.state.entries import Entries, Sequence, fingerprint
from tocsin.streams.state.peer_baselines import PeerBaselines, PeerGroup
from tocsin.streams.state.subject_entry import SUBJECTS, SubjectEntry
from tocsin.streams.wire.records import SubjectState

BY_SILENCE = "subjects_order"
"""The key of a subject by its order."""
NO_PEERS = PeerGroup()


class Subjects:
    """The subjects within one transaction. Changes stay in memory until `write`; what is read shows them already."""

    def __init__(self, entries: Entries, sequence: Sequence) -> None:
        self._buffer = Buffer(entries)
        self._sequence = sequence
        self._baselines: PeerBaselines | None = None

    def get(self, subject: str) -> SubjectState | None:
        """A subject's accumulated state."""
        found = self._buffer.get(SUBJECTS, fingerprint(subject))
        return None if found is None else SubjectEntry.decoded(found).state

    def put(self, subject: str, state: SubjectState, most: int, group: PeerGroup = NO_PEERS) -> None:
        """Keep a subject's state; of more than `most` subjects the one that has been silent for longest is forgotten.

        The baselines of `group` are kept up to date.
        """
        key, baselines = fingerprint(subject), self._baselines_of(group)
        old = self._buffer.get(SUBJECTS, key)
        if old is not None:
            self._leave(SubjectEntry.decoded(old), baselines)
        entry = SubjectEntry(self._sequence.next(), state)
        self._buffer.put(SUBJECTS, key, entry.encoded())
        self._buffer.put(BY_SILENCE, entry.order, key)
        baselines.enter(entry)
        for _, silent in self._buffer.walk(BY_SILENCE):
            if self.count() <= most:
                break
            if (gone := self._buffer.get(SUBJECTS, silent)) is not None:
                self._leave(SubjectEntry.decoded(gone), baselines)
            self._buffer.delete(SUBJECTS, silent)

    def forget(self, subject: str, group: PeerGroup = NO_PEERS) -> bool:
        """Forget a subject, also among the peers of `group`; returns whether anything was kept of it."""
        key = fingerprint(subject)
        old = self._buffer.get(SUBJECTS, key)
        if old is None:
            return False
        self._leave(SubjectEntry.decoded(old), self._baselines_of(group))
        self._buffer.delete(SUBJECTS, key)
        return True

    def peers(self, group: PeerGroup) -> Mapping[str, Counts]:
        """By class of a group, how many live subjects have which excess of its evidence per post: see
        `tocsin.models.early_risk.peers`."""
        return self._baselines_of(group).counts()

    def count(self) -> int:
        """How many subjects are kept."""
        return self._buffer.count(SUBJECTS)

    def write(self) -> None:
        """Write what has changed into the transaction. Raises StateError."""
        if self._baselines is not None:
            self._baselines.save()
        self._buffer.write()

    def _leave(self, entry: SubjectEntry, baselines: PeerBaselines) -> None:
        self._buffer.delete(BY_SILENCE, entry.order)
        baselines.leave(entry)

    def _baselines_of(self, group: PeerGroup) -> PeerBaselines:
        if self._baselines is None or self._baselines.group != group:
            if self._baselines is not None:
                self._baselines.save()
            self._baselines = PeerBaselines(self._buffer, group)
        return self._baselines
