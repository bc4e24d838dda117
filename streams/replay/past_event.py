"""One past event with its label, as every source gives it, and the label's record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from tocsin.config.schema import TimeUnit, keys_of
from tocsin.config.settings import Settings
from tocsin.models.data.labels import class_name
from tocsin.models.data.times.reading import unit_of
from tocsin.streams.wire.dot_paths import put
from tocsin.streams.wire.schema import spellings_of
from tocsin.streams.wire.values import class_label

BASE_TIME = 946_684_800_000
"""1 January 2000, epoch milliseconds: the time of the first event where a source has no times."""
SUBJECT = "replay"
"""The subject of events that name none."""


class SourceError(Exception):
    """A source cannot be read; the text says where, and what was expected."""


class PastEvent(NamedTuple):
    """One past event as its producer would send it, and its label where there is one."""

    id: str
    subject: str
    time: int
    """Epoch milliseconds."""
    event: bytes
    """The record of the topic `events`."""
    label: str | None
    labelled_at: int | None = None
    """When the label became known, epoch milliseconds; None where nothing says that."""

    @property
    def key(self) -> bytes:
        """The Kafka key of its event and its label: the subject, or where there is none the id.

        So a source without subjects is spread over all partitions.
        """
        return (self.id if self.subject == SUBJECT else self.subject).encode(errors="replace")


class LabelReader:
    """Reads labels of a source as the service reads those of its topic, so that `1.0` is the class `1`."""

    def __init__(self, settings: Settings) -> None:
        self._spellings = spellings_of(settings)

    def label(self, value: Any) -> str:
        """The class; a label that is none as it stands, which the service makes a dead letter of."""
        try:
            return class_label(value, spellings=self._spellings)
        except ValueError:
            return class_name(value)


def in_unit(milliseconds: int, unit: TimeUnit) -> int | str:
    """A time as the schema reads it: ISO 8601 where a number would count something else than milliseconds."""
    if unit == "milliseconds" or (unit == "auto" and unit_of(milliseconds) == "milliseconds"):
        return milliseconds
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def label_record(settings: Settings, past: PastEvent) -> bytes:
    """The label of a past event as a record of the topic `labels`, in the shape that the config's schema reads."""
    paths = settings.schema_.label
    time = past.time if past.labelled_at is None else past.labelled_at
    record: dict[str, Any] = {}
    for path, value in (
        (paths.event, past.id),
        (paths.label, past.label),
        (paths.time, in_unit(time, settings.schema_.time_unit)),
    ):
        put(record, keys_of(path), value)
    return as_json(record)


def as_json(record: dict[str, Any]) -> bytes:
    """A record as JSON. Half a character in it stays one, so that the service says what is wrong with it."""
    try:
        return orjson.dumps(record)
    except orjson.JSONEncodeError:
        return json.dumps(record).encode()
