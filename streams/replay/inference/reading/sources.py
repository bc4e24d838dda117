"""Sources of past rows: CSV, JSONL, Parquet, and the newest records of a topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tocsin.config.settings import Settings
from tocsin.streams.replay.files import READ_ERRORS, open_binary
from tocsin.streams.replay.inference.reading.dialect import dialect_of
from tocsin.streams.replay.inference.reading.flat import flat, path_to
from tocsin.streams.replay.inference.reading.past_rows import NO_PATH, PastRows, Row, open_bounded
from tocsin.streams.replay.past_event import SourceError
from tocsin.streams.replay.source import kind_of
from tocsin.streams.replay.tables import csv_rows, parquet_rows
from tocsin.streams.transport.base import Transport
from tocsin.streams.wire.repaired import parsed
from tocsin.streams.wire.schema import UnfitError

OpenReader = Callable[[], Transport]
"""What opens the broker's topics, for a source that is one of them."""


class ReadingBounds(NamedTuple):
    """How much of a source is read."""

    rows: int = 20_000
    """Rows that are looked at; of those behind them the classes are counted."""
    size: int = 256 << 20
    """Bytes of a file after it is decompressed."""


def open_rows(source: str, bounds: ReadingBounds, names_first: bool | None, open_reader: OpenReader) -> PastRows:
    """The rows of a source. Raises SourceError, for some mistakes only while they are taken.

    `source` is as `tocsin.streams.replay.source.read_source` takes it, but for the range of a topic.
    """
    if source.startswith("kafka:"):
        return _topic_rows(source, bounds, open_reader)
    path = Path(source)
    kind = kind_of(source)
    if kind == "csv":
        return _csv(path, bounds, names_first)
    if kind == "parquet":
        past = PastRows(source, "table")
        past.rows = _within_size(parquet_rows(path), bounds.size, past)
        return past
    past = PastRows(source, "json")
    past.rows = _json_rows(_lines(path, bounds, past), past)
    return past


def topic_of(source: str) -> str:
    """The topic of a source `kafka:TOPIC`. Raises SourceError for a range of one."""
    parts = urlsplit(source)
    topic = (parts.path or parts.netloc).strip("/")
    if parts.query or not topic or "/" in topic or (parts.path.strip("/") and parts.netloc):
        raise SourceError(
            "a topic is written kafka:TOPIC, without a range: its newest records are looked at; the broker is "
            "--bootstrap host:port"
        )
    return topic


def _csv(path: Path, bounds: ReadingBounds, names_first: bool | None) -> PastRows:
    try:
        with open_binary(path) as file:
            dialect = dialect_of(path, file, names_first)
    except OSError as error:
        raise SourceError(f"{path}: {error}") from error
    past = PastRows(str(path), "table", delimiter=dialect.delimiter, header=dialect.header)
    reading = {"delimiter": dialect.delimiter, "header": dialect.header}
    values: dict[str, Any] = {"schema": {"text": "text"}, "replay": reading}
    settings = Settings(**values)
    open_file = partial(open_bounded, most=bounds.size, past=past)
    past.rows = _within_columns(_until_cut(csv_rows(settings, path, open_file), past), past)
    return past


def _until_cut(rows: Iterator[Row], past: PastRows) -> Iterator[Row]:
    """The rows without the last one where the file goes on behind it: it may be half a row."""
    held: Row | None = None
    try:
        for row in rows:
            if held is not None:
                yield held
            held = row
    except SourceError:
        if not past.cut:  # else it is half a character at the bound
            raise
        return
    if held is not None and not past.cut:
        yield held


def _within_columns(rows: Iterator[Row], past: PastRows) -> Iterator[Row]:
    for row in rows:
        past.too_long += None in row
        yield {name: value for name, value in row.items() if name is not None}


def _within_size(rows: Iterator[Row], most: int, past: PastRows) -> Iterator[Row]:
    """The first rows whose texts, with eight bytes for each other value, have so many bytes at the most."""
    for row in rows:
        most -= sum(len(value) if isinstance(value, str | bytes) else 8 for value in row.values())
        if most < 0:
            past.cut = True
            return
        yield row


def _lines(path: Path, bounds: ReadingBounds, past: PastRows) -> Iterator[bytes]:
    try:
        with open_bounded(path, bounds.size, past) as file:
            held = b""
            for line in file:
                if held:
                    yield held
                held = line.strip()
            if held and not past.cut:
                yield held
    except READ_ERRORS as error:
        raise SourceError(f"{path}: {error}") from error


def _json_rows(values: Iterable[bytes], past: PastRows) -> Iterator[Row]:
    paths: dict[tuple[str, ...], str] = {}
    for value in values:
        try:
            event = parsed(value)
        except (ValueError, UnfitError) as error:
            past.unread += 1
            past.why_unread = past.why_unread or str(error)
            continue
        row = {}
        for keys, one in flat(event).items():
            if (path := paths.get(keys)) is None:
                path = path_to(keys) or NO_PATH + ".".join(keys)
                if len(paths) < 100_000:  # so that keys which differ from event to event do not fill the memory
                    paths[keys] = path
            row[path] = one
        yield row


def _topic_rows(source: str, bounds: ReadingBounds, open_reader: OpenReader) -> PastRows:
    topic = topic_of(source)
    past = PastRows(source, "json")
    past.rows = _json_rows(newest(topic, bounds.rows, open_reader), past)
    return past


def newest(topic: str, most: int, open_reader: OpenReader) -> Iterator[bytes]:
    """The values of the newest records of a topic, about as many of each partition. Raises TransportError."""
    transport = open_reader()
    try:
        ends = transport.end_offsets(topic)
        for partition, end in ends.items():
            for record in transport.read(partition, max(0, end - max(1, most // len(ends))), end):
                yield record.value or b""
    finally:
        transport.close()
