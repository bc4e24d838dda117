"""What n-grams are worth, kept until something is learnt: their confidence values as they were last read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.values import (
    BONUS,
    GUARD,
    Rule,
    global_values,
)

Floats = NDArray[np.float64]


@kernel
def confidence_value(
    counts: Floats,
    top: Floats,
    best: Floats,
    parts: Floats,
    length: int,
    r: Rule,
    scratch: Floats,
    out: Floats,
) -> None:
    """The confidence value (cv) of one n-gram for every class, into `out` [C].

    `top` and `best` [C] are for its length, `parts` [length, C] the global values of its words.
    """
    global_values(counts, top, r, scratch, out)
    if not r.xai:
        return
    C = len(counts)
    guard = 0.0
    if length > 1:
        for w in range(length):
            for c in range(C):
                guard += parts[w, c]
    for c in range(C):
        if counts[c] <= 0.0 or best[c] <= 0.0 or (length > 1 and guard < GUARD):
            out[c] = 0.0
            continue
        out[c] /= best[c]
        if length > 1:
            strong = True
            for w in range(length):
                strong = strong and parts[w, c] >= BONUS
            if strong:
                out[c] += guard


class Memo(NamedTuple):
    """The values of n-grams as they were last read; a moment is a state of the counts, from 1."""

    read: NDArray[np.int64]
    """The moment at which an n-gram was last valued, int64 [room]."""
    words: Floats
    """Its global values [room, C], where it is a single word."""
    values: Floats
    """Its confidence values [room, C]."""


def memo(room: int, classes: int) -> Memo:
    """Nothing was read yet."""
    return Memo(np.zeros(room, np.int64), np.empty((room, classes)), np.empty((room, classes)))
