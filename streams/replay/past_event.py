"""One past event with its label, as every source gives it, and the label's record."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from tocsin.config.schema import keys_of
from tocsin.config.settings import Settings
from tocsin.streams.wire.dot_paths import put

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


def label_record(settings: Settings, past: PastEvent) -> bytes:
    """The label of a past event as a record of the topic `labels`, in the shape that the config's schema reads."""
    paths = settings.schema_.label
    record: dict[str, Any] = {}
    for path, value in ((paths.event, past.id), (paths.label, past.label), (paths.time, past.time)):
        put(record, keys_of(path), value)
    return orjson.dumps(record)
