"""Events as columns, from pandas' frames, records and arrays, and answers as frames.

Pandas is not imported for those who have no frames: whoever holds a frame has imported it, so a check of `sys.modules`
suffices to tell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Bools, Floats


def _pandas() -> Any:
    return sys.modules.get("pandas")


def is_frame(X: object) -> bool:
    """Whether X is a pandas DataFrame."""
    pandas = _pandas()
    return pandas is not None and isinstance(X, pandas.DataFrame)


def is_series(y: object) -> bool:
    """Whether y is a pandas Series."""
    pandas = _pandas()
    return pandas is not None and isinstance(y, pandas.Series)


def is_missing(value: Any) -> bool:
    """Whether a value is missing: None, NaN of any type, NaT, pandas' NA or a masked element of numpy.

    Every model asks this, of features as of labels, whether they come in dictionaries, frames or arrays.
    """
    if value is None or value is np.ma.masked:
        return True
    if isinstance(value, str | int):
        return False
    pandas = _pandas()
    if pandas is not None and value is pandas.NA:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError, ArithmeticError):  # such as an array, of which no one value is asked
        return False


def missing(values: NDArray[Any]) -> Bools:
    """Which values of an array [B] are missing, see `is_missing`."""
    if values.dtype.kind == "O":
        return np.fromiter(map(is_missing, values.flat), np.bool_, values.size)
    return np.asarray(values != values, np.bool_).reshape(-1)


@dataclass(frozen=True, slots=True)
class Table:
    """B events as named columns."""

    names: Sequence[Hashable]
    columns: Sequence[NDArray[Any]]
    """Each [B]: numbers or booleans, NaN for a value that is missing; or objects, None for one that is missing."""
    rows: int

    def __len__(self) -> int:
        return self.rows

    @classmethod
    def of(cls, frame: Any) -> Table:
        """The columns of a DataFrame. Raises ValueError where two columns have one name."""
        columns = [_values(frame.iloc[:, i]) for i in range(frame.shape[1])]
        return cls(_distinct(frame.columns.tolist()), columns, frame.shape[0])

    @classmethod
    def of_records(cls, records: Sequence[Mapping[Hashable, Any]]) -> Table:
        """Events that come as dictionaries. A feature that an event lacks is missing."""
        names = list(dict.fromkeys(name for record in records for name in record))
        columns = [np.fromiter((record.get(name) for record in records), object, len(records)) for name in names]
        return cls(_distinct(names), [_known_only(column) for column in columns], len(records))

    @classmethod
    def of_fields(cls, array: NDArray[Any]) -> Table:
        """The events [B] of a numpy array with named fields."""
        names = list(array.dtype.names or ())
        columns = [array[name] for name in names]
        return cls(names, [c if c.dtype.kind in "biuf" else _known_only(c.astype(object)) for c in columns], len(array))

    def known(self, column: int) -> Bools:
        """Where the values of a column are not missing, bool [B]."""
        return ~missing(self.columns[column])

    def row(self, i: int) -> dict[Hashable, Any]:
        """One event as a dictionary of Python's own types, without what is missing."""
        values = (column[i : i + 1].tolist()[0] for column in self.columns)
        return {n: v for n, v in zip(self.names, values, strict=True) if v is not None and v == v}

    def between(self, start: int, stop: int) -> Table:
        """The events from start up to stop."""
        return Table(self.names, [column[start:stop] for column in self.columns], max(0, stop - start))

    def pieces(self, starts: set[int], discover: Callable[[Mapping[Hashable, Any]], None]) -> Iterator[PieceOf]:
        """The events cut before each row of `starts`, which `discover` is shown before its piece is given out.

        A model makes room for a column when the first event comes that has a value in it. So what it learns does not
        depend on how events were cut into frames.
        """
        for start, stop in pairwise(sorted({0, *starts, self.rows})):
            discover(self.row(start))
            yield slice(start, stop), self.between(start, stop)


PieceOf = tuple[slice, Table]


def _distinct(names: list[Hashable]) -> list[Hashable]:
    """The names of columns. Raises ValueError where two are one: models know features by the text of their names."""
    seen: dict[str, Hashable] = {}
    for name in names:
        if str(name) in seen:
            raise ValueError(f"X: two columns are named {str(name)!r}")
        seen[str(name)] = name
    return names


def _known_only(values: NDArray[Any]) -> NDArray[Any]:
    """Values of any type [B], with None for each that is missing."""
    values[missing(values)] = None
    return values


def _values(series: Any) -> NDArray[Any]:
    absent = series.isna().to_numpy()
    if series.dtype.kind in "biuf":  # pandas' own nullable types have numpy's kinds, too
        if absent.any():
            result: NDArray[Any] = series.to_numpy(np.float64, na_value=np.nan)
            return result
        return np.asarray(series.to_numpy(getattr(series.dtype, "numpy_dtype", None)))
    values = np.array(series.astype(object).to_numpy(), object)
    values[absent] = None
    return _known_only(values)


def as_frame(p: Floats, like: Any, labels: Sequence[Hashable]) -> Any:
    """Probabilities [B, K] as a DataFrame with the index of `like` and the labels as columns."""
    return _pandas().DataFrame(p, index=like.index, columns=_pandas().Index(labels, tupleize_cols=False))


def as_series(values: NDArray[Any], like: Any, name: Hashable) -> Any:
    """Answers [B] as a Series with the index of `like`."""
    return _pandas().Series(values, index=like.index, name=name)
