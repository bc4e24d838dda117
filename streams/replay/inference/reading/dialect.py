"""The dialect of a CSV: what stands between its cells, and whether its first line names the columns."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal, NamedTuple

from tocsin.models.data.values import number_in
from tocsin.streams.replay.files import READ_ERRORS
from tocsin.streams.replay.past_event import SourceError

_BYTES = 262_144
"""How much of a file is looked at."""
_LINES = 200
_DELIMITERS = (",", ";", "\t", "|")
"""In this order where several fit equally well."""
_AGREE = 0.9
"""The share of lines with as many cells as the first one, from which on a delimiter fits."""
_LONGEST_NAME = 100
"""Characters; what is longer is no name of a column."""


class Dialect(NamedTuple):
    """How a CSV is to be read."""

    delimiter: str
    header: tuple[str, ...]
    """Names for the columns where the file gives none; else empty."""


def dialect_of(path: Path, file: IO[bytes], names_first: bool | None) -> Dialect:
    """The dialect of a file, from its beginning; `names_first` says whether it begins with names, None to find out.

    Raises SourceError where it is no text in UTF-8, or is damaged.
    """
    text, whole = _beginning(path, file)
    if not text.strip():
        raise SourceError(f"{path}: holds no event (a table has the names of its columns first, then a row an event)")
    tabs = ".tsv" in path.suffixes
    tried = {delimiter: _lines(text, delimiter, whole) for delimiter in (("\t",) if tabs else _DELIMITERS)}
    delimiter = max(tried, key=lambda one: _fit(tried[one]))
    lines = [line for line in tried[delimiter] if line]
    width = max(map(len, lines), default=0)
    if names_first is None:
        names_first = _begins_with_names(lines)
    return Dialect(delimiter, () if names_first else tuple(f"column-{number}" for number in range(1, width + 1)))


def _beginning(path: Path, file: IO[bytes]) -> tuple[str, bool]:
    """The first characters of a file, and whether that is all of it."""
    try:
        data = file.read(_BYTES)
        whole = not file.read(1)
        return codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=whole), whole
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path}: is not UTF-8 text (byte {error.start}): convert it, with `iconv -f LATIN1 -t UTF-8` for instance"
        ) from error
    except READ_ERRORS as error:
        raise SourceError(f"{path}: {error}") from error


def _lines(text: str, delimiter: str, whole: bool) -> list[list[str]]:
    """The first lines as cells. Empty where they cannot be read with this delimiter."""
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    lines: list[list[str]] = []
    try:
        for cells in reader:
            lines.append(cells)
            if len(lines) > _LINES:
                return lines[:-1]
    except csv.Error:
        return lines
    return lines if whole or len(lines) < 2 else lines[:-1]  # the last one may be cut


def _fit(lines: Sequence[Sequence[str]]) -> tuple[bool, int]:
    """How well a delimiter fits: whether most lines have as many cells as the first, and how many these are."""
    full = [len(line) for line in lines if line]
    if not full or full[0] < 2:
        return False, 0
    return Counter(full)[full[0]] >= _AGREE * len(full), full[0]


def _begins_with_names(lines: Sequence[Sequence[str]]) -> bool:
    """Whether the first line names the columns: its cells differ from one another, and from what stands below them."""
    if len(lines) < 2:
        return True
    first, rest = lines[0], lines[1:]
    if any(len(cell) > _LONGEST_NAME for cell in first):
        return False
    for_names = against = 0
    for place, cell in enumerate(first):
        below = [line[place] for line in rest if len(line) > place and line[place].strip()]
        if not below:
            continue
        if all(_is_number(value) for value in below):
            for_names, against = for_names + (not _is_number(cell)), against + _is_number(cell)
        elif cell in below:
            against += 1
        elif len(set(below)) < len(below):
            for_names += 1
    return for_names >= against


def _is_number(cell: str) -> bool:
    number = number_in(cell)
    return number is not None and number == number
