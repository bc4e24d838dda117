"""The values that may stand in a record from outside, and what each is turned into.

Each function takes one JSON value and returns it in its canonical form: a time as epoch milliseconds, a name as a
string, a number as a float. It raises ValueError, whose text completes the sentence "FIELD: ...", for anything else.
`Kind` puts such a function beside the msgspec type by which a compiled decoder recognises the usual forms.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import NoneType
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Meta

from tocsin.config.schema import FeatureSettings, TimeUnit
from tocsin.models.data.labels import class_name
from tocsin.models.data.times.reading import (
    EARLIEST,
    FIRST_MICROSECONDS,
    FIRST_MILLISECONDS,
    LATEST,
    epoch_milliseconds,
    feature_milliseconds,
)
from tocsin.models.data.values import found, number_in

MOST_WEIGHT = 1e6
_HALVES = re.compile("[\ud800-\udfff]")
"""Half a character: a surrogate without its other half."""
NO_MAP: Mapping[str, str] = {}


def text(value: Any, longest: int | None = None) -> str:
    """A string of at most `longest` characters; it may be empty. Half a character becomes U+FFFD.

    >>> text("half \\ud800") == "half \\ufffd"
    True
    """
    if not isinstance(value, str):
        raise ValueError(f"must be a string, {found(value)}")
    if longest is not None and len(value) > longest:
        raise ValueError(f"must have at most {longest} characters, found {len(value)}")
    return _HALVES.sub("\ufffd", value)


def name(value: Any, longest: int | None = None) -> str:
    """An id, a subject or a source: a string that is not empty, or an integer, which becomes its digits.

    One with half a character is refused: repaired, it would be the same as another one.
    """
    if type(value) is int and _fits_json(value):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"must be a string or an integer, {found(value)}")
    if not value:
        raise ValueError("must not be empty")
    if half := _HALVES.search(value):
        where = f"\\u{ord(half[0]):x}, at {half.start()}"
        raise ValueError(f"holds half a character ({where}): send both halves, or the character in UTF-8")
    return text(value, longest)


def class_label(value: Any, longest: int | None = None, spellings: Spellings | None = None) -> str:
    """A class: as `name`, a boolean, or a whole number of any spelling; it is the class that `spellings` takes it for.

    >>> class_label(1.0), class_label(True), class_label("1.0", spellings=Spellings(["0", "1"]))
    ('1', 'true', '1')
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    label = name(class_name(value) if isinstance(value, bool) else value, longest)
    return label if spellings is None else spellings.class_of(label)


class Spellings:
    """What producers call a class, and its one name.

    `1`, `1.0` and `true` are one label to Python, and a table with an empty cell has `1.0` where it had `1`. So a label
    that is no name of the config as it stands is taken for the one that means the same, if only one does.

    Where the config does not name the classes, a label of which it names no other spelling goes by its digits: `1`,
    `1.0` and `true` are the class `1`. That depends on the label alone, so that all workers agree, in whatever order
    they read labels. A number with a zero before it is a code, and stays as it is.
    """

    def __init__(
        self, classes: Iterable[str] = (), class_map: Mapping[str, str] = NO_MAP, named: Iterable[str] = ()
    ) -> None:
        """`named`: what the config calls classes elsewhere than in `classes`; it counts where these name none."""
        self._classes = frozenset(classes)
        self._names = {name: name for name in (*(self._classes or named), *class_map.values())} | dict(class_map)
        self._by_meaning: dict[str, str | None] = {}
        for spelling, today in self._names.items():
            meaning = _meaning(spelling)
            self._by_meaning[meaning] = today if self._by_meaning.get(meaning, today) == today else None

    def class_of(self, label: str) -> str:
        """The class that a label names. Raises ValueError where the config names the classes, and it is none."""
        if (today := self._names.get(label)) is not None:
            return today
        if (same := self._by_meaning.get(_meaning(label))) is not None:
            return same
        if self._classes:
            raise ValueError(f"{label[:40]!r} is not one of the classes {', '.join(sorted(self._classes)[:20])}")
        return label if _CODE.match(label) else _meaning(label)


_CODE = re.compile(r"\s*[+-]?0[0-9]|\s*\+")
"""How a label begins that looks like a number and may be more: a code with zeros before it, a number with its sign."""


def _meaning(label: str) -> str:
    """One spelling for all labels that mean the same: whole numbers by their digits, and true and false as 1 and 0."""
    plain = label.strip().lower()
    if plain in ("true", "false"):
        return "1" if plain == "true" else "0"
    if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.0*)?", plain):
        return label
    return str(int(plain.partition(".")[0]))


def category(value: Any, longest: int | None = None) -> str:
    """A category: a string (it may be empty), an integer or a boolean."""
    if isinstance(value, str):
        return text(value, longest)
    return class_label(value, longest)


def number(value: Any) -> float:
    """A finite number; booleans are not numbers."""
    if type(value) not in (int, float):
        raise ValueError(f"must be a number, {found(value)}")
    try:
        result = float(value)
    except OverflowError:
        raise ValueError("must be a finite number") from None
    if not math.isfinite(result):
        raise ValueError("must be a finite number")
    return result


def feature_number(value: Any) -> float | None:
    """A feature's number, or a text that names one, as the models read it; None for a text that says it is missing.

    >>> feature_number("12.5"), feature_number(3), feature_number(""), feature_number("nan")
    (12.5, 3.0, None, None)
    """
    if isinstance(value, str):
        named = number_in(value)
        if named is not None:
            return None if math.isnan(named) else number(named)
    return number(value)


def weight(value: Any) -> float:
    """How much a label counts: a number above 0, at most a million."""
    result = number(value)
    if result <= 0:
        raise ValueError(f"must be greater than 0, {found(value)}")
    if result > MOST_WEIGHT:
        raise ValueError(f"must be at most {MOST_WEIGHT:.0f}, {found(value)}")
    return result


def boolean(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, {found(value)}")
    return value


def _fits_json(value: int) -> bool:
    """Whether the JSON parser gives such an integer; it reads greater ones as floats, which are no names."""
    return -(2**63) <= value < 2**64


class Kind(NamedTuple):
    """What may stand in one field of a record from outside."""

    read: Callable[[Any], Any]
    """From a JSON value that is not null to its canonical form, None for a value that is missing. Raises
    ValueError for one that is refused."""
    wire_type: Any
    """A msgspec type of the usual JSON values."""
    canonical: type
    """The type of the canonical form. A value of `wire_type` that has this type is in its canonical form already."""


def name_kind(longest: int) -> Kind:
    """See `name`."""
    return Kind(partial(name, longest=longest), Annotated[str, Meta(min_length=1, max_length=longest)] | int, str)


def time_kind(unit: TimeUnit) -> Kind:
    """See `epoch_milliseconds`."""

    def read(value: Any) -> int:
        return epoch_milliseconds(value, unit)

    if unit == "auto":  # whatever is milliseconds beyond doubt is in its canonical form already
        return Kind(read, Annotated[int, Meta(ge=FIRST_MILLISECONDS, lt=FIRST_MICROSECONDS)] | str, int)
    if unit == "milliseconds":
        return Kind(read, Annotated[int, Meta(ge=0, le=LATEST)] | str, int)
    return Kind(read, int | float | str, NoneType)


def time_feature_kind(feature: FeatureSettings) -> Kind:
    """See `feature_milliseconds`. The canonical form is an int, so that it is not taken for a number as it was sent."""
    read = partial(feature_milliseconds, unit=feature.unit, zone=ZoneInfo(feature.zone))
    if feature.unit == "auto":  # whatever is milliseconds beyond doubt is in its canonical form already
        return Kind(read, Annotated[int, Meta(ge=FIRST_MILLISECONDS, lt=FIRST_MICROSECONDS)] | str, int)
    if feature.unit == "milliseconds":
        return Kind(read, Annotated[int, Meta(ge=EARLIEST, le=LATEST)] | str, int)
    return Kind(read, int | float | str, NoneType)


def text_kind(longest: int) -> Kind:
    """See `text`."""
    return Kind(partial(text, longest=longest), Annotated[str, Meta(max_length=longest)], str)


def category_kind(longest: int) -> Kind:
    """See `category`."""
    return Kind(partial(category, longest=longest), Annotated[str, Meta(max_length=longest)] | int | bool, str)


def class_kind(longest: int, spellings: Spellings) -> Kind:
    """See `class_label`."""
    return Kind(partial(class_label, longest=longest, spellings=spellings), str | int | float | bool, NoneType)


def weight_kind() -> Kind:
    """See `weight`."""
    return Kind(weight, Annotated[float, Meta(gt=0, le=MOST_WEIGHT)], float)


NUMBER = Kind(feature_number, float, float)
BOOLEAN = Kind(boolean, bool, bool)
