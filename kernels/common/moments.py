"""Running mean and variance of columns, many rows at once: Welford's update with fading, one row at a time."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]

LARGEST = 1e150
"""Learnt values are clipped here, where their squares are still finite: a variance that is infinite stays so."""


class Moments(NamedTuple):
    """Running moments of F columns, changed in place."""

    rows: Floats
    """[F], rows learnt, up to `memory`."""
    mean: Floats
    """[F]"""
    square: Floats
    """[F], mean squared deviations."""
    memory: float
    """Rows after which older ones fade."""


@kernel
def learn_row(count: Floats, mean: Floats, square: Floats, memory: float, x: Floats) -> None:
    """Take in one row x [F]; count, mean and square (mean squared deviation), float64 [F], change in place.

    What is not finite is left out. The operations are those of `Standardiser.learn`, in its order: the same bits.
    """
    for f in range(len(x)):
        if math.isfinite(x[f]):
            value = min(max(x[f], -LARGEST), LARGEST)
            count[f] = min(count[f] + 1.0, memory)
            share = 1.0 / max(count[f], 1.0)
            delta = value - mean[f]
            mean[f] = mean[f] + share * delta
            square[f] = square[f] + share * (delta * (value - mean[f]) - square[f])


@kernel
def inverse_scale(count: Floats, square: Floats, f: int) -> float:
    """One over the standard deviation of column f; 0 where it never varied."""
    scale = math.sqrt(square[f])
    if scale <= 1e-12 or count[f] <= 1:
        return 0.0
    return 1.0 / scale
