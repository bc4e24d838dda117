"""The values that a feature may have, in whatever form events come: one rule for dictionaries, frames and arrays.

A number may be an `int`, a `float`, a boolean (1 or 0), a `Decimal`, a `Fraction` or a number of numpy's. A text is a
category, but in a column that holds numbers it is read as a number. In a column of categories, a number or a boolean
is the category that its text names. Anything else, and a number that no float holds, is refused by the feature's name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.frames import Table, is_missing
from tocsin.models.data.labels import class_name

IsCategory = Callable[[Hashable], bool | None]
"""Whether the column of a feature holds categories; None where the model has no column for it."""
_SHOWN = 40
"""Characters of a text that an error shows."""


def as_number(name: Hashable, value: Any) -> float:
    """A feature's value, which is not missing, as a number; NaN for a text without a letter.

    Raises ValueError, which names the feature, where it is no number or an infinite one.

    >>> as_number("amount", " 12.5 "), as_number("amount", True)
    (12.5, 1.0)
    """
    result = _read(name, value) if isinstance(value, str) else _float(_checked(name, value))
    if math.isinf(result):
        raise ValueError(f"feature {name!r} is infinite or too large for a float: give None where it is not known")
    return result


def number_in(text: str) -> float | None:
    """The number that a text names, which may be infinite; NaN for an empty text and for `nan`, None for another text.

    >>> number_in(" 12.5 "), number_in("-3e2"), number_in(""), number_in("1_000"), number_in("12,5")
    (12.5, -300.0, nan, None, None)
    """
    if not text.strip():
        return math.nan
    try:
        return None if "_" in text else float(text)  # Python's own source alone groups digits so
    except ValueError:
        return None


def found(value: Any) -> str:
    """The end of a message: what stood there, by its JSON type, the beginning of it where it is short enough to tell.

    >>> found("12.5"), found([1, 2]), found(None)
    ("found the string '12.5'", 'found an array of 2', 'found null')
    """
    match value:
        case None:
            return "found null"
        case bool():
            return f"found {class_name(value)}"
        case int() | float():
            return f"found the number {value!r:.40}"
        case str():
            return f"found the string {value[:40]!r}{'...' if len(value) > 40 else ''}"
        case list():
            return f"found an array of {len(value)}"
        case _:
            return "found an object"


def as_category(name: Hashable, value: Any) -> str:
    """A feature's value, which is not missing, as a category. Raises ValueError, which names the feature.

    >>> as_category("code", "red"), as_category("code", 5.0), as_category("code", True)
    ('red', '5', 'true')
    """
    return str(value) if isinstance(value, str) else class_name(_checked(name, value))


def as_text(value: Any) -> str | None:
    """The text of an event, None where it is missing. Raises ValueError for anything else."""
    if isinstance(value, str):
        return str(value)
    if is_missing(value):
        return None
    raise ValueError(f"a text is a str, not {type(value).__name__}")


def check_event(x: Any) -> None:
    """Raises ValueError where x is not one event: features by name, of which no two share one."""
    if not isinstance(x, Mapping) and not hasattr(x, "items"):
        raise ValueError(f"x: is a {type(x).__name__}, not a dictionary of features by name")
    names = {str(name) for name in x.keys()}  # noqa: SIM118 - a row of a frame iterates over its values
    if len(names) < len(x):
        twice = next(n for n in names if sum(str(name) == n for name in x.keys()) > 1)  # noqa: SIM118
        raise ValueError(f"x: two features are named {twice!r}")


def read_table(table: Table, is_category: IsCategory, learning: bool) -> Table:
    """The columns of a table as numbers, or as categories with None for what is missing.

    A column that the model does not have yet is left out, unless it is `learning`: then its first value that is not
    missing tells what it holds. Raises ValueError, which names feature and row, for a value that does not fit.
    """
    names: list[Hashable] = []
    columns: list[NDArray[Any]] = []
    for name, values in zip(table.names, table.columns, strict=True):
        category = is_category(name)
        if category is None and not learning:
            continue
        if category is None:
            category = isinstance(next((v for v in values.tolist() if not is_missing(v)), None), str)
        names.append(name)
        columns.append(_categories(name, values) if category else _numbers(name, values))
    return Table(names, columns, table.rows)


def _categories(name: Hashable, values: NDArray[Any]) -> NDArray[Any]:
    return _each(name, values, as_category, None, np.dtype(object))


def _numbers(name: Hashable, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "O":
        return _each(name, values, as_number, math.nan, np.dtype(np.float64))
    numbers = values.astype(np.float64)
    if np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise ValueError(f"X: feature {name!r} is infinite, in row {row}: give NaN where it is not known")
    return numbers


def _each(
    name: Hashable, values: NDArray[Any], read: Callable[[Hashable, Any], Any], absent: Any, kind: np.dtype[Any]
) -> NDArray[Any]:
    out = np.full(len(values), absent, kind)
    for row, value in enumerate(values.tolist()):
        if not is_missing(value):
            try:
                out[row] = read(name, value)
            except ValueError as error:
                raise ValueError(f"X: {error}, in row {row}") from None
    return out


def _read(name: Hashable, text: str) -> float:
    number = number_in(text)
    if number is None:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise ValueError(f"feature {name!r} holds numbers, and {shown!r} is none")
    return number


def _checked(name: Hashable, value: Any) -> Real | Decimal:
    """A value that is a number or a boolean. Raises ValueError for anything else."""
    plain = isinstance(value, Real | Decimal | np.bool_) and not isinstance(value, np.timedelta64)
    if not plain:
        kind = type(value).__name__
        raise ValueError(f"feature {name!r} is a {kind}: give a number, a boolean or a text, None where it is missing")
    number: Real | Decimal = value
    return number


def _float(value: Real | Decimal) -> float:
    try:
        return float(value)
    except (OverflowError, ValueError):  # an int of many digits, or a Decimal that signals
        return math.inf
