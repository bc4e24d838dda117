"""Copies of arrays on a device, which follow what is learnt by what has changed.

Whoever owns the arrays says after each change what they are now (`put`, `put_rows`). Nothing travels until `send`,
which carries all that differs in one copy of bytes, from pinned memory where the device is a CUDA one. A tensor keeps
its address as long as its array keeps its shape, so that captured graphs stay right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.place import Place

ALIGNMENT = 16
"""Bytes; every part of a transfer begins at a multiple of it."""


class Mirror:
    """Tensors by name, copies of arrays of plain dtypes (numbers and booleans).

    >>> from tocsin.kernels.device.place import place
    >>> mirror, counts = Mirror(place("torch-cpu")), np.zeros((3, 2))
    >>> mirror.put("counts", counts)
    >>> mirror.send()
    48
    >>> counts[1, 0] = 7.0
    >>> mirror.put("counts", counts)
    >>> mirror.send(), mirror["counts"][1, 0].item()  # one row of two numbers, and its place
    (24, 7.0)
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.generation = 0
        """It rises whenever a tensor is made anew. What was captured with the tensors of before is void then."""
        self.sent = 0
        """Bytes sent so far."""
        self._tensors: dict[str, Tensor] = {}
        self._known: dict[str, NDArray[Any]] = {}
        """What was sent last, of the arrays that `put` compares."""
        self._parts: list[_Part] = []

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of this name; before the first `send` after it was put, it holds nothing of use."""
        return self._tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    @property
    def held(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self._tensors.values())

    def put(self, name: str, array: NDArray[Any]) -> None:
        """The whole array as it is now. It is compared with what was sent last, and only rows that differ travel."""
        array = np.ascontiguousarray(array)
        known = self._known.get(name)
        if known is None or known.shape != array.shape or known.dtype != array.dtype:
            self._known[name] = array.copy()
            self._whole(name, self._known[name])
            return
        if array.ndim == 0 or array.size == 0:
            if array.tobytes() != known.tobytes():
                known[...] = array
                self._part(name, None, known)
            return
        rows = np.flatnonzero((_bytes(array) != _bytes(known)).any(axis=1))
        if len(rows):
            known[rows] = array[rows]
            self._part(name, None if 2 * len(rows) > len(array) else rows, known)

    def put_rows(self, name: str, array: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """An array of which these rows may have changed: they travel without a comparison.

        All of it travels where there is no tensor of its shape yet.
        """
        known = self._tensors.get(name)
        if known is None or tuple(known.shape) != array.shape:
            self._whole(name, np.array(array))
        elif len(rows):
            self._part(name, rows, array)

    def write_rows(self, name: str, values: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """New values [n, ...] of these rows [n] of a tensor that was put by `put_rows`, for whoever has no more of it.

        Raises KeyError where there is no tensor of this name.
        """
        if name not in self._tensors:
            raise KeyError(name)
        if len(rows):
            self._parts.append(_Part(name, rows, np.array(values)))

    def forget(self, prefix: str) -> None:
        """Drop all tensors whose names begin so, and what was to be sent of them."""
        self._parts = [part for part in self._parts if not part.name.startswith(prefix)]
        for name in [name for name in self._tensors if name.startswith(prefix)]:
            del self._tensors[name]
            self._known.pop(name, None)
            self.generation += 1

    def send(self) -> int:
        """Carry over what has changed; returns how many bytes that took."""
        parts, self._parts = self._parts, []
        total = sum(part.size for part in parts)
        if not total:
            return 0
        cuda = self.place.is_cuda
        room = sum(_aligned(piece.nbytes) for part in parts for piece in part.pieces)
        staging = torch.empty(room, dtype=torch.uint8, pin_memory=cuda)
        host, start = staging.numpy(), 0
        for part in parts:
            for data in part.pieces:
                host[start : start + data.nbytes] = data.reshape(-1).view(np.uint8)
                start += _aligned(data.nbytes)
        there = staging.to(self.place.device, non_blocking=True) if cuda else staging
        start = 0
        for part in parts:
            start = _apply(self._tensors[part.name], part, there, start)
        self.sent += total
        return total

    def _whole(self, name: str, array: NDArray[Any]) -> None:
        """A tensor made anew, and all of its array."""
        dtype = torch.from_numpy(np.zeros(0, array.dtype)).dtype
        self._parts = [part for part in self._parts if part.name != name]
        self._tensors[name] = torch.empty(array.shape, dtype=dtype, device=self.place.device)
        self.generation += 1
        self._part(name, None, array)

    def _part(self, name: str, rows: NDArray[np.int64] | None, array: NDArray[Any]) -> None:
        """What is to be sent of an array, as it is now."""
        self._parts.append(_Part(name, rows, array[rows] if rows is not None else array.copy()))


class _Part(NamedTuple):
    """Rows of an array, or all of it."""

    name: str
    rows: NDArray[np.int64] | None
    data: NDArray[Any]

    @property
    def pieces(self) -> list[NDArray[Any]]:
        return [self.data] if self.rows is None else [self.data, np.ascontiguousarray(self.rows, np.int64)]

    @property
    def size(self) -> int:
        return sum(piece.nbytes for piece in self.pieces)


def _apply(target: Tensor, part: _Part, there: Tensor, start: int) -> int:
    """Write a part to its tensor from the bytes that came; returns where the next part begins."""
    views = []
    for piece in part.pieces:
        dtype = torch.from_numpy(np.zeros(0, piece.dtype)).dtype
        views.append(there[start : start + piece.nbytes].view(dtype).view(piece.shape))
        start += _aligned(piece.nbytes)
    if part.rows is None:
        target.copy_(views[0])
    else:
        target.index_copy_(0, views[1], views[0])
    return start


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of an array, a row for each of its own: equal where all bits are, also those of NaN."""
    return array.reshape(len(array), -1).view(np.uint8)
