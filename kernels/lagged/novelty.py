"""A lagged pass of the distances to the nearest of the latest labelled events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import Moments
from tocsin.kernels.decision.novelty import distances, learn
from tocsin.kernels.lagged.turns import Asked, Floats, due

Bools = NDArray[np.bool_]


@kernel
def ask_and_learn(
    values: Floats, taken: int, X: Floats, nominal: Bools, moments: Moments, asked: Asked, out: Floats
) -> int:
    """The distance of each event asked about into `out` [n], and remember X [m, F]; returns how many were taken."""
    nobody = np.empty(0)
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(X))
        if stop > done:
            taken = learn(values, taken, X[done:stop], nominal, moments, nobody)
            done = stop
        if i < len(asked.ahead):
            held = min(taken, values.shape[1])
            distances(values, held, asked.X[i : i + 1], nominal, moments, out[i : i + 1])
    return taken
