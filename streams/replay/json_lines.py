"""Past events from lines of JSON, in the shape that the config's schema reads, each with its label among its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tocsin.config.schema import keys_of
from tocsin.config.settings import Settings
from tocsin.models.data.labels import class_name
from tocsin.streams.replay.files import READ_ERRORS, open_binary
from tocsin.streams.replay.past_event import BASE_TIME, SUBJECT, PastEvent, SourceError
from tocsin.streams.wire.dot_paths import put, walk
from tocsin.streams.wire.values import epoch_milliseconds


def read_json_lines(settings: Settings, path: Path) -> Iterator[PastEvent]:
    """One event a line; empty lines are left out. Raises SourceError."""
    try:
        with open_binary(path) as file:
            for number, line in enumerate(file):
                if line.strip():
                    yield past_event_of_json(settings, line, f"row-{number}")
    except READ_ERRORS as error:
        raise SourceError(f"{path}: {error}") from error


def past_event_of_json(settings: Settings, data: bytes, default_id: str) -> PastEvent:
    """One event with its label; `default_id` becomes its id where it has none.

    Bytes that are no JSON object are an event without a label: the service makes a dead letter of them.
    """
    schema = settings.schema_
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        return PastEvent(default_id, SUBJECT, BASE_TIME, data, None)
    identity = walk(event, keys_of(schema.id))[1]
    label = walk(event, keys_of(settings.replay.label))[1]
    if identity is None:
        identity = default_id
        try:
            put(event, keys_of(schema.id), identity)
        except (TypeError, AttributeError):  # something else than an object stands where the id should
            label = None  # the service will give the event another id, so no label can name it
    subject = str(walk(event, keys_of(schema.subject))[1])
    known = None if label is None else class_name(label)
    return PastEvent(str(identity), subject, _time(settings, event), orjson.dumps(event), known)


def _time(settings: Settings, event: dict[str, Any]) -> int:
    try:
        return epoch_milliseconds(walk(event, keys_of(settings.schema_.time))[1])
    except ValueError:
        return BASE_TIME
