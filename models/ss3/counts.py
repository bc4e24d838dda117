"""The tables that SS3 counts in: made, enlarged, and written to a snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels import text as kernel
from tocsin.kernels.text import NgramTable, SeenOnce
from tocsin.models.data.snapshot import Arrays

Floats = NDArray[np.float64]


def _power_of_two(at_least: int) -> int:
    return 1 << max(0, (at_least - 1).bit_length())


def empty_table(room: int, classes: int) -> NgramTable:
    """An empty table with room for so many n-grams."""
    return NgramTable(
        np.full(_power_of_two(2 * room), -1, np.int32),
        np.zeros(room, np.uint64),
        np.zeros(room, np.uint8),
        np.zeros((room, classes)),
    )


def enlarged(table: NgramTable, size: int, room: int) -> NgramTable:
    """The first `size` n-grams of a table in one with more room."""
    larger = empty_table(room, table.counts.shape[1])
    larger.keys[:size], larger.lengths[:size] = table.keys[:size], table.lengths[:size]
    larger.counts[:size] = table.counts[:size]
    kernel.insert_all(larger.slots, larger.keys, size)
    return larger


def empty_once(room: int) -> SeenOnce:
    """A table of n-grams seen once that holds none, with at least so many slots."""
    room = _power_of_two(room)
    return SeenOnce(np.zeros(room, np.uint64), np.full(room, kernel.EMPTY, np.int32), np.zeros(room))


def largest_counts(table: NgramTable, size: int, ngrams: int) -> Floats:
    """The largest count by length and class [ngrams, C], at least 1."""
    top = np.ones((ngrams, table.counts.shape[1]))
    np.maximum.at(top, table.lengths[:size].astype(np.int64) - 1, table.counts[:size])
    return top


def texts_to_arrays(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts as UTF-8 bytes, and where each ends."""
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    return np.frombuffer(b"".join(parts), np.uint8), np.cumsum([len(part) for part in parts], dtype=np.int64)


def texts_from_arrays(letters: NDArray[Any], ends: NDArray[Any]) -> list[str]:
    """The texts that `texts_to_arrays` was given."""
    whole = np.asarray(letters, np.uint8).tobytes()
    bounds = [0, *np.asarray(ends).tolist()]
    return [whole[lo:hi].decode("utf-8", "surrogatepass") for lo, hi in pairwise(bounds)]


def once_to_arrays(name: str, once: SeenOnce) -> dict[str, NDArray[Any]]:
    """The n-grams that were seen once, as arrays of a snapshot."""
    taken = once.classes >= 0
    return {
        f"{name}_keys": once.keys[taken],
        f"{name}_classes": once.classes[taken],
        f"{name}_weights": once.weights[taken],
    }


def once_from_arrays(name: str, arrays: Arrays, classes: int) -> SeenOnce:
    """The table that `once_to_arrays` was given. Raises KeyError or ValueError where the arrays do not fit."""
    keys = np.asarray(arrays[f"{name}_keys"], np.uint64)
    owner = np.asarray(arrays[f"{name}_classes"], np.int32)
    if len(owner) and not (owner.min() >= 0 and owner.max() < classes):
        raise ValueError("an n-gram was seen in a class that is not there")
    packed = SeenOnce(keys, owner, np.asarray(arrays[f"{name}_weights"], np.float64))
    if not len(packed.keys) == len(packed.classes) == len(packed.weights):
        raise ValueError(f"the arrays of {name} are of different lengths")
    once = empty_once(2 * len(keys) + 1)
    kernel.copy_waiting(packed, once)
    return once
