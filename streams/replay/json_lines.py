"""Past events from lines of JSON, in the shape that the config's schema reads, each with its label among its keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tocsin.config.schema import keys_of
from tocsin.config.settings import Settings
from tocsin.models.data.times.reading import epoch_milliseconds
from tocsin.streams.replay.files import READ_ERRORS, open_binary
from tocsin.streams.replay.past_event import BASE_TIME, SUBJECT, LabelReader, PastEvent, SourceError, as_json, in_unit
from tocsin.streams.wire.dot_paths import put, walk
from tocsin.streams.wire.repaired import parsed
from tocsin.streams.wire.schema import UnfitError


def read_json_lines(settings: Settings, path: Path) -> Iterator[PastEvent]:
    """One event a line; empty lines are left out. Raises SourceError."""
    reader = JsonReader(settings)
    try:
        with open_binary(path) as file:
            for number, line in enumerate(file):
                if line.strip():
                    yield reader.past_event(
                        line.strip(), f"row-{number}", BASE_TIME + number * settings.replay.interval_ms
                    )
    except READ_ERRORS as error:
        raise SourceError(f"{path}: {error}") from error


class JsonReader:
    """Reads events in the shape of one config's schema, with their labels."""

    def __init__(self, settings: Settings) -> None:
        schema = settings.schema_
        self._id, self._subject, self._time = keys_of(schema.id), keys_of(schema.subject), keys_of(schema.time)
        self._label = keys_of(settings.replay.label)
        told = settings.replay.label_time
        self._label_time = None if told is None else keys_of(told)
        self._labels = LabelReader(settings)
        self._unit = schema.time_unit

    def past_event(self, data: bytes, default_id: str, default_time: int) -> PastEvent:
        """One event with its label; the defaults are for one without an id or a time.

        Bytes that are no JSON object are an event without a label: the service makes a dead letter of them.
        """
        try:
            event = parsed(data)
        except (ValueError, UnfitError):
            return PastEvent(default_id, SUBJECT, BASE_TIME, data, None)
        identity = walk(event, self._id)[1]
        label = walk(event, self._label)[1]
        if identity is None:
            identity = default_id
            try:
                put(event, self._id, identity)
            except (TypeError, AttributeError):  # something else than an object stands where the id should
                label = None  # the service will give the event another id, so no label can name it
        subject = walk(event, self._subject)[1]
        known = None if label is None else self._labels.label(label)
        time = self._time_of(event, default_time)
        name = SUBJECT if subject is None else str(subject)
        return PastEvent(str(identity), name, time, as_json(event), known, self._labelled_at(event))

    def _labelled_at(self, event: dict[str, Any]) -> int | None:
        """When the label became known, epoch milliseconds; None where nothing says that. Raises SourceError."""
        told = None if self._label_time is None else walk(event, self._label_time)[1]
        try:
            return None if told is None else epoch_milliseconds(told, self._unit)
        except ValueError as error:
            raise SourceError(f"the time of a label: {error}") from None

    def _time_of(self, event: dict[str, Any], default_time: int) -> int:
        """Epoch milliseconds; a missing time is put into the event."""
        time = walk(event, self._time)[1]
        if time is None:
            with suppress(TypeError, AttributeError):
                put(event, self._time, in_unit(default_time, self._unit))
            return default_time
        try:
            return epoch_milliseconds(time, self._unit)
        except ValueError:
            return BASE_TIME
