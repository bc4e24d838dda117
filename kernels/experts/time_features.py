"""What an event is beside those before it: values less their running means, values less the mean of the last season.

Each of them is learnt from labelled events in their order. A row of values begins with the features x [F]; the
deviations of all numbers follow. What is not known of x, or of the past, is NaN in the row.

**Running means** are over horizons of 2 to 256 events: mean += (x - mean) / min(n, horizon) with n the values known.

**A season** is found by itself. With r(l) the autocorrelation of a column at lag l over the latest `REMEMBERED` events,
a lag is seasonal where r and its rise, r(l) - min r(m) over m <= l, are at least `SEASONAL`: a trend does not rise. The
season of a column is its first peak with at least `NEARLY` of its highest one, because the multiples of a period have
peaks as high as its own. Columns vote by r, and votes for nearly the same lag count together. A season is looked for
after 200, 400 and 800 events, and every `EVERY` from then on. Once found it stays until another is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.common.moments import LARGEST, learn_row
from tocsin.kernels.experts.logistic import (
    Columns,
    Logistic,
    Rates,
    dot,
    expect,
    learn_event,
    scales_of,
    scratch,
    tell,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

HORIZONS = (2, 4, 8, 16, 32, 64, 128, 256)
"""The running means."""
REMEMBERED = 1_000
"""Events among which a season is looked for."""
LONGEST = 400
"""The longest season, in events."""
FIRST, EVERY = 200, 2_000
LOOKED_AT = 32
"""The most columns in which a season is looked for: the first numbers."""
SEASONAL = 0.5
NEARLY = 0.8
LENGTH, TAKEN = range(2)
"""What stands in `Season.state`: the season in events, 0 while there is none, and the events taken in."""


class Averages(NamedTuple):
    """Running means, changed in place."""

    means: Floats
    """[F, 8], over each of `HORIZONS`."""
    known: Floats
    """[F], the values that they are of, up to the longest horizon."""
    used: Ints
    """[H], the places of the horizons whose deviations stand in a row."""


class Season(NamedTuple):
    """The latest events and the sums of the last season, changed in place."""

    values: Floats
    """[F, REMEMBERED], a ring: event t is in column t % REMEMBERED."""
    sums: Floats
    """[F], of the values of the last season that are known."""
    known: Floats
    """[F], how many those are."""
    state: Ints
    """[2], see `LENGTH`."""


# Running means


@kernel
def row_of_averages(x: Floats, last: int, nominal: Bools, past: Averages, row: Floats) -> None:
    """The row of one event x [F] into `row`: x, the deviations of numbers from their running means, and the last label
    as a 1 among zeros; -1 for none."""
    place = len(x)
    for f in range(len(x)):
        row[f] = x[f]
        if not nominal[f]:
            for h in past.used:
                row[place] = x[f] - past.means[f, h] if past.known[f] > 0.0 else math.nan
                place += 1
    for k in range(place, len(row)):
        row[k] = 1.0 if k - place == last else 0.0


@kernel
def take_into_averages(x: Floats, past: Averages) -> None:
    """Take one event x [F] into the running means."""
    for f in range(len(x)):
        if math.isfinite(x[f]):
            value = min(max(x[f], -LARGEST), LARGEST)
            past.known[f] = min(past.known[f] + 1.0, float(HORIZONS[-1]))
            for h in range(len(HORIZONS)):
                past.means[f, h] += (value - past.means[f, h]) / min(past.known[f], float(HORIZONS[h]))


@kernel
def averages_evidence(
    model: Logistic, X: Floats, last: Ints, columns: Columns, past: Averages, most: float, out: Floats
) -> None:
    """The evidence [B, K] of X [B, F] into `out`, with the last label known of each event, last [B]."""
    room = scratch(len(columns.nominal), model.weights.shape[0], model.weights.shape[1], out.shape[1])
    row = np.empty(len(columns.nominal))
    scales_of(columns.moments, room.scale)
    for b in range(len(X)):
        row_of_averages(X[b], last[b], columns.nominal, past, row)
        expect(model, row, columns, room)
        tell(model, room, most, out[b])


@kernel
def learn_averages(
    model: Logistic,
    events: Labelled,
    last: Ints,
    columns: Columns,
    past: Averages,
    rates: Rates,
    classes: int,
    answers: Floats,
) -> None:
    """Learn B events of so many classes in order, and `answers` as in `tocsin.kernels.experts.logistic.learn`."""
    row, moments = np.empty(len(columns.nominal)), columns.moments
    room = scratch(len(row), model.weights.shape[0], model.weights.shape[1], classes)
    for b in range(len(events.X)):
        scales_of(moments, room.scale)
        row_of_averages(events.X[b], last[b], columns.nominal, past, row)
        expect(model, row, columns, room)
        if len(answers) > 0:
            tell(model, room, rates.most_strength, answers[b])
        learn_event(model, room, events.y[b], events.weight[b], rates)
        learn_row(moments.rows, moments.mean, moments.square, moments.memory, row)
        take_into_averages(events.X[b], past)


# Seasons


@kernel
def row_of_season(x: Floats, nominal: Bools, past: Season, row: Floats) -> None:
    """The row of one event x [F] into `row`: x, and the deviations of numbers from the mean of the last season."""
    place = len(x)
    for f in range(len(x)):
        row[f] = x[f]
        if not nominal[f]:
            row[place] = x[f] - past.sums[f] / past.known[f] if past.known[f] > 0.0 else math.nan
            place += 1


@kernel
def take_into_season(x: Floats, nominal: Bools, past: Season) -> None:
    """Take one event x [F] in, and look for a season where it is time to."""
    taken, length = past.state[TAKEN], past.state[LENGTH]
    for f in range(len(x)):
        if length > 0 and taken >= length:
            old = past.values[f, (taken - length) % REMEMBERED]
            if math.isfinite(old):
                past.sums[f] -= old
                past.known[f] -= 1.0
        value = min(max(x[f], -LARGEST), LARGEST) if math.isfinite(x[f]) else math.nan
        past.values[f, taken % REMEMBERED] = value
        if length > 0 and math.isfinite(value):
            past.sums[f] += value
            past.known[f] += 1.0
    taken += 1
    past.state[TAKEN] = taken
    if taken == FIRST or taken == 2 * FIRST or taken == 4 * FIRST or taken % EVERY == 0:
        found = season_of(past.values, nominal, taken)
        if found > 0:
            past.state[LENGTH] = length = found
            sum_up(past)
    if length > 0 and taken % length == 0:
        sum_up(past)  # so that rounding, and what an extreme value left of it, stays for a season at most


@kernel
def sum_up(past: Season) -> None:
    """Sum the last season anew."""
    taken, length = past.state[TAKEN], past.state[LENGTH]
    for f in range(len(past.sums)):
        past.sums[f], past.known[f] = 0.0, 0.0
        for t in range(max(taken - length, 0), taken):
            value = past.values[f, t % REMEMBERED]
            if math.isfinite(value):
                past.sums[f] += value
                past.known[f] += 1.0


@kernel
def standardised(values: Floats, taken: int, out: Floats) -> bool:
    """The latest values of one column, values [REMEMBERED], oldest first into `out` [n], with mean 0 and variance 1; 0
    where unknown. Whether they vary."""
    n, known, mean, square = len(out), 0.0, 0.0, 0.0
    for i in range(n):
        out[i] = values[(taken - n + i) % REMEMBERED]
        if math.isfinite(out[i]):
            known += 1.0
            delta = out[i] - mean
            mean += delta / known
            square += delta * (out[i] - mean)
    scale = math.sqrt(square / max(known, 1.0))
    if not 1e-12 < scale < LARGEST:
        return False
    for i in range(n):
        out[i] = (out[i] - mean) / scale if math.isfinite(out[i]) else 0.0
    return True


@kernel
def season_of(values: Floats, nominal: Bools, taken: int) -> int:
    """The season of the latest values [F, REMEMBERED], in events; 0 where there is none."""
    n = min(taken, REMEMBERED)
    r, votes, series = np.zeros(min(LONGEST, n // 2) + 1), np.zeros(LONGEST + 1), np.empty(n)
    looked_at = 0
    for f in range(len(values)):
        if nominal[f] or looked_at == LOOKED_AT or not standardised(values[f], taken, series):
            continue
        looked_at += 1
        for lag in range(1, len(r)):
            r[lag] = dot(series, series[lag:], n - lag) / (n - lag)
        season = season_of_column(r)
        if season > 0:
            votes[season] += r[season]
    best, season = 0.0, 0
    for lag in range(2, len(r)):
        together = votes[max(lag - lag // 16, 0) : lag + lag // 16 + 1].sum()
        if votes[lag] > 0.0 and (together > best or (together == best and votes[lag] > votes[season])):
            best, season = together, lag
    return season


@kernel
def season_of_column(r: Floats) -> int:
    """The season of a column from its autocorrelations, r [1 + lags]; 0 where it has none."""
    highest = 0.0
    for again in range(2):
        least = 1.0
        for lag in range(1, len(r) - 1):
            least = min(least, r[lag])
            if r[lag] >= SEASONAL and r[lag] - least >= SEASONAL and is_peak(r, lag):
                if again and r[lag] >= NEARLY * highest:
                    return lag
                highest = max(highest, r[lag])
    return 0


@kernel
def is_peak(r: Floats, lag: int) -> bool:
    """Whether no autocorrelation within a quarter of the lag is higher."""
    near = max(lag // 4, 1)
    return bool(r[lag] >= r[max(lag - near, 1) : lag + near + 1].max())


@kernel
def season_evidence(model: Logistic, X: Floats, columns: Columns, past: Season, most: float, out: Floats) -> None:
    """The evidence [B, K] of X [B, F] into `out`, once there is a season."""
    room = scratch(len(columns.nominal), model.weights.shape[0], model.weights.shape[1], out.shape[1])
    row = np.empty(len(columns.nominal))
    scales_of(columns.moments, room.scale)
    for b in range(len(X)):
        row_of_season(X[b], columns.nominal, past, row)
        expect(model, row, columns, room)
        tell(model, room, most, out[b])


@kernel
def learn_season(
    model: Logistic, events: Labelled, columns: Columns, past: Season, rates: Rates, classes: int, answers: Floats
) -> None:
    """Learn B events of so many classes in order, and `answers` as in `tocsin.kernels.experts.logistic.learn`.

    While there is no season they are only remembered.
    """
    row, moments = np.empty(len(columns.nominal)), columns.moments
    room = scratch(len(row), model.weights.shape[0], model.weights.shape[1], classes)
    for b in range(len(events.X)):
        if past.state[LENGTH] > 0:
            scales_of(moments, room.scale)
            row_of_season(events.X[b], columns.nominal, past, row)
            expect(model, row, columns, room)
            if len(answers) > 0:
                tell(model, room, rates.most_strength, answers[b])
            learn_event(model, room, events.y[b], events.weight[b], rates)
            learn_row(moments.rows, moments.mean, moments.square, moments.memory, row)
        elif len(answers) > 0:
            answers[b] = 0.0
        take_into_season(events.X[b], columns.nominal, past)
