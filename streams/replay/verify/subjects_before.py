"""How subjects stood before a decision: as the decision on each before it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import msgspec

from tocsin.streams.replay.past.decisions import PastDecision
from tocsin.streams.replay.past.events import Place, events_at
from tocsin.streams.replay.past.opening import Opens, as_it_is
from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.records import Decision, SubjectState


class _Stands(msgspec.Struct, frozen=True):
    """What a decision says of its subject, alone."""

    risk: SubjectState | None = None


_STANDS = msgspec.json.Decoder(_Stands)


class SubjectsBefore:
    """Finds the state of a subject before each of its decisions.

    All decisions on one subject lie in one partition of their topic, in the order in which they were made. After a
    crash an event may be decided twice; the second time its subject stood where it had stood before the first.
    """

    def __init__(
        self, decisions: Sequence[PastDecision], reader: Transport, topic: str, opens: Opens = as_it_is
    ) -> None:
        """`topic` is that of the decisions."""
        self._opens = opens
        self._reader, self._topic, self._decisions = reader, topic, decisions

    @cached_property
    def _of_subject(self) -> dict[str, list[PastDecision]]:
        """The decisions on each subject, in the order in which they were made."""
        found: dict[str, list[PastDecision]] = {}
        for one in sorted(self._decisions, key=_place):
            found.setdefault(one.head.subject, []).append(one)
        return found

    @cached_property
    def _nth(self) -> dict[Place, int]:
        """Which one of its subject's decisions each is, by its place in the topic."""
        return {_place(one): n for of_one in self._of_subject.values() for n, one in enumerate(of_one)}

    def last(self, one: PastDecision) -> PastDecision | None:
        """The decision on the same subject before this one; None where there is none."""
        return next(self._back_from(one), None)

    def state(self, one: PastDecision, said: Decision) -> SubjectState | None:
        """The state before a decision, which says `said`.

        Raises KeyError where it cannot be known any more, ClosedError where it is sealed and nobody can open it.
        """
        if said.risk is None or said.risk.posts <= 1:
            return None  # it was new, or forgotten
        for before in self._back_from(one):
            state = self._state_in(before.record)
            if state is not None:
                return state
        raise KeyError(one.head.subject)

    def _back_from(self, one: PastDecision) -> Iterator[PastDecision]:
        """Earlier decisions on the same subject, the latest first."""
        of_one, link = self._of_subject[one.head.subject], one.link
        for n in range(self._nth[_place(one)] - 1, -1, -1):
            other = of_one[n].link
            later = link and other and other.partition == link.partition and other.offset >= link.offset
            if not later:
                yield of_one[n]

    def _state_in(self, record: Record) -> SubjectState | None:
        if record.value is None:  # it was not asked for
            place = (record.partition, record.offset)
            record = events_at(self._reader, self._topic, [place]).get(place, record)
        try:
            return _STANDS.decode(self._opens(record.value or b"")).risk
        except msgspec.MsgspecError:
            return None


def _place(one: PastDecision) -> Place:
    return one.record.partition, one.record.offset
