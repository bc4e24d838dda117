"""Past events from the rows of a table: a CSV or a Parquet file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import orjson

from tocsin.config.schema import FeatureSettings, TimeUnit, keys_of
from tocsin.config.settings import Settings
from tocsin.models.data.times.reading import epoch_milliseconds
from tocsin.streams.replay.files import READ_ERRORS, open_binary
from tocsin.streams.replay.past_event import BASE_TIME, SUBJECT, LabelReader, PastEvent, SourceError, in_unit
from tocsin.streams.wire.dot_paths import put

Row = Mapping[str, Any]
"""One row, by the names of the columns."""
OpenFile = Callable[[Path], IO[bytes]]
"""What opens a file that may be compressed."""
MISSING = ("", "?", "NA", "N/A", "null", "NULL", "None")
"""How tools write a number or a boolean that is not known."""

_PARQUET_ROWS = 10_000
"""Rows that are read from a Parquet file at a time."""


def read_csv(settings: Settings, path: Path) -> Iterator[PastEvent]:
    """The rows of a CSV or TSV file. Raises SourceError."""
    return _past_events(settings, csv_rows(settings, path), path)


def read_parquet(settings: Settings, path: Path) -> Iterator[PastEvent]:
    """The rows of a Parquet file. Raises SourceError."""
    return _past_events(settings, parquet_rows(path), path)


def csv_rows(settings: Settings, path: Path, open_file: OpenFile = open_binary) -> Iterator[Row]:
    """The rows of a CSV or TSV file as they stand. Cells beyond the last column are under None. Raises SourceError."""
    replay = settings.replay
    delimiter = "\t" if ".tsv" in path.suffixes and replay.delimiter == "," else replay.delimiter
    # Tab-separated files often hold text with single quotation marks, and do not use them to quote.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    csv.field_size_limit(settings.bounds.record_bytes)
    try:
        with open_file(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            rows = csv.DictReader(text, list(replay.header) or None, delimiter=delimiter, quoting=quoting)
            _refuse_doubles(rows.fieldnames or (), path)
            yield from rows
    except (*READ_ERRORS, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: {error}") from error


def parquet_rows(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file as they stand. Raises SourceError."""
    import pyarrow.parquet  # only here, because it takes long to import

    try:
        file = pyarrow.parquet.ParquetFile(path)
        _refuse_doubles(file.schema_arrow.names, path)
        for batch in file.iter_batches(_PARQUET_ROWS):
            yield from batch.to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise SourceError(f"{path}: {error}") from error


def _refuse_doubles(names: Sequence[str], path: Path) -> None:
    """Raise SourceError where two columns have one name: nothing tells which of them is meant.

    Columns without a name are no doubles: nothing asks for them.
    """
    twice = sorted(name for name, times in Counter(names).items() if times > 1 and name)
    if twice:
        listed = ", ".join(repr(name) for name in twice[:5])
        raise SourceError(
            f"{path}: has several columns named {listed}: give each a name of its own, in the file or, where it has "
            "no header, in the config's `replay.header`"
        )


class _Columns(NamedTuple):
    """Which column of a table holds what; None where no column does."""

    label: str
    id: str | None
    subject: str | None
    time: str | None
    label_time: str | None
    text: str | None
    features: tuple[tuple[FeatureSettings, str], ...]


def _past_events(settings: Settings, rows: Iterator[Row], path: Path) -> Iterator[PastEvent]:
    """Rows as events in the shape that the config's schema reads."""
    columns: _Columns | None = None
    reader = LabelReader(settings)
    for number, row in enumerate(rows):
        columns = columns or _columns(settings, row, path)
        yield _past_event(settings, columns, row, f"{path}: row {number + 1}", number, reader)


def _columns(settings: Settings, row: Row, path: Path) -> _Columns:
    """The columns by their names in `replay`, else by the schema's paths. Raises SourceError where one is missing."""
    replay, schema = settings.replay, settings.schema_
    features = [
        (feature, _named(row, feature.name, feature.path, ".".join(feature.keys)))
        for feature in (*schema.features, *schema.keys)
        if not schema.is_own_time(feature)
    ]
    text = _named(row, replay.text, schema.text) if schema.text else None
    wanted = [feature.name for feature, column in features if feature.required and column is None] + [replay.label]
    wanted += [column for column in (replay.id, replay.subject, replay.time, replay.label_time) if column]
    wanted += [replay.text] if schema.text and text is None else []
    if missing := [column for column in wanted if column not in row]:
        present = ", ".join(str(column) for column in row)
        raise SourceError(f"{path}: has no column {missing[0]!r}; it has {present} (see the config's `replay`)")
    return _Columns(
        label=replay.label,
        id=_named(row, replay.id, schema.id),
        subject=_named(row, replay.subject, schema.subject),
        time=_named(row, replay.time, schema.time),
        label_time=replay.label_time,
        text=text,
        features=tuple((feature, column) for feature, column in features if column is not None),
    )


def _named(row: Row, *names: str | None) -> str | None:
    """The first of these names that a column has."""
    return next((name for name in names if name is not None and name in row), None)


def _past_event(
    settings: Settings, columns: _Columns, row: Row, place: str, number: int, reader: LabelReader
) -> PastEvent:
    """One row, counted from 0, as an event."""
    replay, schema = settings.replay, settings.schema_
    identity = _text(row[columns.id] if columns.id else None, f"row-{number}")
    # Early risk accumulates what a subject wrote, so rows that name none are subjects of their own.
    subject = _text(
        row[columns.subject] if columns.subject else None, identity if settings.early_risk.classes else SUBJECT
    )
    time = BASE_TIME + number * replay.interval_ms
    if columns.time:
        time = _time(row[columns.time], schema.time_unit, place)
    event: dict[str, Any] = {}
    for dot_path, value in (
        (schema.id, identity),
        (schema.subject, subject),
        (schema.time, in_unit(time, schema.time_unit)),
    ):
        put(event, keys_of(dot_path), value)
    for feature, column in columns.features:
        put(event, feature.keys, _feature(feature, row[column]))
    if schema.text and columns.text:
        put(event, keys_of(schema.text), row[columns.text])
    label = row[columns.label]
    known = None if label in ("", None) or label != label else reader.label(label)
    labelled_at = row[columns.label_time] if columns.label_time else None
    if labelled_at in ("", None):
        return PastEvent(identity, subject, time, orjson.dumps(event, default=str), known)
    told = _time(labelled_at, schema.time_unit, place)
    return PastEvent(identity, subject, time, orjson.dumps(event, default=str), known, told)


def _feature(feature: FeatureSettings, value: Any) -> Any:
    """A column's value as JSON would have it.

    A value that does not fit the feature's kind stays as it is: the service rejects the event and says why.
    """
    if isinstance(value, Decimal):
        return float(value)
    if not isinstance(value, str):
        return value
    if value == "" or (feature.kind != "category" and value.strip() in MISSING):
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


def _time(value: Any, unit: TimeUnit, place: str) -> int:
    """A time from a column, as epoch milliseconds. Raises SourceError."""
    if isinstance(value, date):  # with a time of day or without
        value = value.isoformat()
    try:
        return epoch_milliseconds(value, unit)
    except ValueError as error:
        raise SourceError(f"{place}: time: {error}") from None
