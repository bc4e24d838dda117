"""Events as columns: what a batch of raw records holds, field by field."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.features import category_code
from tocsin.streams.transport.base import Record
from tocsin.streams.wire.packed.layout import Kind
from tocsin.streams.wire.records import Event, Scalar

_NAN = float("nan")


class EventColumns(NamedTuple):
    """B events in the order in which they came."""

    records: list[Record]
    """What each came in."""
    ids: list[str]
    subjects: list[str]
    times: list[int]
    """Epoch milliseconds."""
    features: list[Sequence[Scalar]]
    """Of each event, its features in the order of the schema, and behind them the keys of profiles."""
    texts: list[str | None]
    names: tuple[str, ...]
    """The names of these."""

    @property
    def size(self) -> int:
        """B."""
        return len(self.ids)

    def event(self, i: int) -> Event:
        """Event i as a record."""
        features = dict(zip(self.names, self.features[i], strict=True))
        return Event(self.ids[i], self.subjects[i], self.times[i], features, self.texts[i])

    def content(self, i: int) -> bytes:
        """A digest of what was sent, whatever the schema reads of it."""
        return content_of(self.records[i])

    def of(self, rows: Sequence[int]) -> EventColumns:
        """Some of the events."""
        if len(rows) == self.size:
            return self
        return EventColumns(
            [self.records[i] for i in rows],
            [self.ids[i] for i in rows],
            [self.subjects[i] for i in rows],
            [self.times[i] for i in rows],
            [self.features[i] for i in rows],
            [self.texts[i] for i in rows],
            self.names,
        )


def content_of(record: Record) -> bytes:
    """A digest of a record's value."""
    return hashlib.blake2b(record.value or b"", digest_size=16).digest()


def is_again(events: EventColumns, i: int, known: Event, content: bytes | None) -> bool:
    """Whether event i has the same content as a `known` one of the same id; `content` is its digest where it was kept.

    A time that is only the record's is no content: an event without one that is sent twice is the same event. What was
    sent in the same bytes is the same event, even if the schema reads something else of it by now.
    """
    if content is not None and content == events.content(i):
        return True
    event, features = events.event(i), known.features
    sent = {name: features[name] for name in event.features if name in features}  # not what profiles said
    time = event.time if event.time == events.records[i].timestamp else known.time
    if time != known.time:  # a feature that is the event's own time is no content then, either
        sent |= {name: time for name, value in sent.items() if value == known.time and event.features[name] == time}
    return event == Event(known.id, known.subject, time, sent, known.text)


def batch_of(events: EventColumns, kinds: Sequence[Kind]) -> Batch:
    """Events as a model sees them; `kinds` are those of their features, and what stands behind them is left out."""
    B = events.size
    categories: list[dict[int, str]] = []
    if "category" in kinds or len(events.names) > len(kinds):
        X: Floats = np.empty((B, len(kinds)))
        categories = [{} for _ in range(B)]
        for f, kind in enumerate(kinds):
            column = [values[f] for values in events.features]
            X[:, f] = _codes(column, categories) if kind == "category" else np.array(column, np.float64)
    else:
        X = np.array(events.features, np.float64).reshape(B, len(kinds))
    return Batch(
        ids=events.ids,
        subjects=events.subjects,
        times=np.array(events.times, np.int64),
        X=X,
        texts=events.texts,
        history=np.zeros((B, 0), np.int64),
        subject_label=np.full(B, -1, np.int64),
        categories=categories,
    )


def _codes(values: Sequence[Scalar], names: list[dict[int, str]]) -> list[float]:
    """The codes of a column of categories; what each stands for is entered in `names`."""
    codes = []
    for i, value in enumerate(values):
        if value is None:
            codes.append(_NAN)
            continue
        name = str(value)
        code = category_code(name)
        names[i][code] = name
        codes.append(float(code))
    return codes
