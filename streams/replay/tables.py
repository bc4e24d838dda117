"""Past events from the rows of a table: a CSV or a Parquet file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import orjson

from tocsin.config.schema import FeatureSettings, keys_of
from tocsin.config.settings import Settings
from tocsin.models.data.labels import class_name
from tocsin.streams.replay.files import READ_ERRORS, open_binary
from tocsin.streams.replay.past_event import BASE_TIME, SUBJECT, PastEvent, SourceError
from tocsin.streams.wire.dot_paths import put
from tocsin.streams.wire.values import epoch_milliseconds

Columns = Mapping[str, Any]
"""One row, by the names of the columns."""

_PARQUET_ROWS = 10_000
"""Rows that are read from a Parquet file at a time."""


def read_csv(settings: Settings, path: Path) -> Iterator[PastEvent]:
    """The rows of a CSV or TSV file. Raises SourceError."""
    return _past_events(settings, _csv_rows(settings, path), path)


def read_parquet(settings: Settings, path: Path) -> Iterator[PastEvent]:
    """The rows of a Parquet file. Raises SourceError."""
    return _past_events(settings, _parquet_rows(path), path)


def _csv_rows(settings: Settings, path: Path) -> Iterator[Columns]:
    replay = settings.replay
    delimiter = "\t" if ".tsv" in path.suffixes and replay.delimiter == "," else replay.delimiter
    # Tab-separated files often hold text with single quotation marks, and do not use them to quote.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    csv.field_size_limit(settings.bounds.record_bytes)
    try:
        with open_binary(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            names = list(replay.header) or None
            yield from csv.DictReader(text, names, delimiter=delimiter, quoting=quoting)
    except (*READ_ERRORS, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: {error}") from error


def _parquet_rows(path: Path) -> Iterator[Columns]:
    import pyarrow.parquet  # only here, because it takes long to import

    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(_PARQUET_ROWS):
            yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise SourceError(f"{path}: {error}") from error


def _past_events(settings: Settings, rows: Iterator[Columns], path: Path) -> Iterator[PastEvent]:
    """Rows as events in the shape that the config's schema reads."""
    for number, row in enumerate(rows):
        if number == 0:
            _require_columns(settings, row, path)
        yield _past_event(settings, row, path, number)


def _require_columns(settings: Settings, row: Columns, path: Path) -> None:
    """Raise SourceError where a column is missing that the config names."""
    replay, schema = settings.replay, settings.schema_
    wanted = [feature.name for feature in schema.features if feature.required] + [replay.label]
    wanted += [column for column in (replay.id, replay.subject, replay.time) if column]
    wanted += [replay.text] if schema.text else []
    if missing := [column for column in wanted if column not in row]:
        present = ", ".join(str(column) for column in row)
        raise SourceError(f"{path}: has no column {missing[0]!r}; it has {present} (see the config's `replay`)")


def _past_event(settings: Settings, row: Columns, path: Path, number: int) -> PastEvent:
    """One row, counted from 0, as an event."""
    replay, schema = settings.replay, settings.schema_
    identity = _text(row[replay.id] if replay.id else None, f"row-{number}")
    subject = _text(row[replay.subject] if replay.subject else None, SUBJECT)
    time = _time(row[replay.time], path, number) if replay.time else BASE_TIME + number * replay.interval_ms
    event: dict[str, Any] = {}
    for dot_path, value in ((schema.id, identity), (schema.subject, subject), (schema.time, time)):
        put(event, keys_of(dot_path), value)
    for feature in schema.features:
        if feature.name in row:
            put(event, feature.keys, _feature(feature, row[feature.name]))
    if schema.text:
        put(event, keys_of(schema.text), row[replay.text])
    label = row[replay.label]
    known = None if label in (None, "") else class_name(label)
    return PastEvent(identity, subject, time, orjson.dumps(event, default=str), known)


def _feature(feature: FeatureSettings, value: Any) -> Any:
    """A column's value as JSON would have it.

    A value that does not fit the feature's kind stays as it is: the service rejects the event and says why.
    """
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


def _text(value: Any, default: str) -> str:
    """A name from a column, or the default where the column is empty."""
    return default if value in (None, "") else str(value)


def _time(value: Any, path: Path, number: int) -> int:
    """A time from a column, as epoch milliseconds. Raises SourceError."""
    if isinstance(value, datetime):
        value = value.isoformat()
    try:
        return epoch_milliseconds(int(value) if isinstance(value, str) and value.isdecimal() else value)
    except ValueError as error:
        raise SourceError(f"{path}: row {number + 1}: {error}") from None
