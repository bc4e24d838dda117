"""What is done to a stream so that its inputs are odd: redundant columns, outliers, gaps, noise, heavy tails.

Every change is of the whole stream, drawn from the seed by a generator of its own. Categories are left alone, but for
what adds columns, and for the rows that name them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from parts.generators import STREAMS, Floats, Ints, Rng, rng

LAGS = (1, 2, 3, 48, 96, 336)
OUTLIER_AT = 0.25
"""Where in the stream a single outlier stands."""
MERCHANTS, COUNTRIES, CHANNELS = 40, 12, 4
MANY_MERCHANTS = 10_000


class Inputs(NamedTuple):
    """A stream whose columns may be categories."""

    X: Floats
    """[B, F]"""
    nominal: NDArray[np.bool_]
    """[F], which columns hold category codes."""
    y: Ints
    """[B]"""
    classes: int


def payments(events: int, seed: int, merchants: int = MERCHANTS) -> Inputs:
    """Made-up payments: amount, hour and age of the account as numbers; merchant, country and channel as categories.

    The log odds of the class are a sum of what numbers and categories add; those of the merchants change half-way.
    """
    world, draw = rng(seed, 20), rng(seed, 21)
    sizes = merchants, COUNTRIES, CHANNELS
    effects = [world.normal(0.0, spread, size) for size, spread in zip(sizes, (1.2, 0.8, 0.6), strict=True)]
    later = 0.7 * effects[0] + np.sqrt(1.0 - 0.7**2) * world.normal(0.0, 1.2, merchants)
    places = [draw.integers(0, size, events) for size in sizes]
    amount = draw.normal(3.0, 1.0, events) + 0.4 * effects[0][places[0]]
    hour, age = draw.uniform(0.0, 24.0, events), draw.exponential(2.0, events)
    odds = np.where(np.arange(events) < events // 2, effects[0][places[0]], later[places[0]])
    odds = odds + effects[1][places[1]] + effects[2][places[2]]
    odds += 0.7 * (amount - 3.0) + 0.8 * np.cos(hour * np.pi / 12.0) - 0.3 * (age - 2.0)
    y = (draw.random(events) < 1.0 / (1.0 + np.exp(-odds))).astype(np.int64)
    # Codes as those of names: large whole numbers in no order.
    codes = [world.choice(1 << 40, size, replace=False).astype(np.float64) for size in sizes]
    columns = [amount, hour, age, *(code[place] for code, place in zip(codes, places, strict=True))]
    return Inputs(np.column_stack(columns), np.array([False] * 3 + [True] * 3), y, 2)


def _of(name: str) -> Callable[[int, int], Inputs]:
    def made(events: int, seed: int) -> Inputs:
        stream = STREAMS[name](events, seed)
        return Inputs(stream.X, np.zeros(stream.X.shape[1], np.bool_), stream.y, stream.classes)

    return made


SOURCES: dict[str, Callable[[int, int], Inputs]] = {
    "Electricity": _of("Electricity"),
    "SEA": _of("SEA_a"),
    "RBF": _of("RBF_m"),
    "payments": payments,
    "merchants": lambda events, seed: payments(events, seed, MANY_MERCHANTS),
}


# ------------------------------------------------------------ what is done to them

Change = Callable[[Inputs, Rng], Inputs]


def _with_columns(inputs: Inputs, *columns: Floats) -> Inputs:
    more = np.column_stack(columns)
    nominal = np.concatenate([inputs.nominal, np.zeros(more.shape[1], np.bool_)])
    return inputs._replace(X=np.column_stack([inputs.X, more]), nominal=nominal)


def label_back(y: Ints, lag: int) -> Floats:
    """The label so many events before each [B]; 0 where there was none."""
    return np.concatenate([np.zeros(lag), y.astype(np.float64)])[: len(y)]


def last_label(inputs: Inputs, draw: Rng) -> Inputs:
    """One column more: the label of the event before."""
    return _with_columns(inputs, label_back(inputs.y, 1))


def lags(inputs: Inputs, draw: Rng) -> Inputs:
    """Eight columns more: the labels 1, 2, 3, 48, 96 and 336 events before, and the differences of the first three."""
    back = [label_back(inputs.y, lag) for lag in LAGS]
    return _with_columns(inputs, *back, back[0] - back[1], back[1] - back[2])


def one_value(inputs: Inputs, draw: Rng) -> Inputs:
    """One value of one number is 1.7e308."""
    X = inputs.X.copy()
    X[int(OUTLIER_AT * len(X)), np.flatnonzero(~inputs.nominal)[0]] = 1.7e308
    return inputs._replace(X=X)


def one_event(inputs: Inputs, draw: Rng) -> Inputs:
    """One event has 1e12 in its first numbers, up to five."""
    X = inputs.X.copy()
    X[int(OUTLIER_AT * len(X)), np.flatnonzero(~inputs.nominal)[:5]] = 1e12
    return inputs._replace(X=X)


def dirt(inputs: Inputs, draw: Rng) -> Inputs:
    """One number in two hundred is multiplied by 1e2 to 1e6."""
    X = inputs.X.copy()
    dirty = (draw.random(X.shape) < 0.005) & ~inputs.nominal
    X[dirty] *= 10.0 ** draw.uniform(2.0, 6.0, int(dirty.sum()))
    return inputs._replace(X=X)


def missing(share: float) -> Change:
    """Numbers are not known, each by itself, with this share."""

    def change(inputs: Inputs, draw: Rng) -> Inputs:
        gone = (draw.random(inputs.X.shape) < share) & ~inputs.nominal
        return inputs._replace(X=np.where(gone, np.nan, inputs.X))

    return change


def missing_by_value(inputs: Inputs, draw: Rng) -> Inputs:
    """Numbers above their column's median are not known in 40 of 100 events, the others in 5."""
    share = np.where(np.median(inputs.X, axis=0) < inputs.X, 0.4, 0.05)
    gone = (draw.random(inputs.X.shape) < share) & ~inputs.nominal
    return inputs._replace(X=np.where(gone, np.nan, inputs.X))


def categories_missing(share: float) -> Change:
    """Categories are not known, each by itself, with this share."""

    def change(inputs: Inputs, draw: Rng) -> Inputs:
        gone = (draw.random(inputs.X.shape) < share) & inputs.nominal
        return inputs._replace(X=np.where(gone, np.nan, inputs.X))

    return change


def categories_missing_by_value(inputs: Inputs, draw: Rng) -> Inputs:
    """Half of each column's categories are not known in 40 of 100 events, the others in 5."""
    X = inputs.X.copy()
    for f in np.flatnonzero(inputs.nominal):
        names = np.unique(X[:, f])
        hidden = draw.choice(names, len(names) // 2, replace=False)
        gone = draw.random(len(X)) < np.where(np.isin(X[:, f], hidden), 0.4, 0.05)
        X[gone, f] = np.nan
    return inputs._replace(X=X)


def categories_missing_by_class(inputs: Inputs, draw: Rng) -> Inputs:
    """Categories are not known in 35 of 100 events of the class 1, and in 10 of 100 others, as a form is left empty."""
    gone = (draw.random(inputs.X.shape) < np.where(inputs.y == 1, 0.35, 0.1)[:, None]) & inputs.nominal
    return inputs._replace(X=np.where(gone, np.nan, inputs.X))


def missing_and_tails(inputs: Inputs, draw: Rng) -> Inputs:
    """Numbers of heavy tails, of which 20% are not known."""
    return missing(0.20)(heavy_tails(inputs, draw), draw)


def constant(inputs: Inputs, draw: Rng) -> Inputs:
    """Ten columns more that never vary."""
    return _with_columns(inputs, np.tile(np.arange(10.0), (len(inputs.y), 1)))


def noise(columns: int) -> Change:
    """So many columns more that say nothing."""
    return lambda inputs, draw: _with_columns(inputs, draw.standard_normal((len(inputs.y), columns)))


def heavy_tails(inputs: Inputs, draw: Rng) -> Inputs:
    """Every number x is exp(2 z), where z is x in the standard deviations of its column."""
    X = inputs.X
    spread = np.where(X.std(axis=0) > 0.0, X.std(axis=0), 1.0)
    z = np.where(inputs.nominal, 0.0, (X - X.mean(axis=0)) / spread)
    return inputs._replace(X=np.where(inputs.nominal, X, np.exp(2.0 * z)))


def clean(inputs: Inputs, draw: Rng) -> Inputs:
    """Nothing is done."""
    return inputs


ROWS: dict[str, Change] = {
    "clean": clean,
    "last label": last_label,
    "lags": lags,
    "1.7e308": one_value,
    "1e12": one_event,
    "dirt": dirt,
    "missing 5": missing(0.05),
    "missing 20": missing(0.20),
    "missing 40": missing(0.40),
    "missing by value": missing_by_value,
    "constant 10": constant,
    "noise 5": noise(5),
    "noise 20": noise(20),
    "noise 50": noise(50),
    "heavy tails": heavy_tails,
    "missing 20, tails": missing_and_tails,
    "categories missing 20": categories_missing(0.20),
    "categories missing by value": categories_missing_by_value,
    "categories missing by class": categories_missing_by_class,
}


def odd(stream: str, row: str, events: int, seed: int) -> Inputs:
    """A stream with what this row does to it."""
    return ROWS[row](SOURCES[stream](events, seed), rng(seed, 30 + list(ROWS).index(row)))
