"""A sliding window of labelled events that learns and votes, one event after the other.

Learning has only this implementation, whatever back end searches for the answers, because all workers must hold the
same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.common.moments import Moments, inverse_scale, learn_row
from tocsin.kernels.decision.calibration import fitted
from tocsin.kernels.experts import own_class
from tocsin.kernels.experts.neighbours import Nearest, Query, Remembered, none_found, search
from tocsin.kernels.inputs.imputation import has_gap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

EVERY = 8
"""The strength is fitted at one event in so many, counted from the first. A search at each would double the cost."""
NEAR = 1e-9
"""It is added to a distance, so that the vote of an equal event is finite and still outweighs all others."""


@kernel
def factors(nominal: Bools, count: Floats, square: Floats) -> Floats:
    """What differences of each column are multiplied by [F]: one over the standard deviation, 1 for categories."""
    factor = np.ones(len(nominal))
    for f in range(len(nominal)):
        if not nominal[f]:
            factor[f] = inverse_scale(count, square, f)
    return factor


class Window(NamedTuple):
    """The labelled events that are remembered, changed in place: the latest `length` columns of C > length."""

    values: Floats
    """[F, C]"""
    labels: Ints
    """[C]"""
    weights: Floats
    """[C]"""
    nominal: Bools
    """[F], which columns hold category codes."""


class Voting(NamedTuple):
    """How the remembered events vote."""

    length: int
    """How many of the latest events vote."""
    k: int
    """Neighbours."""
    classes: int
    """K"""
    most_strength: float
    """The bound on the pseudo-counts that an answer is worth."""


class Progress(NamedTuple):
    """What changes with every event beside the arrays."""

    stop: int
    """The latest event is in the column before this one."""
    strength: float
    """The pseudo-counts that an answer is worth."""
    seen: int
    """Events learnt."""


@kernel
def vote(found: Nearest, window: Window, stop: int, classes: int) -> Floats:
    """Class shares [B, K] of the neighbours found in the first window, each with weight / distance; zeros where there
    is none.

    `stop` is the column after the window's latest event.
    (Measured test-then-train, windows 500 and 2,000: votes by the squared distance are 1.3 and 1.5 points worse on
    SEA with its noise, up to 0.4 better on drifting RBF; equal votes are 0.2 to 0.9 worse on RBF.)
    """
    age, distance = found.age, found.distance
    shares = np.zeros((len(age), classes))
    for b in range(len(age)):
        total = 0.0
        for j in range(age.shape[2]):
            if age[b, 0, j] >= 0:
                i = stop - 1 - age[b, 0, j]
                share = window.weights[i] / (np.sqrt(distance[b, 0, j]) + NEAR)
                shares[b, window.labels[i]] += share
                total += share
        if total > 0.0:
            for c in range(classes):
                shares[b, c] /= total
    return shares


@kernel
def learn(
    window: Window, moments: Moments, events: Labelled, voting: Voting, progress: Progress, answers: Floats
) -> tuple[int, float, int]:
    """Learn B events in order; returns the progress after them, as a plain tuple: numba is slow to make another.

    Numbers that are not known are remembered as the nearest of their own class have them.

    `moments` are those of the stream. `answers` [B, K] is filled with the evidence for each event just before it is
    learnt; [0, 0] where nobody asks.
    """
    values, classes, most = window.values, voting.classes, voting.most_strength
    stop, strength, seen = progress
    horizons, row = np.empty(1, np.int64), np.empty(len(values))
    horizons[0] = voting.length
    for i in range(len(events.X)):
        due = seen % EVERY == 0
        if stop > 0 and (due or len(answers) > 0):
            found = none_found(1, voting.k)
            factor = factors(window.nominal, moments.rows, moments.square)
            query = Query(events.X[i : i + 1], factor, window.nominal, horizons, voting.k)
            search(Remembered(values, max(0, stop - voting.length), stop), query, found)
            shares = vote(found, window, stop, classes)[0]
            if len(answers) > 0:
                for c in range(classes):
                    answers[i, c] = shares[c] * min(strength, most)
            if due:
                strength = fitted(strength, shares[events.y[i]], classes, events.weight[i], seen // EVERY, most)
        elif len(answers) > 0:
            answers[i] = 0.0
        learn_row(moments.rows, moments.mean, moments.square, moments.memory, events.X[i])
        if stop == values.shape[1]:
            stop = _move_to_front(window, voting.length - 1)
        row[:] = events.X[i]
        if has_gap(window.nominal, row):
            # One event fewer than vote: as many as there are right after the window was moved.
            held = Remembered(values, max(0, stop - voting.length + 1), stop)
            factor = factors(window.nominal, moments.rows, moments.square)
            own_class.fill(held, window.labels, events.y[i], row, factor, window.nominal)
        for f in range(len(values)):
            values[f, stop] = row[f]
        window.labels[stop], window.weights[stop] = events.y[i], events.weight[i]
        stop += 1
        seen += 1
    return stop, strength, seen


@kernel
def _move_to_front(window: Window, count: int) -> int:
    """Move the latest events to the first columns, so that there is room behind them. Returns their number."""
    values, labels, weights = window.values, window.labels, window.weights
    first = values.shape[1] - count
    for f in range(len(values)):
        for j in range(count):
            values[f, j] = values[f, first + j]
    for j in range(count):
        labels[j], weights[j] = labels[first + j], weights[first + j]
    return count
