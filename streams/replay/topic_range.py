"""Past events from a range of a topic, `kafka:TOPIC?from=OFFSET_OR_TIME&to=OFFSET_OR_TIME&partition=NUMBER`."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tocsin.config.schema import keys_of
from tocsin.config.settings import Settings
from tocsin.models.data.times.reading import epoch_milliseconds
from tocsin.streams.replay.json_lines import JsonReader
from tocsin.streams.replay.past_event import LabelReader, PastEvent, SourceError
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.wire.dot_paths import walk
from tocsin.streams.wire.repaired import parsed
from tocsin.streams.wire.schema import UnfitError

log = logging.getLogger(__name__)
_OFFSET_DIGITS = 12
"""A number of so many digits or more is a time in epoch milliseconds, a shorter one is an offset."""


class _Range(NamedTuple):
    """Which records of each partition are read: offsets and times from the first one on and before the second one."""

    first_offset: int | None = None
    stop_offset: int | None = None
    first_time: int | None = None
    """Epoch milliseconds."""
    stop_time: int | None = None
    partition: int | None = None
    """The only partition that is read; without a value all are."""

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

    Each partition counts its offsets from 0, so `from=0&to=300` is up to 300 events of each. Raises SourceError where
    the range is written wrongly, or names a partition that the topic does not have.
    """
    parts = urlsplit(source)
    topic = (parts.path or parts.netloc).strip("/") or settings.topics.events
    wanted = _range(parts.query, source)
    labels = _labels(settings, transport)
    reader = JsonReader(settings)
    for partition, end in _partitions(transport, topic, wanted, source).items():
        for record in wanted.records(transport, partition, end):
            default_id = f"{record.topic}-{record.partition}-{record.offset}"
            past = reader.past_event(record.value or b"", default_id, max(record.timestamp, 0))
            label, labelled_at = labels.get(past.id, (past.label, past.labelled_at))
            yield past._replace(label=label, labelled_at=labelled_at)


def _partitions(transport: Transport, topic: str, wanted: _Range, source: str) -> dict[Partition, int]:
    """The partitions to read, with their end offsets."""
    ends = dict(transport.end_offsets(topic))
    if wanted.partition is not None:
        if Partition(topic, wanted.partition) not in ends:
            raise SourceError(f"{source}: {topic} has no partition {wanted.partition}; it has {len(ends)}")
        return {Partition(topic, wanted.partition): ends[Partition(topic, wanted.partition)]}
    if len(ends) > 1 and (wanted.first_offset is not None or wanted.stop_offset is not None):
        log.warning(
            "from and to are offsets within each of the %d partitions of %s; partition=NUMBER reads one of them, and "
            "--limit bounds the number of events",
            len(ends),
            topic,
        )
    return ends


def _range(query: str, source: str) -> _Range:
    # A plus sign stands for itself, because times hold it: 2026-01-01T00:00+01:00.
    limits = {name: values[-1] for name, values in parse_qs(query.replace("+", "%2B")).items()}
    if unknown := sorted(set(limits) - {"from", "to", "partition"}):
        raise SourceError(
            f"{source}: unknown {unknown[0]!r}; a range is from=OFFSET_OR_TIME&to=OFFSET_OR_TIME&partition=NUMBER"
        )
    first_offset, first_time = _limit(limits.get("from"), source)
    stop_offset, stop_time = _limit(limits.get("to"), source)
    partition = limits.get("partition")
    if partition is not None and not re.fullmatch("[0-9]{1,9}", partition):
        raise SourceError(f"{source}: {partition!r} is no partition: give its number")
    return _Range(first_offset, stop_offset, first_time, stop_time, None if partition is None else int(partition))


def _limit(text: str | None, source: str) -> tuple[int | None, int | None]:
    """One end of a range, as an offset or as a time in epoch milliseconds; the other one of the two is None."""
    if text is None:
        return None, None
    try:
        return offset_or_time(text)
    except ValueError as error:
        raise SourceError(f"{source}: {error}") from None


def offset_or_time(text: str) -> tuple[int | None, int | None]:
    """What is written as an offset or as a time: the offset, and the time in epoch milliseconds, one of them None.

    A number of twelve digits or more is a time, too. Raises ValueError for what is neither.
    """
    if text.isdecimal() and len(text) < _OFFSET_DIGITS:
        return int(text), None
    return None, epoch_milliseconds(int(text) if text.isdecimal() else text)


def _labels(settings: Settings, transport: Transport) -> dict[str, tuple[str, int]]:
    """By event id, the last label in the labels topic that names the event, and its time (epoch milliseconds)."""
    paths, unit = settings.schema_.label, settings.schema_.time_unit
    event_keys, label_keys, time_keys = keys_of(paths.event), keys_of(paths.label), keys_of(paths.time)
    source_keys, sources = keys_of(paths.source), dict[str, Any]()
    labels: dict[str, tuple[str, int]] = {}
    reader = LabelReader(settings)
    for partition, end in transport.end_offsets(settings.topics.labels).items():
        for record in transport.read(partition, 0, end):
            try:
                label_json = parsed(record.value or b"")
            except (ValueError, UnfitError):
                continue
            event, (there, label) = walk(label_json, event_keys)[1], walk(label_json, label_keys)
            source = walk(label_json, source_keys)[1]
            if event is not None and label is not None:
                told = walk(label_json, time_keys)[1]
                try:
                    time = max(record.timestamp, 0) if told is None else epoch_milliseconds(told, unit)
                except ValueError:
                    continue  # the service makes a dead letter of it
                labels[str(event)] = reader.label(label), time
                sources[str(event)] = source
            elif there and str(event) in sources and sources[str(event)] == source:
                del labels[str(event)], sources[str(event)]  # it was taken back
    return labels
