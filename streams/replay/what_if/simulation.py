"""A service that never was: the real way of an event under another config, on the records of the past.

Events are decided and labels are joined by `tocsin.streams.worker.pipeline`, as a worker does. So what the model sees
of an event is kept at the event's own time, and learnt from when its label comes. Nothing is written to any topic.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tocsin.config.settings import Settings
from tocsin.models.data.labels import name_among
from tocsin.streams.replay.past.events import Place
from tocsin.streams.replay.what_if.controls import Offsets
from tocsin.streams.replay.what_if.script import DecidedNext
from tocsin.streams.state.store import State
from tocsin.streams.transport.base import Partition, Record
from tocsin.streams.transport.memory import MemoryBroker, MemoryTransport
from tocsin.streams.wire.decode import DecodedLabel, Decoder
from tocsin.streams.wire.encode import Output
from tocsin.streams.wire.packed.control import is_control, packed_control, read_control
from tocsin.streams.wire.packed.feedback import PackedFeedback, packed_feedback, read, without_context
from tocsin.streams.wire.records import Alert, Decision, Label
from tocsin.streams.wire.schema import EventSchema
from tocsin.streams.wire.sealing.sealed import UNSEALED, Seals
from tocsin.streams.worker.gaps import Gaps
from tocsin.streams.worker.learning.feedback_items import FeedbackItem
from tocsin.streams.worker.learning.learn import read_control_of
from tocsin.streams.worker.ownership import Ownership
from tocsin.streams.worker.pipeline import Pipeline
from tocsin.streams.worker.reporting.counts import Counts
from tocsin.streams.worker.shadow.models import Models

EXPIRE_EVERY = 200
"""Runs of events between two looks for what has waited too long."""
SPARED_MS = 600_000
"""What has just waited too long may have found its label in the past all the same."""


class Told(NamedTuple):
    """Who is told of what is decided."""

    decisions: Callable[[Place, Decision], None]
    """Of each decision, with the partition and the offset of its event."""
    alerts: Callable[[Alert], None]
    labels: Callable[[str, str], None]
    """Of each label of an event, by id, under the name that its class has in the config."""


class _Joinable(NamedTuple):
    """A label of the past whose event is kept here."""

    label: DecodedLabel
    seen: bool
    """Whether the past still knew what its model had seen of the event. Where another worker took the event over, or
    the state was lost, it did not, and the event was scored anew; so it is here, too."""


class Simulation:
    """One worker that has all partitions, with a state and a feedback of its own."""

    def __init__(
        self, settings: Settings, partitions: int, directory: Path, told: Told, goes_back: bool, seals: Seals = UNSEALED
    ) -> None:
        """`directory` is for the state. `goes_back` is whether the feedback of the past holds control records.

        `seals` open that feedback. Nothing is sealed here.
        """
        state = settings.state.model_copy(update={"directory": directory, "snapshots": None})
        self._settings = settings = settings.model_copy(update={"state": state})
        topics, self._told, self._goes_back = settings.topics, told, goes_back
        broker = self._broker = MemoryBroker(self._clock)
        for name in topics.names():
            broker.create(name, partitions if name == topics.events else 1)
        self._seen = True
        """Whether what the model saw of an event goes into the feedback that is made now."""
        self._now = self._runs = self._labels = self._learnt = 0
        self._reader = MemoryTransport(broker)
        self._state = State(directory / "lmdb", settings.state.max_bytes)
        self.counts = Counts()
        decoder = Decoder(EventSchema(settings))
        gaps = Gaps(self.counts, self._reader.first_offsets)
        ownership = Ownership(settings, decoder, self._clock, self.counts, gaps)
        models = Models(settings.with_shadow(None), decoder, directory, self.counts, seals)
        self.model = models.deciding
        """The model that decides."""
        self._pipeline = Pipeline(settings, decoder, models, ownership, self.counts, self._produce, lambda output: True)
        ownership.open(self._state, self._reader)
        events = {Partition(topics.events, index): None for index in range(partitions)}
        ownership.assigned({**events, Partition(topics.labels, 0): None})
        self.model.load_snapshot(self._reader)  # there is none, and it knows by now where to read its feedback again
        self.model.decide.partitions = partitions
        self._transaction = self._state.begin()
        self._offsets = Offsets()

    def _clock(self) -> int:
        return self._now

    def decide(self, due: DecidedNext) -> None:
        """Decide events, as at the instant at which they were decided. Raises FeedbackError, StateError."""
        self._now = due.now
        self._learn()
        self.model.decide.shed = due.shed
        self._pipeline.run((), due.records, (), self._transaction, self._now)
        self._runs += 1
        if self._runs % EXPIRE_EVERY == 0:
            self._pipeline.expire(self._transaction, self._now - SPARED_MS)
            self._transaction.commit()
            self._transaction = self._state.begin()

    def teach(self, records: Sequence[Record]) -> None:
        """Feedback of the past: its labels are joined here to what was decided here, in their order.

        Feedback on an event that is not kept here is learnt as it is, as by any worker under another config. Raises
        FeedbackError.
        """
        together: list[_Joinable] = []
        for record in records:
            if is_control(record.value) and read_control_of(record).kind == "decide-by":
                continue  # whoever decided in the past, it is the one config that decides here
            before = self._end
            item = None if is_control(record.value) else self._item(record)
            forgotten = item is None and not is_control(record.value)
            if forgotten or (item is not None and not self._names(item.label)):
                continue
            joinable = None if item is None else self._joinable(item)
            if joinable is not None:
                together.append(joinable)
            if self._goes_back or joinable is None:
                self._join(together)
            if joinable is None:
                self._reader.produce(self._settings.topics.feedback, record.key, self._as_here(record.value or b""))
            if self._goes_back and self._end > before:
                self._offsets.note(record.offset, before)
        self._join(together)

    def _as_here(self, feedback: bytes) -> bytes:
        """Feedback of the past that is learnt as it is; a control record names offsets of the feedback here."""
        if not is_control(feedback):
            return feedback
        return packed_control(self._offsets.translated(read_control(feedback), self._end))

    def _join(self, together: list[_Joinable]) -> None:
        for self._seen, run in itertools.groupby(together, lambda one: one.seen):
            self._pipeline.join_decoded([one.label for one in run], self._transaction, self._now)
        together.clear()

    def _item(self, record: Record) -> FeedbackItem | None:
        item = self.model.learn.read(record)
        if item is not None and item.about_event:
            self._told.labels(item.event_id, item.label)
        return item

    def _names(self, label: str) -> bool:
        """Whether the config has a class for a label; one without would have been a dead letter here."""
        classes = self._settings.classes
        return not classes or name_among(classes, label) in classes

    def _joinable(self, item: FeedbackItem) -> _Joinable | None:
        """The label that feedback came of; None where its event is not kept here."""
        if self._transaction.pending.get(item.event_id) is None:
            return None
        event, subject = (item.event_id, None) if item.about_event else (None, item.target.identity)
        said = item.feedback
        time = said.labelled_at
        label = Label(event=event, subject=subject, label=item.label, time=time, source=said.source, weight=said.weight)
        self._labels += 1
        place = Record(self._settings.topics.labels, 0, self._labels, 0, None, b"")
        return _Joinable(DecodedLabel(place, label), item.seen)

    def _produce(self, output: Output) -> None:
        topics = self._settings.topics
        if output.topic == topics.feedback:
            value = output.value
            if not self._seen and isinstance(feedback := read(value), PackedFeedback):
                value = packed_feedback(without_context(feedback))
            self._reader.produce(output.topic, output.key, value)
        elif output.topic == topics.decisions and output.origin is not None:
            place = output.origin.partition, output.origin.offset
            self._told.decisions(place, msgspec.json.decode(output.value, type=Decision))
        elif output.topic == topics.alerts:
            self._told.alerts(msgspec.json.decode(output.value, type=Alert))

    @property
    def _end(self) -> int:
        [end] = self._reader.end_offsets(self._settings.topics.feedback).values()
        return end

    def _learn(self) -> None:
        """Learn the feedback that was made here meanwhile."""
        partition, end = Partition(self._settings.topics.feedback, 0), self._end
        if self._learnt < end:
            self.model.fold(list(self._reader.read(partition, self._learnt, end)), self._transaction)
            self._learnt = end
            if not self._goes_back:
                self._broker.expire(partition, end)

    def close(self) -> None:
        """Give the state up."""
        self._transaction.abort()
        self._state.close()
        self._reader.close()
