"""Where a replay's events and labels come from: CSV, JSONL, Parquet, or a range of a topic."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

import orjson
import pyarrow.parquet

from tocsin.config.schema import FeatureSettings
from tocsin.config.settings import Settings
from tocsin.streams.transport.base import Partition, Record, Transport
from tocsin.streams.wire.records import epoch_milliseconds
from tocsin.streams.wire.schema import walk

BASE_TIME = 946_684_800_000
"""1 January 2000: where time starts for rows that have none."""
SUBJECT = "replay"
"""The subject of rows that name none."""
_COMPRESSED: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


class SourceError(Exception):
    """A source cannot be read; the text says where and what was expected."""


class Row(NamedTuple):
    """One past event as its producer would send it, and its label where there is one."""

    id: str
    subject: str
    time: int
    event: bytes
    label: str | None


def rows(settings: Settings, source: str, reader: Callable[[], Transport]) -> Iterator[Row]:
    """The rows of a source, in their order. `reader` opens the log for a topic range. Raises SourceError."""
    if source.startswith("kafka:"):
        log = reader()
        try:
            yield from _topic_rows(settings, source, log)
        finally:
            log.close()
        return
    path = Path(source)
    if not path.is_file():
        raise SourceError(f"{source}: no such file; a topic range is written kafka:events?from=OFFSET_OR_TIME&to=...")
    suffixes = [s for s in path.suffixes if s not in _COMPRESSED]
    kind = suffixes[-1] if suffixes else ""
    if kind in (".csv", ".tsv", ".txt"):
        yield from _table(settings, _csv(settings, path), path)
    elif kind in (".jsonl", ".ndjson", ".json"):
        yield from _jsonl(settings, path)
    elif kind == ".parquet":
        yield from _table(settings, _parquet(path), path)
    else:
        raise SourceError(f"{source}: cannot tell its format; name it .csv, .tsv, .jsonl or .parquet (.gz, .xz, .bz2)")


def _open(path: Path) -> IO[bytes]:
    opener: Callable[..., IO[bytes]] = _COMPRESSED.get(path.suffix, open)
    return opener(path, "rb")


def _csv(settings: Settings, path: Path) -> Iterator[dict[str, Any]]:
    replay = settings.replay
    delimiter = "\t" if ".tsv" in path.suffixes and replay.delimiter == "," else replay.delimiter
    # Text with stray quotes is common in tab-separated files; quoting is a matter of the comma-separated ones.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    csv.field_size_limit(settings.bounds.record_bytes)
    try:
        with _open(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            names = list(replay.header) or None
            yield from csv.DictReader(text, names, delimiter=delimiter, quoting=quoting)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, lzma.LZMAError, zlib.error) as error:
        raise SourceError(f"{path}: {error}") from error


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(10_000):
            yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise SourceError(f"{path}: {error}") from error


def _table(settings: Settings, table: Iterator[dict[str, Any]], path: Path) -> Iterator[Row]:
    """Columns to events in the shape that the config's schema reads."""
    replay, schema = settings.replay, settings.schema_
    wanted = [f.name for f in schema.features if f.required] + [replay.label]
    wanted += [c for c in (replay.id, replay.subject, replay.time) if c] + ([replay.text] if schema.text else [])
    for n, columns in enumerate(table):
        if n == 0 and (missing := [c for c in wanted if c not in columns]):
            have = ", ".join(str(c) for c in columns)
            raise SourceError(f"{path}: has no column {missing[0]!r}; it has {have} (see the config's `replay`)")
        identity = _text(columns[replay.id] if replay.id else None, f"row-{n}")
        subject = _text(columns[replay.subject] if replay.subject else None, SUBJECT)
        time = _time(columns[replay.time], path, n) if replay.time else BASE_TIME + n * replay.interval_ms
        event: dict[str, Any] = {}
        for keys, value in ((schema.id, identity), (schema.subject, subject), (schema.time, time)):
            _put(event, tuple(keys.split(".")), value)
        for feature in schema.features:
            if feature.name in columns:
                _put(event, feature.at, _value(feature, columns[feature.name]))
        if schema.text:
            _put(event, tuple(schema.text.split(".")), columns[replay.text])
        label = columns[replay.label]
        known = None if label in (None, "") else _label(label)
        yield Row(identity, subject, time, orjson.dumps(event, default=str), known)


def _jsonl(settings: Settings, path: Path) -> Iterator[Row]:
    """One event a line, in the shape that the config's schema reads, with its label among its keys."""
    label = tuple(settings.replay.label.split("."))
    try:
        with _open(path) as file:
            for n, line in enumerate(file):
                if line.strip():
                    yield _json_row(settings, line, label, f"row-{n}")
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise SourceError(f"{path}: {error}") from error


def _json_row(settings: Settings, line: bytes, label: tuple[str, ...], fallback: str) -> Row:
    """A line that is no JSON is a row all the same: the service makes it a dead letter."""
    schema = settings.schema_
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        return Row(fallback, SUBJECT, BASE_TIME, line, None)
    keys = {part: tuple(getattr(schema, part).split(".")) for part in ("id", "subject", "time")}
    identity = walk(event, keys["id"])[1]
    found = walk(event, label)[1]
    if identity is None:
        identity = fallback
        try:
            _put(event, keys["id"], identity)
        except (TypeError, AttributeError):  # no object stands where the id should: the service names the event
            found = None
    try:
        time = epoch_milliseconds(walk(event, keys["time"])[1])
    except ValueError:
        time = BASE_TIME
    subject = str(walk(event, keys["subject"])[1])
    return Row(str(identity), subject, time, orjson.dumps(event), None if found is None else _label(found))


def _topic_rows(settings: Settings, source: str, reader: Transport) -> Iterator[Row]:
    """A range of a topic's events, in time order within each partition, with the labels that the labels topic holds."""
    parts = urlsplit(source)
    # A plus is a plus here: it stands in times (2026-01-01T00:00+01:00).
    query = {name: values[-1] for name, values in parse_qs(parts.query.replace("+", "%2B")).items()}
    if unknown := sorted(set(query) - {"from", "to"}):
        raise SourceError(f"{source}: unknown {unknown[0]!r}; a range is from=OFFSET_OR_TIME&to=OFFSET_OR_TIME")
    topic = (parts.path or parts.netloc).strip("/") or settings.topics.events
    first, last = _limit(query.get("from"), source), _limit(query.get("to"), source)
    labels = _labels(settings, reader)
    label_keys = tuple(settings.replay.label.split("."))
    for partition, end in reader.end_offsets(topic).items():
        for record in _range(reader, partition, end, first, last):
            fallback = f"{record.topic}-{record.partition}-{record.offset}"
            row = _json_row(settings, record.value or b"", label_keys, fallback)
            yield row._replace(label=labels.get(row.id, row.label))


def _limit(text: str | None, source: str) -> tuple[str, int] | None:
    """A limit of a range: an offset or an instant."""
    if text is None:
        return None
    if text.isdecimal() and len(text) < 12:
        return "offset", int(text)
    try:
        return "time", epoch_milliseconds(int(text) if text.isdecimal() else text)
    except ValueError as error:
        raise SourceError(f"{source}: {error}") from None


def _range(
    reader: Transport, partition: Partition, end: int, first: tuple[str, int] | None, last: tuple[str, int] | None
) -> Iterator[Record]:
    start = first[1] if first and first[0] == "offset" else 0
    stop = min(last[1], end) if last and last[0] == "offset" else end
    for record in reader.read(partition, start, stop):
        if first and first[0] == "time" and record.timestamp < first[1]:
            continue
        if last and last[0] == "time" and record.timestamp >= last[1]:
            continue
        yield record


def _labels(settings: Settings, reader: Transport) -> dict[str, str]:
    """The labels by event id that the labels topic holds."""
    paths = settings.schema_.label
    event_keys, label_keys = tuple(paths.event.split(".")), tuple(paths.label.split("."))
    labels: dict[str, str] = {}
    for partition, end in reader.end_offsets(settings.topics.labels).items():
        for record in reader.read(partition, 0, end):
            try:
                raw = orjson.loads(record.value or b"")
            except orjson.JSONDecodeError:
                continue
            event, label = walk(raw, event_keys)[1], walk(raw, label_keys)[1]
            if event is not None and label is not None:
                labels[str(event)] = _label(label)
    return labels


def _put(target: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        target = target.setdefault(key, {})
    target[keys[-1]] = value


def _value(feature: FeatureSettings, value: Any) -> Any:
    """A column's value as JSON would have it; what does not fit stays as it is, and the service says so."""
    if isinstance(value, Decimal):
        return float(value)
    if not isinstance(value, str):
        return value
    if value == "":
        return None
    if feature.kind == "number":
        try:
            return float(value)
        except ValueError:
            return value
    if feature.kind == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(value.lower(), value)
    return value


def _text(value: Any, otherwise: str) -> str:
    """A name from a column; what stands for it where the column is empty."""
    return otherwise if value in (None, "") else str(value)


def _label(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _time(value: Any, path: Path, n: int) -> int:
    if isinstance(value, datetime):
        value = value.isoformat()
    try:
        return epoch_milliseconds(int(value) if isinstance(value, str) and value.isdecimal() else value)
    except ValueError as error:
        raise SourceError(f"{path}: row {n + 1}: {error}") from None
