"""JSON from columns: the numbers and strings of a whole batch are written at once, and texts are joined from them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from tocsin.kernels.text.fragments import NOTHING, Ints, fill_string_ends, joined

_COMMA = 44
_string_array = msgspec.json.Encoder().encode
_MOST_CONSTANTS = 100_000
"""Beyond so many, constants are remembered no more."""
_OWN = 1 << 40
"""From here on are the numbers of the fragments that belong to one batch alone."""


class _Constants:
    """Fragments that every batch uses, written once: keys, names of experts and classes, brackets."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self._texts: list[bytes] = []
        self._blob, self._bounds = b"", np.empty((0, 2), np.int64)

    def number(self, text: bytes) -> int:
        """The number of a constant that is new."""
        number = self.numbers[text] = len(self._texts)
        self._texts.append(text)
        return number

    def table(self) -> tuple[bytes, Ints]:
        """All constants, one after the other, and where each begins and ends, int64 [M, 2]."""
        if len(self._bounds) != len(self._texts):
            self._blob, self._bounds = b"".join(self._texts), _bounds_of(self._texts)
        return self._blob, self._bounds


class JsonTexts:
    """Collects fragments of JSON, gives each a number, and joins texts from them.

    >>> texts = JsonTexts()
    >>> columns = [texts.fragment(b'{"x":'), texts.numbers(np.array([0.5, np.inf])), texts.fragment(b"}")]
    >>> texts.join(columns, rows=2)
    [b'{"x":0.5}', b'{"x":null}']
    """

    _constants = _Constants()

    def __init__(self) -> None:
        self._blobs: list[bytes] = []
        self._bounds: list[Ints] = []
        self._size, self._count = 0, 0

    def fragment(self, text: bytes) -> int:
        """The number of one fragment that many batches use; the same text has the same number."""
        number = self._constants.numbers.get(text)
        if number is None:
            if len(self._constants.numbers) >= _MOST_CONSTANTS:
                return int(self.fragments([text])[0])
            number = self._constants.number(text)
        return number

    def fragments(self, texts: Sequence[bytes]) -> Ints:
        """The numbers of many fragments of this batch, int64 [len(texts)]."""
        return self._add(b"".join(texts), _bounds_of(texts))

    def numbers(self, values: NDArray[np.float64] | NDArray[np.int64]) -> Ints:
        """The numbers of the fragments that write these values, of the shape of `values`.

        A value that is not finite is written as null. The text of a float is the shortest that reads back the same.
        """
        if not values.size:
            return np.empty(values.shape, np.int64)
        text = orjson.dumps(np.ascontiguousarray(values).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
        bounds = np.empty((values.size, 2), np.int64)
        commas = (np.frombuffer(text, np.uint8) == _COMMA).nonzero()[0]
        bounds[0, 0], bounds[-1, 1] = 1, len(text) - 1
        bounds[1:, 0], bounds[:-1, 1] = commas + 1, commas
        return self._add(text, bounds).reshape(values.shape)

    def strings(self, values: Sequence[str]) -> Ints:
        """The numbers of the fragments that write these strings, with their quotation marks, int64 [len(values)]."""
        text, bounds = _string_array(values), np.empty((len(values), 2), np.int64)
        if len(values):
            ends = np.empty(len(values), np.int64)
            fill_string_ends(np.frombuffer(text, np.uint8), ends)
            bounds[0, 0], bounds[1:, 0], bounds[:, 1] = 1, ends[:-1] + 1, ends
        return self._add(text, bounds)

    def join(self, columns: Sequence[int | Ints], rows: int) -> list[bytes]:
        """Texts of these columns, one after the other. A column is one fragment for all rows, or int64 [rows] or
        [rows, P], with `NOTHING` for no fragment."""
        blob, bounds = self._constants.table()
        parts = stacked(columns, rows)
        np.subtract(parts, _OWN - len(bounds), out=parts, where=parts >= _OWN)
        every = np.concatenate([bounds, *(own + len(blob) for own in self._bounds)])
        return joined(parts, every, np.frombuffer(b"".join([blob, *self._blobs]), np.uint8))

    def _add(self, blob: bytes, bounds: Ints) -> Ints:
        self._blobs.append(blob)
        bounds += self._size
        self._bounds.append(bounds)
        self._size += len(blob)
        first, self._count = self._count, self._count + len(bounds)
        return np.arange(_OWN + first, _OWN + self._count)


def _bounds_of(texts: Sequence[bytes]) -> Ints:
    """Where each of these texts begins and ends when they stand one after the other, int64 [len(texts), 2]."""
    bounds, at = [], 0
    for text in texts:
        bounds.append((at, at + len(text)))
        at += len(text)
    return np.array(bounds, np.int64).reshape(len(texts), 2)


def stacked(columns: Sequence[int | Ints], rows: int) -> Ints:
    """Columns of fragments side by side, int64 [rows, P]."""
    width = sum(1 if isinstance(column, int) or column.ndim == 1 else column.shape[1] for column in columns)
    out, at = np.empty((rows, width), np.int64), 0
    for column in columns:
        if isinstance(column, int) or column.ndim == 1:
            out[:, at] = column
            at += 1
        else:
            out[:, at : at + column.shape[1]] = column
            at += column.shape[1]
    return out


def where(present: NDArray[np.bool_], column: int | Ints) -> Ints:
    """A column [B] or [B, P] for the rows where `present` [B] is true, `NOTHING` for the others."""
    if isinstance(column, int) or column.ndim == 1:
        return np.where(present, column, NOTHING)
    return np.where(present[:, None], column, NOTHING)
