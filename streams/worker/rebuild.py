"""Rebuild: what a lagging or missing state lacks, from the logs.

Events below the group's committed offset have been decided; their decisions are in the log. So they are read again,
joined to what was decided of them, and remembered: nothing is decided or produced anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
import numpy as np

from tocsin.config.settings import Settings
from tocsin.streams.state.peer_baselines import peer_group
from tocsin.streams.state.pending.events import PendingEvent
from tocsin.streams.state.store import State
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.wire.decode import Decoder, read_own
from tocsin.streams.wire.encode import encode
from tocsin.streams.wire.event_columns import EventColumns, content_of
from tocsin.streams.wire.packed.events import More
from tocsin.streams.wire.records import Decision
from tocsin.streams.wire.sealing.json_records import opened_record
from tocsin.streams.wire.sealing.sealed import ErasedError, Seals
from tocsin.streams.wire.sealing.secret import DamagedSealError
from tocsin.streams.worker.deciding.refold import Refold
from tocsin.streams.worker.deciding.spent import Spent
from tocsin.streams.worker.erasing.passed_over import read_again
from tocsin.streams.worker.joining.label_target import LabelTarget

CHUNK = 5_000
MARGIN = 10_000
"""Decisions of every partition that are looked through at the least."""


class Rebuilt(NamedTuple):
    """What was read back."""

    events: int
    without_decision: int
    """Of these, events whose decision is in the log no more."""
    unfit: int = 0
    """Records that are no events by the schema: dead letters already, or events that fitted an earlier config."""


class _Found(NamedTuple):
    """A decision in the log."""

    decision: bytes
    """JSON, without the explanation and without what profiles said."""
    profiles: bytes | None
    """That, float64; None where the decision has nothing of it."""


def _bare(decision: Decision) -> Decision:
    return msgspec.structs.replace(decision, explanation=None, profiles=None, chain=None)


def _numbers(values: Sequence[float | None]) -> bytes:
    return np.array(values, np.float64).tobytes()


class Rebuild:
    """Brings the state of partitions of the events that came together up to the group's committed offsets."""

    def __init__(self, settings: Settings, decoder: Decoder, state: State, reader: Transport) -> None:
        self._settings = settings
        self._decoder = decoder
        self._state = state
        self._reader = reader
        self._unfit = 0
        self._read, self._found = 0, dict[str, _Found]()
        """How many decisions of every partition were looked through, and what was found: once for all partitions."""
        self._group = peer_group(settings.early_risk)
        self._partitions = len(reader.end_offsets(settings.topics.events))
        self._said = [feature.name for feature in settings.schema_.said]

    def __call__(self, partition: Partition, committed: int, now: int) -> Rebuilt:
        """Remember the events from the state's position, or as many as may be pending, to `committed`."""
        with self._state.transaction() as t:
            position = t.positions.get(partition)
        start = max(0, committed - self._settings.bounds.pending_events)
        if position is not None:
            start = max(start, position)
        refold = Refold(self._settings, self._decoder, self._state, partition, committed)
        refold.read(self._reader, min(start, committed))
        if start >= committed:
            with self._state.transaction() as t:
                refold.complete(t)
            return Rebuilt(0, 0)
        # A handful of missing events is not worth reading a million decisions for: theirs are among the last.
        decisions = self._decisions(min(self._settings.bounds.pending_events, max(MARGIN, 10 * (committed - start))))
        remembered = without_decision = 0
        self._unfit = 0
        records = self._reader.read(partition, start, committed)
        while chunk := list(itertools.islice(records, CHUNK)):
            events, unfit = self._decoder.events(chunk)
            self._unfit += len(unfit)
            rebuilt = self._remember(events, decisions, refold, now, chunk[-1].offset + 1)
            remembered += rebuilt.events
            without_decision += rebuilt.without_decision
        with self._state.transaction() as t:
            t.positions.set({partition: committed})
            refold.complete(t)
            t.notes.forget_priors(partition.index)
            t.notes.forget_traffic(partition.index)
            t.notes.forget_novel_groups(partition.index)
        return Rebuilt(remembered, without_decision, self._unfit)

    def profiles(self, partition: Partition, position: int) -> None:
        """Bring the profiles of a partition alone up to its position."""
        refold = Refold(self._settings, self._decoder, self._state, partition, position)
        refold.read(self._reader, position)
        with self._state.transaction() as t:
            refold.complete(t)

    def _decisions(self, most: int) -> dict[str, _Found]:
        """The last decisions by event id, without their explanations, as bytes: a million structs would not fit."""
        if most <= self._read:
            return self._found
        found: dict[str, _Found] = {}
        with self._state.transaction() as t:
            for record in tail(self._reader, self._settings.topics.decisions, most):
                decision = opened_decision(record, t.seals)
                if decision is not None:
                    said = decision.profiles
                    packed = None if said is None else _numbers([said.get(name) for name in self._said])
                    found[decision.event] = _Found(encode(_bare(decision)), packed)
        self._read, self._found = most, found
        return found

    def _remember(
        self, events: EventColumns, decisions: dict[str, _Found], refold: Refold, now: int, stop: int
    ) -> Rebuilt:
        """Remember events that end before the offset `stop`."""
        remembered = without_decision = 0
        layout, index = self._decoder.layout, refold.partition.index
        with self._state.transaction() as t:
            events = read_again(events, t)
            spent = Spent(self._settings, t.notes, index, self._partitions)
            said = refold.fold(events, t)
            for i, record in enumerate(events.records):
                event = events.event(i)
                kept = decisions.get(event.id)
                decision = None if kept is None else msgspec.json.decode(kept.decision, type=Decision)
                profiles = said.get(i)
                if kept is not None and kept.profiles is not None:
                    profiles = dict(zip(self._said, np.frombuffer(kept.profiles).tolist(), strict=True))
                if profiles:
                    event = msgspec.structs.replace(event, features={**event.features, **profiles})
                # What the model saw is gone with the state: the learner scores such an event anew.
                more = None if decision is None else More(decision=decision)
                new = t.pending.add(PendingEvent.of(event, layout, index, content_of(record), more), now)
                remembered += new
                if new and t.known.get(LabelTarget.of("event", event.id).key):
                    t.pending.note_label(event.id)
                without_decision += new and decision is None
                if new and decision is not None:
                    spent.recall(decision, record.timestamp)
                if decision is not None and decision.risk is not None:
                    t.subjects.put(event.subject, decision.risk, self._settings.bounds.subjects, self._group)
            spent.write()
            refold.advance(stop, t)
        return Rebuilt(remembered, without_decision)


def opened_decision(record: Record, seals: Seals) -> Decision | None:
    """A decision with all that was sealed of it, as far as it can still be read; None for what is no decision."""
    with suppress(ErasedError, DamagedSealError):  # what is in clear is known nevertheless
        record = record._replace(value=opened_record(record.value or b"", seals))
    decision = read_own(record, Decision)
    return None if decision is None else msgspec.structs.replace(decision, sealed=msgspec.UNSET)


def tail(reader: Transport, topic: str, most: int) -> Iterator[Record]:
    """The last records of every partition of a topic, at most `most` of each."""
    for partition, end in reader.end_offsets(topic).items():
        yield from reader.read(partition, max(0, end - most), end)


def last_decided(reader: Transport, topic: str, most: int) -> set[str]:
    """The events of the last decisions of every partition, by id; at most `most` of each."""
    found = (read_own(record, Decision) for record in tail(reader, topic, most))
    return {decision.event for decision in found if decision is not None}
