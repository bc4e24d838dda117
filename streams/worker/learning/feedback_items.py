"""Feedback as it is learnt: records of the feedback topic, and a batch of them as columns."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from tocsin.config.inputs.profiles import SUBJECT
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.features import category_code
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.packed.beside import layout_beside
from tocsin.streams.wire.packed.events import PackedEvent, contexts_of, rows_of
from tocsin.streams.wire.packed.feedback import PackedFeedback, read
from tocsin.streams.wire.packed.layout import Layout
from tocsin.streams.wire.records import Feedback
from tocsin.streams.wire.sealing.sealed import UNSEALED, Seals
from tocsin.streams.worker.joining.label_target import LabelTarget

_NUMBER = struct.Struct("<d")


class FeedbackItem(NamedTuple):
    """One record of the feedback topic, with its label under the name of today."""

    record: Record
    label: str
    feedback: PackedFeedback | Feedback
    event: PackedEvent | None
    """The event of a packed record; None where an earlier version wrote JSON."""
    layout: Layout | None
    """What the numbers of that event mean."""
    foreign: bool = False
    """Whether another model than this one has seen its event, or none has."""
    as_seen: FeedbackItem | None = None
    """The same with what this very model saw of the event, where another one decided it: see `beside`."""

    @property
    def event_id(self) -> str:
        """The event's id."""
        if self.event is not None:
            return self.event.id
        assert isinstance(self.feedback, Feedback)  # or there would be a packed event
        return self.feedback.event.id

    @property
    def about_event(self) -> bool:
        """Whether the label speaks of the event rather than of its subject."""
        return self.feedback.about == "event"

    @property
    def seen(self) -> bool:
        """Whether it holds what the model that decided saw of the event; else the event is scored anew."""
        if self.event is None or self.layout is None:
            return isinstance(self.feedback, Feedback) and self.feedback.context is not None
        return self.layout.decided or (self.event.more is not None and self.event.more.context is not None)

    def beside(self) -> FeedbackItem | None:
        """The same with what the second model saw of the event in place of what the deciding one did.

        None where there was no second one. Raises one of `tocsin.streams.wire.packed.feedback.UNREADABLE`.
        """
        event, layout = self.event, self.layout
        if event is None or layout is None or event.more is None or event.more.beside is None:
            return None
        seen, found = event.more.beside, layout_beside(event.more.beside.layout, layout)
        if len(seen.numbers) != 8 * found.width:
            raise ValueError(f"{len(seen.numbers)} bytes of numbers, where its layout has {8 * found.width}")
        other = msgspec.structs.replace(event, layout=found.key, numbers=seen.numbers, more=None)
        return self._replace(event=other, layout=found)

    @property
    def place(self) -> tuple[int, int] | None:
        """Partition and offset of the label; None where an earlier version wrote the record."""
        return self.feedback.place if isinstance(self.feedback, PackedFeedback) else None

    @property
    def target(self) -> LabelTarget:
        """What the label speaks of."""
        about = self.feedback.about
        if about == "event":
            return LabelTarget.of(about, self.event_id)
        if self.event is not None:
            return LabelTarget.of(about, self.event.subject)
        assert isinstance(self.feedback, Feedback)
        return LabelTarget.of(about, self.feedback.event.subject)

    def as_record(self) -> Feedback:
        """The record with names. Raises one of `tocsin.streams.wire.packed.feedback.UNREADABLE`."""
        found = (
            self.feedback.record(self.event, self.layout)
            if isinstance(self.feedback, PackedFeedback)
            else self.feedback
        )
        return found if found.label == self.label else msgspec.structs.replace(found, label=self.label)

    def is_of(self, digest: str, classes: Collection[str], learnt: int) -> bool:
        """Whether the model of this digest has seen the event, when the same classes had the same places.

        One that had learnt more than this one until now (`learnt` records) was taught by another feedback log.
        """
        layout, event = self.layout, self.event
        if layout is not None and event is not None and layout.decided:
            if layout.config != digest or _learnt(layout, event) > learnt:
                return False
            seen: Collection[str] = layout.classes
        else:
            item = self.as_record()
            if item.decision is None or item.decision.model.config != digest:
                return False
            if item.context is not None and item.context.learnt > learnt:
                return False
            seen = item.decision.belief
        return len(seen) <= len(classes) and all(a == b for a, b in zip(seen, classes, strict=False))


def read_item(record: Record, names_of_today: dict[str, str], seals: Seals = UNSEALED) -> FeedbackItem:
    """A record of the feedback topic. Raises as `tocsin.streams.wire.packed.feedback.read` does."""
    found = read(record.value or b"", seals)
    label = names_of_today.get(found.label, found.label)
    if not isinstance(found, PackedFeedback):
        return FeedbackItem(record, label, found, None, None)
    event, layout = found.event_read(), found.layout_read()
    if len(event.numbers) != 8 * layout.width:
        raise ValueError(f"{len(event.numbers)} bytes of numbers, where its layout has {8 * layout.width}")
    return FeedbackItem(record, label, found, event, layout)


def columns_of(items: Sequence[FeedbackItem], experts: int, keys: Sequence[str] = ()) -> FeedbackBatch | None:
    """A batch of packed feedback whose events this very model has seen, of one layout; None for any other batch.

    `experts` is how many the model has, `keys` are those of its rates. Raises ValueError for what is garbage.
    """
    layout = items[0].layout
    if layout is None or not layout.decided or any(item.foreign or item.layout is not layout for item in items):
        return None
    events = [item.event for item in items if item.event is not None]
    if layout.experts != experts:
        raise ValueError(f"evidence of {layout.experts} experts")
    rows, B = rows_of(layout, events), len(items)
    X = np.array(rows[:, layout.places["features"]], order="C")
    categories = _code_categories(layout, events, X) if layout.categories else []
    X = X[:, layout.visible] if layout.keys else X
    batch = Batch(
        ids=[event.id for event in events],
        subjects=[event.subject for event in events],
        times=np.array([event.time for event in events], np.int64),
        X=X,
        texts=[event.text for event in events],
        history=np.zeros((B, 0), np.int64),
        subject_label=np.full(B, -1, np.int64),
        categories=categories,
    )
    return FeedbackBatch(
        batch=batch,
        labels=[item.label for item in items],
        weight=np.array([item.feedback.weight for item in items], np.float64),
        contexts=contexts_of(layout, rows),
        posts=[item.feedback.posts for item in items],
        strings={key: _strings(layout, events, key) for key in keys},
    )


def _strings(layout: Layout, events: Sequence[PackedEvent], key: str) -> list[str | None]:
    """The values of a key in packed events."""
    if key == SUBJECT:
        return [event.subject for event in events]
    place = layout.categories.index(key)
    return [event.categories[place] for event in events]


def _code_categories(layout: Layout, events: Sequence[PackedEvent], X: Floats) -> list[dict[int, str]]:
    """Enter the codes of categories into X [B, F]; returns for each event the names behind them.

    The codes that were packed are not read: an earlier release computed others.
    """
    places = [f for f, kind in enumerate(layout.kinds) if kind == "category"]
    hidden = {f for f in places if layout.features[f] in layout.keys}
    names: list[dict[int, str]] = []
    for i, event in enumerate(events):
        named = {f: name for f, name in zip(places, event.categories, strict=True) if name is not None}
        codes = {f: category_code(name) for f, name in named.items() if f not in hidden}
        for f, code in codes.items():
            X[i, f] = code
        names.append({code: named[f] for f, code in codes.items()})
    return names


def _learnt(layout: Layout, event: PackedEvent) -> int:
    """How many records the model had learnt that saw an event."""
    return int(_NUMBER.unpack_from(event.numbers, 8 * layout.places["learnt"].start)[0])
