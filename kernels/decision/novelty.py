"""How far events lie from those remembered, and the remembering: one event after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import learn_row
from tocsin.kernels.common.window import factors
from tocsin.kernels.experts.neighbours import search

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@kernel
def distances(
    values: Floats, held: int, X: Floats, nominal: Bools, count: Floats, square: Floats, said: Floats
) -> None:
    """Fill `said` [B] with the squared distance of each of X [B, F] to the nearest of the first `held` columns of
    values [F, C], in standard deviations (see `tocsin.kernels.experts.neighbours`); 0 while nothing is held."""
    said[:] = 0.0
    if held == 0:
        return
    factor, horizon = factors(nominal, count, square), np.full(1, held)
    age, distance = np.full((len(X), 1, 1), -1), np.full((len(X), 1, 1), np.inf)
    search(values, 0, held, X, factor, nominal, horizon, age, distance)
    said[:] = distance[:, 0, 0]


@kernel
def learn(
    values: Floats,
    taken: int,
    X: Floats,
    nominal: Bools,
    count: Floats,
    mean: Floats,
    square: Floats,
    memory: float,
    said: Floats,
) -> int:
    """Remember X [B, F] in the ring values [F, C], after `taken` events before; returns how many that makes.

    `said` [B] is filled with what `distances` gives for each event just before it is taken in; [0] where nobody asks.
    The ring and the moments [F] change in place.
    """
    for i in range(len(X)):
        if len(said) > 0:
            held = min(taken, values.shape[1])
            distances(values, held, X[i : i + 1], nominal, count, square, said[i : i + 1])
        learn_row(count, mean, square, memory, X[i])
        values[:, taken % values.shape[1]] = X[i]
        taken += 1
    return taken
