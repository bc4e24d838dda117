"""Past rows: a source as flat rows, one after the other, within bounds, and what was noticed while they were read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Any, Literal

from tocsin.streams.replay.files import open_binary

Shape = Literal["table", "json"]
Row = Mapping[str, Any]
"""One past event: its values by column, or by dot path where it is JSON."""


class Absence(Enum):
    """What stands for a key that a row does not have, as null stands for a value that is not known."""

    ABSENT = "absent"


ABSENT = Absence.ABSENT
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
