"""How far events lie from those that are remembered, and remembering them, one event after the other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import Moments, learn_row
from tocsin.kernels.common.window import factors
from tocsin.kernels.experts.neighbours import UNKNOWN, Query, Remembered, none_found, search

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@kernel
def gaps(x: Floats, factor: Floats) -> int:
    """How many values of an event x [F] are not known, among columns with a factor."""
    count = 0
    for f in range(len(x)):
        if factor[f] != 0.0 and math.isnan(x[f]):
            count += 1
    return count


@kernel
def distances(values: Floats, held: int, X: Floats, nominal: Bools, moments: Moments, out: Floats) -> None:
    """Fill `out` [B] with the squared distance of each of X [B, F] to the nearest of the first `held` columns of
    values [F, C], in standard deviations (see `tocsin.kernels.experts.neighbours`); 0 while nothing is held."""
    for i in range(len(X)):
        out[i] = 0.0
    if held == 0:
        return
    factor, horizons = factors(nominal, moments.rows, moments.square), np.empty(1, np.int64)
    horizons[0] = held
    found = none_found(len(X), 1)
    search(Remembered(values, 0, held), Query(X, factor, nominal, horizons, 1), found)
    for i in range(len(X)):
        # The search leaves the event's own gaps out, and an event of which little is known is not usual for that.
        out[i] = found.distance[i, 0, 0] + UNKNOWN * gaps(X[i], factor)


@kernel
def learn(values: Floats, taken: int, X: Floats, nominal: Bools, moments: Moments, out: Floats) -> int:
    """Remember X [B, F] in the ring values [F, C], after `taken` events before; returns how many that makes.

    `out` [B] is filled with what `distances` gives for each event just before it is remembered; [0] where nobody asks.
    The ring and the moments change in place.
    """
    for i in range(len(X)):
        if len(out) > 0:
            held = min(taken, values.shape[1])
            distances(values, held, X[i : i + 1], nominal, moments, out[i : i + 1])
        learn_row(moments.rows, moments.mean, moments.square, moments.memory, X[i])
        for f in range(len(values)):
            values[f, taken % values.shape[1]] = X[i, f]
        taken += 1
    return taken
