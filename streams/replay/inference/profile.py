"""The profile of one column: what its values are, in a sample of past rows."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from tocsin.models.data.times.reading import epoch_milliseconds
from tocsin.models.data.values import number_in
from tocsin.streams.replay.inference.reading.past_rows import ABSENT, Shape
from tocsin.streams.replay.tables import MISSING

_SCALARS = (str, bool, int, float, Decimal, datetime, date)
_HUGE = 2**53
"""From here on whole numbers are not told apart as floats."""
_EARLIEST, _LATEST = 631_152_000_000, 4_102_444_800_000
"""The years 1990 and 2100, epoch milliseconds: no other instant is taken for that of an event."""
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese letters."""
_CODE = re.compile(r"\s*[+-]?0[0-9]")
"""How a text begins that looks like a number and is a code."""
_DATE = re.compile(
    r"\s*(?:[0-9]{4}([./-])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([./-])[0-9]{1,2}\2(?:[0-9]{4}|[0-9]{2}))(?![0-9./-])"
)
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9.]*,[0-9]+\s*")


@dataclass(frozen=True)
class Profile:
    """What one column holds."""

    name: str
    shape: Shape
    rows: int
    absent: int
    """Rows that lack its key."""
    counts: Counter[tuple[type, Hashable]]
    """How often each value stands there that is neither missing nor nested, with its type: 1 and true are different."""
    nested: int
    """Rows that hold a list, an object or bytes there."""

    @classmethod
    def of(cls, name: str, shape: Shape, values: Sequence[Any]) -> Profile:
        """The profile of a column that has these values."""
        scalars = [value for value in values if isinstance(value, _SCALARS)]
        counts: Counter[tuple[type, Hashable]] = Counter(zip(map(type, scalars), scalars, strict=True))
        for kind, value in [key for key in counts if key == (str, "") or key[1] != key[1]]:
            del counts[kind, value]
        absent = sum(value is ABSENT for value in values)
        empty = sum(value is None for value in values)
        return cls(name, shape, len(values), absent, counts, len(values) - len(scalars) - absent - empty)

    @cached_property
    def present(self) -> int:
        """Rows with a value, nested ones apart."""
        return self.counts.total()

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return self.rows - self.present - self.nested

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return len(self.counts)

    @property
    def is_complete(self) -> bool:
        """Whether every row has a value."""
        return self.present == self.rows

    @cached_property
    def types(self) -> frozenset[type]:
        """Those of its values."""
        return frozenset(kind for kind, _ in self.counts)

    @cached_property
    def numbers(self) -> dict[tuple[type, Hashable], float]:
        """Its values that a feature of kind `number` takes, as floats; those that only say "missing" left out."""
        return {key: number for key in self.counts if (number := _number(*key)) is not None}

    @cached_property
    def said_missing(self) -> int:
        """Rows whose text says that there is no number: `NA` and the like in a table, `nan` anywhere."""
        return sum(times for key, times in self.counts.items() if self._says_missing(*key))

    def _says_missing(self, kind: type, value: Any) -> bool:
        if kind is not str:
            return False
        return (self.shape == "table" and value.strip() in MISSING) or math.isnan(number_in(value) or 0.0)

    @cached_property
    def number_share(self) -> float:
        """The share of its values that are numbers, among those that do not say that there is none."""
        found = sum(self.counts[key] for key in self.numbers)
        asked = self.present - self.said_missing
        return found / asked if asked else 0.0

    @property
    def is_whole(self) -> bool:
        """Whether all its numbers are whole."""
        return bool(self.numbers) and all(number.is_integer() for number in self.numbers.values())

    @cached_property
    def is_code(self) -> bool:
        """Whether its numbers are codes: with zeros before them, or so large that a float would not tell them apart."""
        if any(kind is str and _CODE.match(str(value)) and not _has_point(str(value)) for kind, value in self.counts):
            return True
        return self.is_whole and any(abs(number) >= _HUGE for number in self.numbers.values())

    @property
    def is_boolean(self) -> bool:
        """Whether its values are true and false."""
        if self.types == {bool}:
            return True
        plain = {str(value).lower() for key in self.counts if not self._says_missing(*key) for value in key[1:]}
        return self.shape == "table" and self.types == {str} and plain <= {"true", "false"} and bool(plain)

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return self.types == {str}

    @cached_property
    def length(self) -> float:
        """Characters of its values on average."""
        return self._mean([len(str(value)) for _, value in self.counts])

    @cached_property
    def longest(self) -> int:
        """Characters of the longest value."""
        return max((len(str(value)) for _, value in self.counts), default=0)

    @cached_property
    def words(self) -> float:
        """Words of its values on average; in writing without spaces two characters are taken for one."""
        return self._mean([_words(str(value)) for _, value in self.counts])

    def _mean(self, sizes: Sequence[int]) -> float:
        total = sum(size * times for size, times in zip(sizes, self.counts.values(), strict=True))
        return total / self.present if self.present else 0.0

    @cached_property
    def times(self) -> list[int] | None:
        """The instants that its values are, in epoch milliseconds; None where not all are plausible ones of events."""
        return None if not self.counts else _times(value for _, value in self.counts)

    @property
    def looks_like_dates(self) -> bool:
        """Whether its values are dates or times, in whatever form."""
        if self.types and self.types <= {date, datetime}:
            return True
        texts = [str(value) for kind, value in self.counts if kind is str]
        return len(texts) == self.distinct > 0 and all(_DATE.match(text) for text in texts)

    @property
    def has_decimal_commas(self) -> bool:
        """Whether its values are numbers with a comma before their fraction."""
        values = [str(value) for kind, value in self.counts if kind is str]
        commas = sum(bool(_DECIMAL_COMMA.fullmatch(value)) for value in values)
        return commas > 0 and all(_DECIMAL_COMMA.fullmatch(v) or number_in(v) is not None for v in values)


def _words(text: str) -> int:
    unspaced = sum(len(stretch) for stretch in _UNSPACED.findall(text))
    return len(_UNSPACED.sub(" ", text).split()) + (unspaced + 1) // 2


def is_event_time(value: Any) -> bool:
    """Whether a value is a plausible instant of an event, as replay reads it."""
    try:
        moment = epoch_milliseconds(value.isoformat() if isinstance(value, date) else value)
    except ValueError:
        return False
    return _EARLIEST <= moment < _LATEST


def _times(values: Any) -> list[int] | None:
    found = []
    for value in values:
        if isinstance(value, bool) or not is_event_time(value):
            return None
        found.append(epoch_milliseconds(value.isoformat() if isinstance(value, date) else value))
    return found


def _number(kind: type, value: Any) -> float | None:
    if kind is bool:
        return None
    try:
        number = number_in(value) if kind is str else float(value) if kind in (int, float, Decimal) else None
    except (OverflowError, ValueError):
        return None
    return number if number is not None and math.isfinite(number) else None


def _has_point(text: str) -> bool:
    return "." in text or "e" in text.lower()
