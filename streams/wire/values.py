"""The values that may stand in a record from outside, and what each is turned into.

Each function takes one JSON value and returns it in its canonical form: a time as epoch milliseconds, a name as a
string, a number as a float. It raises ValueError, whose text completes the sentence "FIELD: ...", for anything else.
`Kind` puts such a function beside the msgspec type by which a compiled decoder recognises the usual forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from types import NoneType
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from tocsin.models.data.labels import class_name

LATEST = 253_402_300_799_999
"""31 December 9999, the last instant that ISO 8601 writes with a year of four digits; epoch milliseconds."""
MOST_WEIGHT = 1e6


def epoch_milliseconds(value: Any) -> int:
    """A time as epoch milliseconds, from an integer or from ISO 8601 (UTC where no offset is given).

    Raises ValueError for anything else, and for an instant before 1970 or after the year 9999.

    >>> epoch_milliseconds("2026-11-24T18:00:00Z")
    1795543200000
    """
    if type(value) is int:
        milliseconds = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no time: give epoch milliseconds or ISO 8601") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        milliseconds = round(moment.timestamp() * 1000)
    else:
        raise ValueError("is no time: give epoch milliseconds (an integer) or ISO 8601 (a string)")
    if not 0 <= milliseconds <= LATEST:
        raise ValueError("a time must lie between the years 1970 and 9999; is it in milliseconds?")
    return milliseconds


def text(value: Any, longest: int | None = None) -> str:
    """A string of at most `longest` characters; it may be empty."""
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")
    if longest is not None and len(value) > longest:
        raise ValueError(f"String should have at most {longest} character{'s' * (longest != 1)}")
    return value


def name(value: Any, longest: int | None = None) -> str:
    """An id, a subject or a source: a string that is not empty, or an integer, which becomes its digits."""
    if type(value) is int and _fits_json(value):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("must be a string or an integer")
    if not value:
        raise ValueError("must not be empty")
    return text(value, longest)


def class_label(value: Any, longest: int | None = None, classes: frozenset[str] = frozenset()) -> str:
    """A class: as `name`, or a boolean. It must be one of `classes` where any are given."""
    label = name(class_name(value) if isinstance(value, bool) else value, longest)
    if classes and label not in classes:
        raise ValueError(f"{label!r} is not one of the classes {', '.join(sorted(classes))}")
    return label


def category(value: Any, longest: int | None = None) -> str:
    """A category: a string (it may be empty), an integer or a boolean."""
    if isinstance(value, str):
        return text(value, longest)
    return class_label(value, longest)


def number(value: Any) -> float:
    """A finite number; booleans are not numbers."""
    if type(value) not in (int, float):
        raise ValueError("must be a number")
    try:
        result = float(value)
    except OverflowError:
        raise ValueError("must be a finite number") from None
    if not math.isfinite(result):
        raise ValueError("must be a finite number")
    return result


def weight(value: Any) -> float:
    """How much a label counts: a number above 0, at most a million."""
    result = number(value)
    if result <= 0:
        raise ValueError("Input should be greater than 0")
    if result > MOST_WEIGHT:
        raise ValueError(f"Input should be less than or equal to {MOST_WEIGHT:.0f}")
    return result


def boolean(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("Input should be a valid boolean")
    return value


def _fits_json(value: int) -> bool:
    """Whether the JSON parser gives such an integer; it reads greater ones as floats, which are no names."""
    return -(2**63) <= value < 2**64


class Kind(NamedTuple):
    """What may stand in one field of a record from outside."""

    read: Callable[[Any], Any]
    """From a JSON value that is not null to its canonical form. Raises ValueError for a value that is refused."""
    wire_type: Any
    """A msgspec type of the usual JSON values."""
    canonical: type
    """The type of the canonical form. A value of `wire_type` that has this type is in its canonical form already."""


def name_kind(longest: int) -> Kind:
    """See `name`."""
    return Kind(partial(name, longest=longest), Annotated[str, Meta(min_length=1, max_length=longest)] | int, str)


def text_kind(longest: int) -> Kind:
    """See `text`."""
    return Kind(partial(text, longest=longest), Annotated[str, Meta(max_length=longest)], str)


def category_kind(longest: int) -> Kind:
    """See `category`."""
    return Kind(partial(category, longest=longest), Annotated[str, Meta(max_length=longest)] | int | bool, str)


def class_kind(longest: int, classes: frozenset[str]) -> Kind:
    """See `class_label`."""
    return Kind(partial(class_label, longest=longest, classes=classes), str | int | bool, NoneType)


def weight_kind() -> Kind:
    """See `weight`."""
    return Kind(weight, Annotated[float, Meta(gt=0, le=MOST_WEIGHT)], float)


TIME = Kind(epoch_milliseconds, Annotated[int, Meta(ge=0, le=LATEST)] | str, int)
NUMBER = Kind(number, float, float)
BOOLEAN = Kind(boolean, bool, bool)
