"""What `tocsin.kernels.inputs.imputation` keeps, and room for what it guesses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ENOUGH = 20
"""From so many rows on, what is not known is guessed."""
EVERY = 50
"""Rows between two inverses of the covariance."""
RIDGE = 0.01
"""What is added to the correlation of a column with itself."""
FADE = 0.99
"""How much of what a hidden number told is kept at the next one of its column."""
LIMIT = 5.0
"""The most standard deviations by which two numbers differ."""
UNKNOWN = 1.0
"""What a number that a remembered row lacks adds to the squared distance."""
SCALE_MEMORY = 10_000.0
"""Rows over which a column's standard deviation is taken."""
ROWS, BEGUN, TURN, LEARNT, DUE = 0, 1, 2, 3, 4
"""The places in `Imputer.counters`: rows that are remembered, whether there has been a gap, whose turn it is to be
hidden, rows that the covariance has learnt, and whether the row before had a gap."""


class Imputer(NamedTuple):
    """The state for F columns, changed in place; D of them are in the Gaussian."""

    values: Floats
    """[F, C], the latest rows in a ring, with guesses in their gaps."""
    known: Bools
    """[F, C], which of these were known."""
    rows: Floats
    """[F], [F], [F]: see `tocsin.kernels.common.moments`."""
    mean: Floats
    square: Floats
    places: Ints
    """[D], the columns in the Gaussian."""
    centre: Floats
    """[2 D]: column d of the row in 2 d, of the row before it in 2 d + 1."""
    spread: Floats
    """[2 D, 2 D], the covariance."""
    precision: Floats
    """[2 D, 2 D], the inverse of the correlations."""
    mix: Floats
    """[F, 2]: a is the first number over the second."""
    counters: Ints
    """[5]"""


class Rules(NamedTuple):
    """How numbers are guessed."""

    k: int
    """Neighbours."""
    memory: float
    """Rows after which the covariance fades."""


class Guesses(NamedTuple):
    """Room for the guesses of one row."""

    near: Floats
    """[F]; NaN where there is none."""
    given: Floats
    """[F]; NaN where there is none."""
    variance: Floats
    """[F], of `given`."""


def new(columns: int, rows: int, places: Ints) -> Imputer:
    """No row has come yet; so many are remembered."""
    F, D = columns, 2 * len(places)
    mix = np.zeros((F, 2))
    mix[:, 0], mix[:, 1] = 0.5, 1.0
    return Imputer(
        values=np.full((F, rows), np.nan),
        known=np.zeros((F, rows), np.bool_),
        rows=np.zeros(F),
        mean=np.zeros(F),
        square=np.zeros(F),
        places=places,
        centre=np.zeros(D),
        spread=np.zeros((D, D)),
        precision=np.eye(D),
        mix=mix,
        counters=np.zeros(5, np.int64),
    )


def widened(old: Imputer, columns: int, rows: int, places: Ints) -> Imputer:
    """The same with room for more columns, and perhaps for fewer rows: the latest stay."""
    made = new(columns, rows, places)
    F, C, D = len(old.rows), old.values.shape[1], len(old.centre)
    stored = int(old.counters[ROWS])
    kept = min(stored, C, rows)
    order = np.arange(stored - kept, stored) % C
    made.values[:F, :kept], made.known[:F, :kept] = old.values[:, order], old.known[:, order]
    for name in ("rows", "mean", "square", "mix"):
        getattr(made, name)[:F] = getattr(old, name)
    made.centre[:D], made.spread[:D, :D], made.precision[:D, :D] = old.centre, old.spread, old.precision
    made.counters[:] = old.counters
    made.counters[ROWS] = kept
    return made
