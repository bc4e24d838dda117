"""Labelled events, as the kernels of the experts learn them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Labelled(NamedTuple):
    """B labelled events, in the order in which they are learnt."""

    X: NDArray[np.float64]
    """[B, F]"""
    y: NDArray[np.int64]
    """[B], classes."""
    weight: NDArray[np.float64]
    """[B]"""


def labelled(X: ArrayLike, y: ArrayLike, weight: ArrayLike) -> Labelled:
    """The events as contiguous arrays of these types, so that a kernel is compiled for one layout alone."""
    return Labelled(
        np.ascontiguousarray(X, np.float64), np.ascontiguousarray(y, np.int64), np.ascontiguousarray(weight, np.float64)
    )
