"""Past rows: a source as flat rows, one after the other, within bounds, and what was noticed while they were read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from tocsin.streams.replay.files import open_binary
from tocsin.streams.replay.past_event import SourceError

Shape = Literal["table", "json"]
Row = Mapping[str, Any]
"""One past event: its values by column, or by dot path where it is JSON."""


class Absence(Enum):
    """What stands for a key that a row does not have, as null stands for a value that is not known."""

    ABSENT = "absent"


ABSENT = Absence.ABSENT
_CELLS = 4_000_000
"""Values of the rows that are looked at; where columns are many, rows are fewer."""
NO_PATH = "(no path leads to it) "
"""How the name of a JSON value begins to which no dot path can be written."""


@dataclass
class PastRows:
    """A source that is being read; what was noticed grows with the rows that are taken."""

    source: str
    """Its name."""
    shape: Shape
    rows: Iterator[Row] = field(default_factory=lambda: iter(()))
    delimiter: str = ","
    header: tuple[str, ...] = ()
    """The names that were given to columns, where the file gives none."""
    unread: int = 0
    """Lines or records that hold no JSON object."""
    why_unread: str = ""
    too_long: int = 0
    """Rows with more cells than there are columns."""
    cut: bool = False
    """Whether more was there than the bound on bytes let in."""


class BoundedFile(io.RawIOBase):
    """The beginning of a file: so many bytes of it at the most, after it is decompressed."""

    def __init__(self, inner: IO[bytes], most: int, past: PastRows) -> None:
        """`past.cut` is set where the file goes on beyond the bound."""
        super().__init__()
        self._inner, self._left, self._past = inner, most, past

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes into the buffer; returns how many."""
        view = memoryview(buffer)
        data = self._inner.read(min(len(view), self._left))
        view[: len(data)] = data
        self._left -= len(data)
        if self._left == 0 and not data and self._inner.read(1):
            self._past.cut = True
        return len(data)

    def close(self) -> None:
        """Close the file, too."""
        if not self.closed:
            self._inner.close()
        super().close()


def open_bounded(path: Path, most: int, past: PastRows) -> IO[bytes]:
    """The first bytes of a file that may be compressed, as `BoundedFile` gives them."""
    return io.BufferedReader(BoundedFile(open_binary(path), most, past))


def has_name(column: str) -> bool:
    """Whether a config can name a column, or a dot path lead to it."""
    return bool(column) and not column.startswith(NO_PATH)


def take(past: PastRows, most_rows: int) -> tuple[dict[str, list[Any]], int]:
    """The first rows as columns of equal length, and how many rows these are. Raises SourceError."""
    columns: dict[str, list[Any]] = {}
    rows = 0
    for row in islice(past.rows, most_rows):
        for name in row:
            if name not in columns:
                columns[name] = [ABSENT] * rows
        for name, values in columns.items():
            values.append(row.get(name, ABSENT))
        rows += 1
        if rows * len(columns) >= _CELLS:
            break
    if past.unread > rows:
        raise SourceError(
            f"{past.source}: {past.unread:,} lines hold no JSON object ({past.why_unread}): write one event a line"
        )
    if past.too_long > rows / 2:
        raise SourceError(
            f"{past.source}: {past.too_long:,} of {rows:,} rows have more cells than the first line names columns: "
            "name all of them there, or say --no-header where it names none"
        )
    if not rows:
        raise SourceError(
            f"{past.source}: holds no event (a table has the names of its columns first, then a row an event)"
        )
    return columns, rows
