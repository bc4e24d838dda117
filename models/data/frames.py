"""Pandas' frames as columns, and answers as frames, without importing pandas for those who have none.

Whoever holds a frame has imported pandas, so a check of `sys.modules` suffices to tell.
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
    """Whether a value is None, NaN or pandas' own mark of a missing value."""
    pandas = _pandas()
    return value is None or (pandas is not None and value is pandas.NA) or bool(value != value)


@dataclass(frozen=True, slots=True)
class Table:
    """B events as named columns, read from a DataFrame."""

    names: Sequence[Hashable]
    columns: Sequence[NDArray[Any]]
    """Each [B]: numbers or booleans, NaN for a value that is missing; or objects, None for one that is missing."""
    rows: int

    def __len__(self) -> int:
        return self.rows

    @classmethod
    def of(cls, frame: Any) -> Table:
        """The columns of a DataFrame. Raises ValueError where two columns have one name."""
        if not frame.columns.is_unique:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise ValueError(f"X: two columns are named {twice!r}")
        columns = [_values(frame.iloc[:, i]) for i in range(frame.shape[1])]
        return cls(frame.columns.tolist(), columns, frame.shape[0])

    def known(self, column: int) -> Bools:
        """Where the values of a column are not missing, bool [B]."""
        return known(self.columns[column])

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


def known(values: NDArray[Any]) -> Bools:
    """Where values [B] of a `Table` are not missing."""
    if values.dtype.kind == "O":
        return np.fromiter((value is not None for value in values), np.bool_, len(values))
    return np.asarray(values == values, np.bool_)


def _values(series: Any) -> NDArray[Any]:
    missing = series.isna().to_numpy()
    if series.dtype.kind in "biuf":  # pandas' own nullable types have numpy's kinds, too
        if missing.any():
            result: NDArray[Any] = series.to_numpy(np.float64, na_value=np.nan)
            return result
        return np.asarray(series.to_numpy(getattr(series.dtype, "numpy_dtype", None)))
    values = np.array(series.astype(object).to_numpy(), object)
    values[missing] = None
    return values


def as_frame(p: Floats, like: Any, labels: Sequence[Hashable]) -> Any:
    """Probabilities [B, K] as a DataFrame with the index of `like` and the labels as columns."""
    return _pandas().DataFrame(p, index=like.index, columns=_pandas().Index(labels, tupleize_cols=False))


def as_series(values: NDArray[Any], like: Any, name: Hashable) -> Any:
    """Answers [B] as a Series with the index of `like`."""
    return _pandas().Series(values, index=like.index, name=name)
