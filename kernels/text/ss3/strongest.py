"""The n-grams that moved texts most, for many texts in one call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ss3.reading_state import ReadingState
from tocsin.kernels.text.ss3.recognise import new_found, new_room, recognise_into

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]
Flags = NDArray[np.uint8]


@kernel
def least_of(peaks: Floats, most: int) -> float:
    """The value that the `most` largest of `peaks` [m] reach; 0 where there are no more than so many."""
    return np.sort(peaks)[len(peaks) - most] if len(peaks) > most else 0.0


@kernel
def strongest_ngrams(
    keys: Keys, before: Flags, bounds: Ints, stop: int, state: ReadingState, scale: Floats, most: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Of each of B texts the `most` n-grams of largest value, in order, and those worth as much as the last of them.

    Values are multiplied by `scale` [C]. Text b has the words bounds[b] to bounds[b + 1]; the mark before the first
    word of a text ends n-grams, so all are read as one. Returns where each text's n-grams end [B], and of each n-gram
    the first word, the length [n] and the values [n, C].
    """
    order, C = state.top.shape
    found = new_found(len(keys), C)
    m = recognise_into(keys, before, stop, state, new_room(len(keys), order, C), len(keys), found)
    firsts, lengths, values = found
    peaks = np.zeros(m)
    for i in range(m):
        for c in range(C):
            values[i, c] *= scale[c]
            peaks[i] = max(peaks[i], values[i, c])
    ends = np.zeros(len(bounds) - 1, np.int64)
    used = lo = 0
    for b in range(len(bounds) - 1):
        hi = lo
        while hi < m and firsts[hi] < bounds[b + 1]:
            hi += 1
        least = least_of(peaks[lo:hi], most)
        for i in range(lo, hi):
            if peaks[i] > 0.0 and peaks[i] >= least:
                firsts[used], lengths[used] = firsts[i], lengths[i]
                for c in range(C):
                    values[used, c] = values[i, c]
                used += 1
        ends[b] = used
        lo = hi
    return ends, firsts[:used], lengths[:used], values[:used]
