"""The n-grams whose global value may be the largest of its length and class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Candidates(NamedTuple):
    """Where the largest global values are found, kept up to date between two searches for them."""

    floor: Floats
    """By length and class [L, C]: every n-gram that is counted above this for its class is a candidate."""
    leaders: Ints
    """The n-gram whose value was the largest, int64 [L, C]; -1 for none."""
    flags: NDArray[np.uint8]
    """Whether an n-gram is a candidate, uint8 [room]."""
    ids: NDArray[np.int32]
    """The candidates, int32 [room]."""
    used: Ints
    """How many candidates there are, and how many there were when they were last chosen: int64 [2]."""


def no_candidates(order: int, classes: int, room: int) -> Candidates:
    """Nothing is known yet, so that the next search looks at every n-gram of up to `order` words."""
    return Candidates(
        np.full((order, classes), np.inf),
        np.full((order, classes), -1, np.int64),
        np.zeros(room, np.uint8),
        np.zeros(room, np.int32),
        np.zeros(2, np.int64),
    )
