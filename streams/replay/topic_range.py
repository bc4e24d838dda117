"""Past events from a range of a topic, `kafka:TOPIC?from=OFFSET_OR_TIME&to=OFFSET_OR_TIME`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import orjson

from tocsin.config.schema import keys_of
from tocsin.config.settings import Settings
from tocsin.models.data.labels import class_name
from tocsin.streams.replay.json_lines import past_event_of_json
from tocsin.streams.replay.past_event import PastEvent, SourceError
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.wire.dot_paths import walk
from tocsin.streams.wire.values import epoch_milliseconds

_OFFSET_DIGITS = 12
"""A number of so many digits or more is a time in epoch milliseconds, a shorter one is an offset."""


class _Range(NamedTuple):
    """Which records of each partition are read: offsets and times from the first one on and before the second one."""

    first_offset: int | None = None
    stop_offset: int | None = None
    first_time: int | None = None
    """Epoch milliseconds."""
    stop_time: int | None = None

    def records(self, transport: Transport, partition: Partition, end: int) -> Iterator[Record]:
        """Those of one partition whose end offset is `end`."""
        stop = end if self.stop_offset is None else min(self.stop_offset, end)
        for record in transport.read(partition, self.first_offset or 0, stop):
            if self.first_time is not None and record.timestamp < self.first_time:
                continue
            if self.stop_time is not None and record.timestamp >= self.stop_time:
                continue
            yield record


def read_topic_range(settings: Settings, source: str, transport: Transport) -> Iterator[PastEvent]:
    """The events of a range, by offset within each partition, with the labels that stand in the labels topic.

    Raises SourceError where the range is written wrongly.
    """
    parts = urlsplit(source)
    topic = (parts.path or parts.netloc).strip("/") or settings.topics.events
    wanted = _range(parts.query, source)
    labels = _labels(settings, transport)
    for partition, end in transport.end_offsets(topic).items():
        for record in wanted.records(transport, partition, end):
            default_id = f"{record.topic}-{record.partition}-{record.offset}"
            past = past_event_of_json(settings, record.value or b"", default_id)
            yield past._replace(label=labels.get(past.id, past.label))


def _range(query: str, source: str) -> _Range:
    # A plus sign stands for itself, because times hold it: 2026-01-01T00:00+01:00.
    limits = {name: values[-1] for name, values in parse_qs(query.replace("+", "%2B")).items()}
    if unknown := sorted(set(limits) - {"from", "to"}):
        raise SourceError(f"{source}: unknown {unknown[0]!r}; a range is from=OFFSET_OR_TIME&to=OFFSET_OR_TIME")
    first_offset, first_time = _limit(limits.get("from"), source)
    stop_offset, stop_time = _limit(limits.get("to"), source)
    return _Range(first_offset, stop_offset, first_time, stop_time)


def _limit(text: str | None, source: str) -> tuple[int | None, int | None]:
    """One end of a range, as an offset or as a time in epoch milliseconds; the other one of the two is None."""
    if text is None:
        return None, None
    if text.isdecimal() and len(text) < _OFFSET_DIGITS:
        return int(text), None
    try:
        return None, epoch_milliseconds(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise SourceError(f"{source}: {error}") from None


def _labels(settings: Settings, transport: Transport) -> dict[str, str]:
    """By event id, the last label in the labels topic that names the event."""
    paths = settings.schema_.label
    event_keys, label_keys = keys_of(paths.event), keys_of(paths.label)
    labels: dict[str, str] = {}
    for partition, end in transport.end_offsets(settings.topics.labels).items():
        for record in transport.read(partition, 0, end):
            try:
                label_json = orjson.loads(record.value or b"")
            except orjson.JSONDecodeError:
                continue
            event, label = walk(label_json, event_keys)[1], walk(label_json, label_keys)[1]
            if event is not None and label is not None:
                labels[str(event)] = class_name(label)
    return labels
