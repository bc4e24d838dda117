"""From past events to feedback records, through the code by which a worker reads events and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from tocsin.config.settings import Settings
from tocsin.streams.replay.bootstrap.history import Survey
from tocsin.streams.replay.bootstrap.profiles import HistoryProfiles
from tocsin.streams.replay.past_event import PastEvent, label_record
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.decode import Decoder
from tocsin.streams.wire.encode import Output, dead_letter
from tocsin.streams.wire.event_columns import EventColumns, content_of
from tocsin.streams.wire.packed.events import pack, packed_alone
from tocsin.streams.wire.packed.feedback import PackedFeedback, packed_feedback
from tocsin.streams.wire.schema import EventSchema, UnfitError
from tocsin.streams.worker.deciding.profiling import Said

UNLABELLED, TWICE = "unlabelled", "twice"


Numbered = tuple[int, PastEvent]
"""A past event, and its place in the history."""


class Made(NamedTuple):
    """What became of one past event."""

    number: int
    """Its place in the history."""
    output: Output
    is_feedback: bool
    """Else it is a dead letter."""


class FeedbackMaker:
    """Makes the feedback of one history, as a worker does of a label that brings its own features.

    What a model saw of these events at their time does not exist, so that their feedback has no prediction context: a
    model that learns it scores them anew at that point of the fold.
    """

    def __init__(self, settings: Settings, source: str, survey: Survey) -> None:
        """`source` names the history in dead letters."""
        self._settings = settings
        self._source = source
        self._decoder = Decoder(EventSchema(settings))
        self._layout = self._decoder.layout
        self._profiles = HistoryProfiles(settings, self._decoder, survey.twice)
        self._classes: dict[str, str] = {}
        """By what labels say, the class that they name."""
        self._twice = survey.twice
        self._seen: dict[str, tuple[bytes, str]] = {}
        """Of the ids that come more than once: content and label of the first event."""
        self.skipped: Counter[str] = Counter()
        """Events of which nothing is made, by the reason."""
        self.reasons: Counter[str] = Counter()
        """Why events cannot be used."""

    def make(self, events: Sequence[Numbered]) -> Iterator[Made]:
        """What becomes of some events, each with its number, in their order; of those without a label nothing does."""
        said = self._profiles(self._source, events)
        labelled = [(number, past) for number, past in events if past.label is not None]
        self.skipped[UNLABELLED] += len(events) - len(labelled)
        records = [Record(self._source, 0, number, past.time, past.key, past.event) for number, past in labelled]
        columns, rejected = self._decoder.events(records)
        refused = {record.offset: error for record, error in rejected}
        places = {record.offset: place for place, record in enumerate(columns.records)}
        for (number, past), record in zip(labelled, records, strict=True):
            try:
                if number in refused:
                    raise refused[number]
                label = self._class(past, record)
                if not self._is_again(past, record, label):
                    more = said.get(number, {})
                    yield Made(number, self._feedback(columns, places[number], past.time, label, more), True)
            except UnfitError as error:
                yield self._dead_letter(record, error)

    def pass_by(self, events: Sequence[Numbered]) -> None:
        """Take note of events that an earlier run has worked off: of their classes, and of ids that come twice."""
        if self._twice or not self._settings.classes or self._profiles.needed:
            for _ in self.make(events):
                pass
            self.skipped.clear()
            self.reasons.clear()

    def _class(self, past: PastEvent, record: Record) -> str:
        """The class that the label of an event names. Raises UnfitError."""
        said = past.label or ""
        if (known := self._classes.get(said)) is not None:
            return known
        named = self._decoder.label(record._replace(value=label_record(self._settings, past))).truth
        new = not self._settings.classes and named not in self._classes.values()
        if new and len(set(self._classes.values())) >= self._settings.bounds.classes:
            raise UnfitError("too-many-classes", f"{named!r} is a new class: bounds.classes allows no more")
        self._classes[said] = named
        return named

    def _is_again(self, past: PastEvent, record: Record, label: str) -> bool:
        """Whether an event and its label came before. Raises UnfitError where the id is that of another one."""
        if hash(past.id) not in self._twice:
            return False
        this = content_of(record), label
        first = self._seen.setdefault(past.id, this)
        if first is this:
            return False
        if first != this:
            raise UnfitError(
                "id-taken", f"id {past.id!r} is that of another event, or this one has another label there"
            )
        self.skipped[TWICE] += 1
        return True

    def _feedback(self, columns: EventColumns, place: int, time: int, label: str, said: Said) -> Output:
        event = columns.event(place)
        event = msgspec.structs.replace(event, features={**event.features, **said})
        feedback = PackedFeedback(
            label=label,
            labelled_at=time,
            source=None,
            weight=1.0,
            about="event",
            contradicts=None,
            posts=[],
            layout=self._layout.packed,
            event=pack(packed_alone(event, self._layout, 0, columns.content(place))),
        )
        key = event.subject.encode()
        return Output(self._settings.topics.feedback, key, packed_feedback(feedback), origin=columns.records[place])

    def _dead_letter(self, record: Record, error: UnfitError) -> Made:
        reason = str(error)
        if reason in self.reasons or len(self.reasons) < 10_000:
            self.reasons[reason] += 1
        return Made(record.offset, dead_letter(self._settings.topics.dead_letters, record, error), False)
