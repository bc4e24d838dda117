"""Redecide: the past decisions of one model are made again, and compared with their records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from tocsin.streams.replay.past.decisions import PastDecision, read_decision
from tocsin.streams.replay.past.events import Place, events_at
from tocsin.streams.replay.past.opening import ClosedError, Opens, as_it_is
from tocsin.streams.replay.verify.compare import differences
from tocsin.streams.replay.verify.model_fold import ModelFold, NoModelError
from tocsin.streams.replay.verify.report import ERASED, Difference, VerifyReport
from tocsin.streams.replay.verify.subjects_before import SubjectsBefore
from tocsin.streams.transport.base import Record, Transport
from tocsin.streams.wire.decode import UNREADABLE
from tocsin.streams.wire.event_columns import EventColumns
from tocsin.streams.wire.proof.chain import without_link
from tocsin.streams.wire.records import Decision, SubjectState
from tocsin.streams.worker.deciding.decide import Decide

WINDOW = 5_000
"""Decisions whose events are read together."""
BATCH = 1_000
"""Events that are decided together, at the most."""


class _Asked(NamedTuple):
    """One decision that is made again."""

    past: PastDecision
    value: bytes
    """The bytes, with what was sealed opened."""
    said: Decision
    event: Record


class Redecide:
    """Makes the decisions of one model again."""

    def __init__(
        self,
        fold: ModelFold,
        reader: Transport,
        topic: str,
        before: SubjectsBefore,
        report: VerifyReport,
        opens: Opens = as_it_is,
    ) -> None:
        """`topic` is that of the events."""
        self._opens = opens
        self._fold, self._reader, self._topic = fold, reader, topic
        self._before, self._report = before, report

    def __call__(self, decisions: Sequence[PastDecision], progress: Callable[[], None]) -> None:
        """Check decisions, each of which has a link; `progress` is called for each. Raises TransportError."""
        ordered = sorted(decisions, key=_in_order)
        for start in range(0, len(ordered), WINDOW):
            window = ordered[start : start + WINDOW]
            events = events_at(self._reader, self._topic, [_place(one) for one in window])
            for offset, group in groupby(window, key=lambda one: one.head.model.feedback_offset):
                self._check_group(offset, list(group), events)
            for _ in window:
                progress()

    def _check_group(self, offset: int, group: Sequence[PastDecision], events: dict[Place, Record]) -> None:
        """Check decisions of the model at one feedback offset."""
        asked = list(self._readable(group, events))
        if not asked:
            return
        try:
            decide = self._fold.at(offset)
        except NoModelError as error:
            self._report.not_checkable[str(error)] += len(asked)
            return
        for _, alike in groupby(asked, key=lambda one: one.said.shed):
            self._check_alike(decide, list(alike))

    def _readable(self, group: Sequence[PastDecision], events: dict[Place, Record]) -> Iterator[_Asked]:
        """What of the decisions can be read with their events; the rest is counted."""
        for one in group:
            event = events.get(_place(one))
            try:
                value = self._opens(one.value)
                said = read_decision(value)
            except ClosedError:
                self._report.not_checkable[ERASED] += 1
                continue
            except UNREADABLE as error:
                self._report.note(Difference(one.head.event, [f"the record: {error}"]))
                continue
            if event is None or event.value is None:
                self._report.not_checkable["event-expired"] += 1
            else:
                yield _Asked(one, value, said, event)

    def _check_alike(self, decide: Decide, asked: Sequence[_Asked]) -> None:
        """Check decisions that one model made, with the same given up."""
        columns, rejected = self._fold.decoder.events([one.event for one in asked])
        if rejected:
            unfit = {(record.partition, record.offset) for record, _ in rejected}
            for one in asked:
                if _place(one.past) in unfit:
                    self._report.note(Difference(one.past.head.event, ["the event, which does not fit the schema"]))
            asked = [one for one in asked if _place(one.past) not in unfit]
        for rows, before in self._batches(decide, asked):
            of_rows = columns.of(rows)
            self._compare(decide, of_rows, [asked[i] for i in rows], before)

    def _batches(self, decide: Decide, asked: Sequence[_Asked]) -> Iterator[tuple[list[int], dict[str, SubjectState]]]:
        """The rows that can be decided together, with how their subjects stood before.

        Two decisions on one subject can be where the second followed the first; else a new batch begins.
        """
        rows: list[int] = []
        before: dict[str, SubjectState] = {}
        last: dict[str, PastDecision] = {}
        for i, one in enumerate(asked):
            subject, keeps = one.said.subject, decide.keeps_subjects
            follows = not keeps or subject not in last or self._follows(one, last[subject])
            if rows and (len(rows) >= BATCH or not follows):
                yield rows, before
                rows, before, last = [], {}, {}
            if keeps and subject not in last:
                try:
                    state = self._before.state(one.past, one.said)
                except ClosedError:
                    self._report.not_checkable[ERASED] += 1
                    continue
                except KeyError:
                    self._report.not_checkable["subject-expired"] += 1
                    continue
                if state is not None:
                    before[subject] = state
            rows.append(i)
            last[subject] = one.past
        if rows:
            yield rows, before

    def _follows(self, one: _Asked, other: PastDecision) -> bool:
        """Whether a decision found its subject as another one had left it: it may have been forgotten meanwhile."""
        begun = one.said.risk is None or one.said.risk.posts <= 1
        return not begun and self._before.last(one.past) is other

    def _compare(
        self, decide: Decide, events: EventColumns, asked: Sequence[_Asked], before: dict[str, SubjectState]
    ) -> None:
        again = decide.again(events, [one.said for one in asked], before)
        for one, text in zip(asked, again, strict=True):
            said = without_link(one.value)
            found = differences(said, text)
            if found:
                self._report.note(Difference.of(one.past.head.event, found))
            else:
                self._report.reproduced += 1
                self._report.to_the_byte += said == text


def _in_order(one: PastDecision) -> tuple[int, int, int]:
    return one.head.model.feedback_offset, one.record.partition, one.record.offset


def _place(one: PastDecision) -> Place:
    assert one.link is not None
    return one.link.partition, one.link.offset
