"""Sorting inside kernels. numba compiles numpy's sorts for seconds, and this one in a fraction of one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel


@kernel
def stable_order(keys: NDArray[np.float64]) -> NDArray[np.int64]:
    """The indices that sort `keys` [n], as `np.argsort(keys, kind="stable")`: equals keep their order, NaN is last.

    A merge sort from the bottom up: runs of 1, 2, 4, ... are merged.
    """
    n = keys.size
    order, merged = np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        order[i] = i
    run = 1
    while run < n:
        for start in range(0, n, 2 * run):
            left, middle, stop = start, min(start + run, n), min(start + 2 * run, n)
            right = middle
            for i in range(start, stop):
                if left < middle and (right == stop or not is_before(keys[order[right]], keys[order[left]])):
                    merged[i] = order[left]
                    left += 1
                else:
                    merged[i] = order[right]
                    right += 1
        order, merged = merged, order
        run *= 2
    return order


@kernel
def is_before(a: float, b: float) -> bool:
    """Whether a stands before b in ascending order, where NaN is greater than all numbers."""
    return a < b or (math.isnan(b) and not math.isnan(a))
