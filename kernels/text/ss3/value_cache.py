"""The values of n-grams, kept until something is learnt: global values of words, and confidence values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.ss3.global_values import Rule, global_values

Floats = NDArray[np.float64]

GUARD, BONUS = 0.05, 0.01
"""pyss3 gives an n-gram no value where the global values of its words sum up to less than GUARD, and adds that sum
where each of them has at least BONUS."""


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
    """Write the confidence value (cv) of one n-gram for every class to `out` [C].

    `counts` [C] are its counts, `top` and `best` [C] the largest count and global value of its length, and `parts`
    [length, C] the global values of its words; `scratch` is [3, C].
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


class ValueCache(NamedTuple):
    """The values of n-grams as they were last computed. Every change of the counts has a version, from 1 on."""

    versions: NDArray[np.int64]
    """The version of the counts for which an n-gram was valued, int64 [room]; 0 for never."""
    word_values: Floats
    """Its global values [room, C], where it is a single word."""
    values: Floats
    """Its confidence values [room, C]."""


def empty_cache(room: int, classes: int) -> ValueCache:
    """A cache in which no n-gram has been valued."""
    return ValueCache(np.zeros(room, np.int64), np.empty((room, classes)), np.empty((room, classes)))
