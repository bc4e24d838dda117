"""Where past events come from: CSV, JSONL, Parquet, or a range of a topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from tocsin.config.settings import Settings
from tocsin.streams.replay.files import COMPRESSED
from tocsin.streams.replay.json_lines import read_json_lines
from tocsin.streams.replay.past_event import PastEvent, SourceError
from tocsin.streams.replay.tables import read_csv, read_parquet
from tocsin.streams.replay.topic_range import read_topic_range
from tocsin.streams.transport.base import Transport

_CSV = (".csv", ".tsv", ".txt")
_JSON_LINES = (".jsonl", ".ndjson", ".json")


def read_source(settings: Settings, source: str, open_reader: Callable[[], Transport]) -> Iterator[PastEvent]:
    """The past events of a source, in their order. Raises SourceError, for a file that is not there at once.

    `source` is the name of a file, or `kafka:TOPIC?from=...&to=...`; for the latter `open_reader` opens a transport,
    which is closed at the end.
    """
    if source.startswith("kafka:"):
        return _read_topic(settings, source, open_reader)
    path, kind = Path(source), kind_of(source)
    if kind == "csv":
        return _not_empty(read_csv(settings, path), path)
    if kind == "json lines":
        return _not_empty(read_json_lines(settings, path), path)
    return _not_empty(read_parquet(settings, path), path)


def kind_of(source: str) -> Literal["csv", "json lines", "parquet"]:
    """What a file holds, by its name. Raises SourceError where that does not tell, or no such file is there."""
    path = Path(source)
    if not path.is_file():
        raise SourceError(f"{source}: no such file; a topic range is written kafka:events?from=OFFSET_OR_TIME&to=...")
    suffixes = [suffix for suffix in path.suffixes if suffix not in COMPRESSED]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in _CSV:
        return "csv"
    if suffix in _JSON_LINES:
        return "json lines"
    if suffix == ".parquet":
        return "parquet"
    raise SourceError(f"{source}: cannot tell its format; name it .csv, .tsv, .jsonl or .parquet (.gz, .xz, .bz2)")


def _not_empty(past_events: Iterator[PastEvent], path: Path) -> Iterator[PastEvent]:
    """The same events. Raises SourceError where there is none, so that an empty file is not taken for a good replay."""
    first = next(past_events, None)
    if first is None:
        raise SourceError(f"{path}: holds no event (a table has the names of its columns first, then a row an event)")
    yield first
    yield from past_events


def _read_topic(settings: Settings, source: str, open_reader: Callable[[], Transport]) -> Iterator[PastEvent]:
    transport = open_reader()
    try:
        yield from read_topic_range(settings, source, transport)
    finally:
        transport.close()
