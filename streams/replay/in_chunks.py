"""Replay in process without a worker: the same decisions by the same model, computed for many events at a time.

What a replay in process judges needs no record, no state on a disk and no explanation. And which labels are learnt
before which event is known beforehand. So a chunk of events is decoded as the service decodes it, and handed to the
model with the labels that fall due meanwhile (`tocsin.models.lagged`). `tocsin.streams.replay.in_process` drives a
worker one event at a time, and is what this is compared with.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple, cast

import msgspec
import numpy as np

from tocsin.config.settings import Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Ints
from tocsin.models.data.labels import name_among
from tocsin.models.lagged import Answered, DueLabels, LaggedClassifier
from tocsin.streams.replay.label_schedule import LabelSchedule
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.encode import dead_letter
from tocsin.streams.wire.event_columns import EventColumns, batch_of
from tocsin.streams.wire.records import Decision, ModelVersion, Reason
from tocsin.streams.wire.schema import EventSchema, UnfitError
from tocsin.streams.worker.deciding.decide import SEGMENT
from tocsin.streams.worker.deciding.event_alerts import EventAlerts
from tocsin.streams.worker.deciding.profiling import LaggedProfiling
from tocsin.streams.worker.deciding.scoring import stays_on_cpu

CHUNK = 1_000
"""Events that are handed to the model at once."""
REASONS = 10_000
"""Different reasons of dead letters that are counted."""


class OneByOneError(Exception):
    """An event or label that only the service itself can handle; the text says which and why."""


class Step(NamedTuple):
    """What became of one past event, and of the labels that were due before and after it."""

    past: PastEvent
    decision: Decision | None
    """None for an event that became a dead letter."""
    before: Sequence[PastEvent]
    """The past events whose labels were learnt before it was decided."""
    due: Sequence[PastEvent]
    """Those whose labels are due now."""


class _Due(NamedTuple):
    """A label of an event that was decided."""

    event: int
    """The event's number among all that were decided."""
    label: str
    weight: float


@contextmanager
def few_collections() -> Iterator[None]:
    """Let the garbage collector pass over what is there: a replay makes many objects, and hardly one in a cycle."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def goes_in_chunks(settings: Settings, classifier: Classifier, label_delay: int) -> bool:
    """Whether decisions are a function of the model and of the event alone, so that no worker is needed.

    They are not with a budget of reviews, with class priors that are followed, with a promise on errors, and with
    experts of whole subjects; and with labels that are later than events are kept, most find no event. A device scores
    whole batches by one model, and not each event by its own.
    """
    if stays_on_cpu(settings) is None:
        return False
    if settings.abstention.budget is not None or label_delay >= settings.bounds.pending_events:
        return False
    return LaggedClassifier.passes(classifier)


class Chunks:
    """Decides past events and learns their labels, each when it is due (`LabelSchedule`).

    Raises OneByOneError for what needs the service: an id that comes twice, a label that finds another event than its
    own, more labels that wait for an event than are kept, or a class for which there is no room.
    """

    def __init__(self, settings: Settings, label_delay: int) -> None:
        self._settings = settings
        self._decoder = Decoder(EventSchema(settings))
        self.classifier = Classifier.from_config(settings)
        self._model = LaggedClassifier(self.classifier)
        self._config, self._digest = self.classifier.digest, settings.digest()
        self._unlabelled = LabelSchedule[int | None](label_delay)
        """Events whose label is not due yet, each with its number among those that were decided."""
        self.decided = 0
        """Events that were decided or abstained from."""
        self.dead_letters = 0
        self.refused: Counter[str] = Counter()
        """Why records became dead letters, with how often."""
        self._sent = 0
        """Events that were read."""
        self._ids: dict[str, int] = {}
        """The ids of the latest events that were decided, as many as the service would keep, each with its number."""
        self._waiting: set[str] = set()
        """The ids of events that became dead letters, and whose labels wait for them."""
        self._names = dict.fromkeys(self.classifier.classes)
        """The classes of all labels until now."""
        self._profiling = LaggedProfiling(settings, self.classifier)
        self._alerts = EventAlerts(settings)
        self._alert_budget = self._alerts.begun()

    def warm_up(self) -> None:
        """Compile and load what the model needs, by a model that is thrown away."""
        self.classifier.warm_up()
        self._model.warm_up()

    def run(self, source: Iterable[PastEvent]) -> Iterator[Step]:
        """Every past event in its order, with its decision; then the labels that are left are learnt.

        Raises SourceError while reading them.
        """
        past_events = iter(source)
        while chunk := list(islice(past_events, CHUNK)):
            yield from self._chunk(chunk)
        labels: list[_Due] = []
        for past, number in self._unlabelled.rest():
            self._label_due(past, number, labels)
        self._learn_and_decide(EventColumns([], [], [], [], [], [], ()), np.zeros(0, np.int64), labels)

    def _chunk(self, chunk: Sequence[PastEvent]) -> Iterator[Step]:
        now = time.time_ns() // 1_000_000
        topic = self._settings.topics.events
        records = [Record(topic, 0, self._sent + i, now, past.key, past.event) for i, past in enumerate(chunk)]
        self._sent += len(chunk)
        events, rejected = self._decoder.events(records)
        refused = {record.offset: error for record, error in rejected}
        self._note_ids(events)
        numbers = iter(range(self.decided, self.decided + events.size))
        ahead, labels = [], list[_Due]()
        before, due = list[list[PastEvent]](), list[list[PastEvent]]()
        for past, record in zip(chunk, records, strict=True):
            before.append([self._label_due(*late, labels) for late in self._unlabelled.before(past)])
            error = refused.get(record.offset)
            if error is None:
                ahead.append(len(labels))
            else:
                self._reject(record, error)
            self._unlabelled.add(past, next(numbers) if error is None else None)
            due.append([self._label_due(*late, labels) for late in self._unlabelled.after()])
        self.decided += events.size
        decisions = iter(self._learn_and_decide(events, np.array(ahead, np.int64), labels))
        for past, record, *late in zip(chunk, records, before, due, strict=True):
            yield Step(past, None if record.offset in refused else next(decisions), *late)

    def _note_ids(self, events: EventColumns) -> None:
        for number, identity in enumerate(events.ids, self.decided):
            if identity in self._ids:
                raise OneByOneError(f"the id {identity!r} comes twice")
            if identity in self._waiting:
                raise OneByOneError(f"the id {identity!r} is that of a dead letter, too")
            self._ids[identity] = number
        for identity in list(islice(self._ids, max(len(self._ids) - self._settings.bounds.pending_events, 0))):
            del self._ids[identity]

    def _reject(self, record: Record, error: UnfitError) -> None:
        """Count a dead letter."""
        self.dead_letters += 1
        letter = dead_letter(self._settings.topics.dead_letters, record, error)
        reason = dict(letter.headers)["__streams.errors.message"].decode(errors="replace")
        if reason in self.refused or len(self.refused) < REASONS:
            self.refused[reason] += 1

    def _label_due(self, past: PastEvent, number: int | None, labels: list[_Due]) -> PastEvent:
        """A past event whose label is due, with its number; the label is added to `labels` if the model learns it."""
        name = None if past.label is None else self._settings.class_map.get(past.label, past.label)
        if name is None:
            return past
        record = Record(self._settings.topics.labels, 0, 0, past.time, past.key, label_record(self._settings, past))
        try:
            label = self._decoder.label(record)
        except UnfitError as error:
            self._reject(record, error)
            return past
        if label.event != past.id or label.features is not None or label.text is not None:
            raise OneByOneError(f"the label of {past.id!r} is read as one of {label.event!r}")
        if number is None:
            self._wait(past.id)
        elif self._ids.get(past.id) != number:
            raise OneByOneError(f"the event of {past.id!r} has another id")
        else:
            weight = 1.0 if label.weight is None else label.weight
            labels.append(_Due(number, self._class_of(label.truth), weight))
        return past

    def _wait(self, identity: str) -> None:
        if identity in self._ids or identity in self._waiting:
            raise OneByOneError(f"the id {identity!r} is that of another event, too")
        self._waiting.add(identity)
        if len(self._waiting) > self._settings.bounds.waiting_labels:
            raise OneByOneError("more labels wait for their events than bounds.waiting_labels allows")

    def _class_of(self, label: str) -> str:
        """The class of a label, by the name under which it came first. Raises OneByOneError where there is no room."""
        name = label if label in self._names else name_among(self._names, label)
        if name not in self._names:
            if self._settings.classes or len(self._names) >= self._settings.model.max_classes:
                raise OneByOneError(f"there is no room for the class {label!r}")
            self._names[name] = None
        return name

    def _learn_and_decide(self, events: EventColumns, ahead: Ints, labels: Sequence[_Due]) -> list[Decision]:
        numbers, names, weights = zip(*labels, strict=True) if labels else ((), (), ())
        due = DueLabels(np.array(numbers, np.int64), names, np.array(weights, np.float64))
        oldest = min((number for number in self._unlabelled.kept() if number is not None), default=None)
        if oldest is not None and self.decided - oldest > self._settings.bounds.pending_events:
            raise OneByOneError("a label comes later than bounds.pending_events keeps events")
        asked = self._profiling(events, batch_of(events, self._decoder.kinds), ahead, due, oldest)
        answered = self._model(asked, ahead, due, oldest)
        self.classifier.feedback_offset += len(labels)
        decisions = [decision for run in answered for decision in self._decisions(events, run)]
        return self._with_alerts(events, decisions) if self._alerts else decisions

    def _with_alerts(self, events: EventColumns, decisions: Sequence[Decision]) -> list[Decision]:
        """The decisions, which say of each event that raised an alert which threshold it reached."""
        told = []
        for record, decision in zip(events.records, decisions, strict=True):
            threshold = self._alerts.offer(self._alert_budget, decision, record.timestamp)
            told.append(decision if threshold is None else msgspec.structs.replace(decision, alert=threshold))
        return told

    def _decisions(self, events: EventColumns, run: Answered) -> Iterator[Decision]:
        verdicts, now = run.verdicts, time.time_ns() // 1_000_000
        classes, belief, sets = verdicts.classes, verdicts.belief.tolist(), verdicts.sets.tolist()
        label, decided, learnt = verdicts.label.tolist(), verdicts.decided.tolist(), run.learnt.tolist()
        uncertainty, conflict = verdicts.uncertainty.tolist(), verdicts.conflict.tolist()
        for j, i in enumerate(range(run.start, run.stop)):
            yield Decision(
                event=events.ids[i],
                subject=events.subjects[i],
                time=events.times[i],
                decided_at=now,
                status="decided" if decided[j] else "abstained",
                label=classes[label[j]] if decided[j] else None,
                belief=dict(zip(classes, belief[j], strict=True)),
                uncertainty=uncertainty[j],
                conflict=conflict[j],
                reason=cast("Reason | None", verdicts.reasons[j]),
                set=[name for name, within in zip(classes, sets[j], strict=True) if within],
                explanation=None,
                model=ModelVersion(learnt[j], self._config, SEGMENT, self._digest),
            )
