"""JSON from columns: the numbers and strings of a whole batch are written at once, and texts are joined from them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from tocsin.kernels.text.fragments import NOTHING, Bytes, Ints, fill_string_ends, joined

_COMMA = 44
_string_array = msgspec.json.Encoder().encode


class JsonTexts:
    """Collects fragments of JSON, gives each a number, and joins texts from them.

    >>> texts = JsonTexts()
    >>> columns = [texts.fragment(b'{"x":'), texts.numbers(np.array([0.5, np.inf])), texts.fragment(b"}")]
    >>> texts.join(columns, rows=2)
    [b'{"x":0.5}', b'{"x":null}']
    """

    def __init__(self) -> None:
        self._blobs: list[bytes] = []
        self._bounds: list[Ints] = [np.empty((0, 2), np.int64)]
        self._size = self._count = 0
        self._known: dict[bytes, int] = {}

    def fragment(self, text: bytes) -> int:
        """The number of one fragment; the same text has the same number."""
        number = self._known.get(text)
        if number is None:
            number = self._known[text] = int(self._add(text, np.array([[0, len(text)]]))[0])
        return number

    def fragments(self, texts: Sequence[bytes]) -> Ints:
        """The numbers of many fragments, int64 [len(texts)]."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        ends = np.cumsum(lengths)
        return self._add(b"".join(texts), np.stack([ends - lengths, ends], axis=1))

    def numbers(self, values: NDArray[np.float64] | NDArray[np.int64]) -> Ints:
        """The numbers of the fragments that write these values, of the shape of `values`.

        A value that is not finite is written as null. The text of a float is the shortest that reads back the same.
        """
        if not values.size:
            return np.empty(values.shape, np.int64)
        text = orjson.dumps(np.ascontiguousarray(values).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
        commas = np.flatnonzero(np.frombuffer(text, np.uint8) == _COMMA)
        starts, ends = np.concatenate([[1], commas + 1]), np.concatenate([commas, [len(text) - 1]])
        return self._add(text, np.stack([starts, ends], axis=1)).reshape(values.shape)

    def strings(self, values: Sequence[str]) -> Ints:
        """The numbers of the fragments that write these strings, with their quotation marks, int64 [len(values)]."""
        text = _string_array(values)
        ends = np.empty(len(values), np.int64)
        fill_string_ends(np.frombuffer(text, np.uint8), ends)
        if not values:
            return ends
        starts = np.concatenate([[1], ends[:-1] + 1])
        return self._add(text, np.stack([starts, ends], axis=1))

    def join(self, columns: Sequence[int | Ints], rows: int) -> list[bytes]:
        """Texts of these columns, one after the other. A column is one fragment for all rows, or int64 [rows] or
        [rows, P], with `NOTHING` for no fragment."""
        return joined(stacked(columns, rows), np.concatenate(self._bounds), self._blob())

    def _blob(self) -> Bytes:
        return np.frombuffer(b"".join(self._blobs), np.uint8)

    def _add(self, blob: bytes, bounds: Ints) -> Ints:
        self._blobs.append(blob)
        self._bounds.append(bounds + self._size)
        self._size += len(blob)
        first, self._count = self._count, self._count + len(bounds)
        return np.arange(first, self._count)


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
