"""The tables that SS3 counts in: made, grown, and written to a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import text as kernel
from tocsin.kernels.text import Once, Table
from tocsin.models.experts.base import Arrays

Floats = NDArray[np.float64]


def _power(at_least: int) -> int:
    return 1 << max(0, (at_least - 1).bit_length())


def empty_table(room: int, classes: int) -> Table:
    """An empty table with room for so many n-grams."""
    return Table(
        np.full(_power(2 * room), -1, np.int32),
        np.zeros(room, np.uint64),
        np.zeros(room, np.uint8),
        np.zeros((room, classes)),
    )


def grown(table: Table, size: int, room: int) -> Table:
    """The same n-grams in a table with more room."""
    bigger = empty_table(room, table.counts.shape[1])
    bigger.keys[:size], bigger.lengths[:size] = table.keys[:size], table.lengths[:size]
    bigger.counts[:size] = table.counts[:size]
    kernel.place_all(bigger.slots, bigger.keys, size)
    return bigger


def nothing_once(room: int) -> Once:
    """Nothing seen once yet, with at least so many slots."""
    room = _power(room)
    return Once(np.zeros(room, np.uint64), np.full(room, kernel.EMPTY, np.int32), np.zeros(room))


def largest_counts(table: Table, size: int, ngrams: int) -> Floats:
    """The largest count by length and class [ngrams, C], at least 1."""
    top = np.ones((ngrams, table.counts.shape[1]))
    np.maximum.at(top, table.lengths[:size].astype(np.int64) - 1, table.counts[:size])
    return top


def written(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts as UTF-8 bytes, and where each ends."""
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([len(part) for part in parts], dtype=np.int64)


def read(letters: NDArray[Any], ends: NDArray[Any]) -> list[str]:
    """What `written` wrote."""
    whole = np.asarray(letters, np.uint8).tobytes()
    bounds = [0, *np.asarray(ends).tolist()]
    return [whole[lo:hi].decode("utf-8", "surrogatepass") for lo, hi in pairwise(bounds)]


def waiting(name: str, once: Once) -> dict[str, NDArray[Any]]:
    """The n-grams that were seen once, as arrays of a snapshot."""
    taken = once.classes >= 0
    return {
        f"{name}_keys": once.keys[taken],
        f"{name}_classes": once.classes[taken],
        f"{name}_weights": once.weights[taken],
    }


def waited(name: str, arrays: Arrays, classes: int) -> Once:
    """What `waiting` wrote. Raises ValueError where it does not fit."""
    keys = np.asarray(arrays[f"{name}_keys"], np.uint64)
    owner = np.asarray(arrays[f"{name}_classes"], np.int32)
    if len(owner) and not (owner.min() >= 0 and owner.max() < classes):
        raise ValueError("an n-gram was seen in a class that is not there")
    packed = Once(keys, owner, np.asarray(arrays[f"{name}_weights"], np.float64))
    if not len(packed.keys) == len(packed.classes) == len(packed.weights):
        raise ValueError(f"{name} has columns of different lengths")
    once = nothing_once(2 * len(keys) + 1)
    kernel.refill(packed, once)
    return once
