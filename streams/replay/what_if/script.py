"""The script of the past: in which order events were decided and feedback was learnt, whoever did it.

Every decision names the feedback offset of its model. So the logs tell what each had learnt that was decided, however
many workers there were.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from tocsin.streams.replay.past.decisions import PastDecision
from tocsin.streams.replay.past.events import Place, events_at
from tocsin.streams.replay.past.feedback import FeedbackLog, FeedbackPieces
from tocsin.streams.replay.past.opening import ClosedError, Opens
from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.records import Decision, Shed

CHUNK = 5_000
"""Decisions whose events are read at once."""
LARGEST_GAP = 1_000
"""So many records at the most between two decided events of a partition are looked at, which may be dead letters."""


class LearntNext(NamedTuple):
    """Feedback that was learnt next."""

    records: list[Record]


class DecidedNext(NamedTuple):
    """Events that were decided next, by one model and at one instant."""

    records: list[Record]
    """Among them some that became dead letters."""
    decisions: dict[Place, Decision]
    """What was decided, by partition and offset of the event, of those decisions that were read whole."""
    now: int
    """Epoch milliseconds."""
    shed: Shed | None
    expired: frozenset[Place] = frozenset()
    """Events that the topic holds no more."""


class _Due(NamedTuple):
    """One decision in the order of the script."""

    offset: int
    """The feedback offset of its model; it never falls along a partition."""
    decided_at: int
    """Epoch milliseconds; it never falls along a partition while the model stays."""
    past: PastDecision
    place: Place

    @property
    def order(self) -> tuple[int, int, Place]:
        return self.offset, self.decided_at, self.place


class Script:
    """The past of one service, from the beginning of its feedback."""

    def __init__(
        self, reader: Transport, events: str, feedback: str, decisions: Iterable[PastDecision], opens: Opens
    ) -> None:
        """`events` and `feedback` are topics; `decisions` are those that have links, in the order of their chains.

        `opens` opens what is sealed of them.
        """
        self._reader, self._events, self._opens = reader, events, opens
        self._log = FeedbackLog(reader, feedback)
        self._due = _in_order(decisions)

    def __iter__(self) -> Iterator[LearntNext | DecidedNext]:
        """What was learnt and what was decided, in turns. Raises TransportError."""
        pieces, last = FeedbackPieces(self._log, 0), dict[int, int]()
        for start in range(0, len(self._due), CHUNK):
            due = self._due[start : start + CHUNK]
            between = {one.place: _between(last, one.place) for one in due}
            found = events_at(self._reader, self._events, (place for around in between.values() for place in around))
            for (offset, now), together in itertools.groupby(due, lambda one: (one.offset, one.decided_at)):
                yield from _learnt_below(pieces, offset)
                for shed, run in itertools.groupby(together, lambda one: one.past.head.shed):
                    yield self._decided(list(run), between, found, (now, shed))
        yield from _learnt_below(pieces, self._log.end)

    def _decided(
        self,
        run: Sequence[_Due],
        between: dict[Place, list[Place]],
        found: dict[Place, Record],
        at: tuple[int, Shed | None],
    ) -> DecidedNext:
        """Decisions of one instant for which the same was given up."""
        decisions = {one.place: self._read(one.past) for one in run if one.past.record.value is not None}
        records = [found[place] for one in run for place in between[one.place] if place in found]
        return DecidedNext(records, decisions, *at, frozenset(place for place in decisions if place not in found))

    def _read(self, past: PastDecision) -> Decision:
        try:
            return msgspec.json.decode(self._opens(past.value), type=Decision)
        except ClosedError:
            return past.decision  # its subject is forgotten: what quoted the event is missing in it


def _in_order(decisions: Iterable[PastDecision]) -> list[_Due]:
    """Of an event that was decided twice, after a crash, the first decision counts."""
    due: dict[Place, _Due] = {}
    reached: dict[int, tuple[int, int]] = {}
    for past in decisions:
        link = past.link
        if link is None or (link.partition, link.offset) in due:
            continue
        learnt, time = reached.get(link.partition, (0, 0))
        # A worker that took a partition over may have learnt less at first, and its clock may be behind.
        offset, decided_at = max(past.head.model.feedback_offset, learnt), past.head.decided_at
        decided_at = max(decided_at, time) if offset == learnt else decided_at
        reached[link.partition] = offset, decided_at
        place = link.partition, link.offset
        due[place] = _Due(offset, decided_at, past, place)
    return sorted(due.values(), key=lambda one: one.order)


def _between(last: dict[int, int], place: Place) -> list[Place]:
    """The places from behind the event before it on its partition up to this one."""
    partition, offset = place
    first = max(last.get(partition, offset - 1) + 1, offset - LARGEST_GAP)
    last[partition] = offset
    return [(partition, one) for one in range(first, offset + 1)]


def _learnt_below(pieces: FeedbackPieces, offset: int) -> Iterator[LearntNext]:
    while records := pieces.below(offset, CHUNK):
        yield LearntNext(records)
