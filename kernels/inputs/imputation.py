"""A guess of each number that is not known, from the rest of its row: by neighbours and by a Gaussian, one row after
the other.

- **Near**: the mean of the `k` nearest of the latest rows in which the number was known. Distances are taken over what
  is known of the row, in standard deviations; labels are not looked at.
- **Given**: the mean of a Gaussian of the row and the row before it, given what is known of both. Its covariance fades
  after `memory` rows, and its inverse, with a ridge, is made anew every `EVERY` rows. The variance of a guess is added
  to the covariance (the E-step of Dempster, Laird and Rubin 1977), which guesses alone would shrink.
- The guess is a near + (1 - a) given. For each column a is the least-squares weight on numbers that were known and
  hidden: one of each row that follows a row with a gap, so that what is left of it is as full as rows are.

The row before is the one that the model had learnt last when the event was scored. Where labels are late, it is many
events old, in learning as in scoring, and the covariance says how little it then tells.

Nothing but rows and their means is kept until the first gap comes: a stream without gaps pays for no covariance. What
is learnt of the latest rows then begins it. Categories are not guessed.

`tocsin.kernels.inputs.imputation_reference` is the same in plain numpy, and a test holds the two together.
"""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import inverse_scale, learn_row
from tocsin.kernels.inputs.imputation_state import (
    BEGUN,
    DUE,
    ENOUGH,
    EVERY,
    FADE,
    LEARNT,
    LIMIT,
    RIDGE,
    ROWS,
    SCALE_MEMORY,
    TURN,
    UNKNOWN,
    Bools,
    Floats,
    Guesses,
    Imputer,
    Ints,
    Rules,
)


@kernel
def invert(A: Floats) -> None:
    """The inverse of a positive definite matrix [n, n], in its place (Gauss and Jordan)."""
    n = len(A)
    for k in range(n):
        pivot = 1.0 / A[k, k]
        A[k, k] = 1.0
        for j in range(n):
            A[k, j] *= pivot
        for i in range(n):
            factor = A[i, k]
            if i == k or factor == 0.0:
                continue
            A[i, k] = 0.0
            for j in range(n):
                A[i, j] -= factor * A[k, j]


@kernel
def deviation(imputer: Imputer, i: int) -> float:
    """The standard deviation of place i in the Gaussian; 0 where it never varied."""
    scale = math.sqrt(max(imputer.spread[i, i], 0.0))
    return scale if scale > 1e-12 else 0.0


@kernel
def make_precision(imputer: Imputer) -> None:
    """The inverse of the correlations, with the ridge; a place that never varied is independent of all others."""
    D = len(imputer.centre)
    scale = np.empty(D)
    for i in range(D):
        s = deviation(imputer, i)
        scale[i] = 1.0 / s if s > 0.0 else 0.0
    for i in range(D):
        for j in range(D):
            imputer.precision[i, j] = imputer.spread[i, j] * scale[i] * scale[j]
        imputer.precision[i, i] = 1.0 + RIDGE
    invert(imputer.precision)


@kernel
def squared_distances(imputer: Imputer, nominal: Bools, x: Floats, squared: Floats) -> None:
    """Squared distances of what is known of x [F] to the remembered rows [n]."""
    n = len(squared)
    squared[:] = 0.0
    for f in range(len(x)):
        value, column = x[f], imputer.values[f, :n]
        if math.isnan(value):
            continue
        if nominal[f]:
            for j in range(n):
                squared[j] += 0.0 if value == column[j] else UNKNOWN
            continue
        scale = inverse_scale(imputer.rows, imputer.square, f)
        if scale == 0.0:
            continue
        for j in range(n):
            apart = abs(value - column[j]) * scale
            apart = LIMIT if apart > LIMIT else apart
            square = apart * apart
            squared[j] += UNKNOWN if square != square else square


@kernel
def mean_of_nearest(squared: Floats, column: Floats, known: Bools, k: int) -> float:
    """The mean of a column [n] over the k nearest rows in which it was known; NaN where it never was."""
    distance, value = np.full(k, np.inf), np.empty(k)
    found = 0
    for j in range(len(squared)):
        if known[j] and squared[j] < distance[k - 1]:
            i = k - 1
            while i > 0 and distance[i - 1] > squared[j]:
                distance[i], value[i] = distance[i - 1], value[i - 1]
                i -= 1
            distance[i], value[i] = squared[j], column[j]
            found = min(found + 1, k)
    if found == 0:
        return math.nan
    total = 0.0
    for i in range(found):
        total += value[i]
    return total / found


@kernel
def condition(imputer: Imputer, x: Floats, before: Floats, guesses: Guesses) -> None:
    """The Gaussian's mean and variance of what is not known of x [F], given the rest and the row `before` it [F]."""
    D = len(imputer.places)
    z, gone = np.zeros(2 * D), np.empty(D, np.int64)
    missing = 0
    for d in range(D):
        f = imputer.places[d]
        s, t = deviation(imputer, 2 * d), deviation(imputer, 2 * d + 1)
        if math.isnan(x[f]):
            gone[missing] = 2 * d
            missing += 1
        elif s > 0.0 and math.isfinite(x[f]):
            z[2 * d] = (x[f] - imputer.centre[2 * d]) / s
        if t > 0.0 and math.isfinite(before[f]):
            z[2 * d + 1] = (before[f] - imputer.centre[2 * d + 1]) / t
    A, pull = np.empty((missing, missing)), np.zeros(missing)
    for i in range(missing):
        for j in range(missing):
            A[i, j] = imputer.precision[gone[i], gone[j]]
        for j in range(2 * D):
            pull[i] += imputer.precision[gone[i], j] * z[j]
    invert(A)
    for i in range(missing):
        total = 0.0
        for j in range(missing):
            total -= A[i, j] * pull[j]
        s = deviation(imputer, gone[i])
        f = imputer.places[gone[i] // 2]
        guesses.given[f] = imputer.centre[gone[i]] + s * total
        guesses.variance[f] = s * s * A[i, i]


@kernel
def guess(imputer: Imputer, nominal: Bools, x: Floats, before: Floats, rules: Rules, guesses: Guesses) -> None:
    """Fill `guesses` for what is not known of x [F]."""
    held = min(imputer.counters[ROWS], imputer.values.shape[1])
    for f in range(len(x)):
        guesses.near[f] = guesses.given[f] = math.nan
        guesses.variance[f] = 0.0
    if imputer.counters[BEGUN] == 1:
        condition(imputer, x, before, guesses)
    squared = np.empty(held)
    squared_distances(imputer, nominal, x, squared)
    for f in range(len(x)):
        if math.isnan(x[f]) and not nominal[f]:
            guesses.near[f] = mean_of_nearest(squared, imputer.values[f, :held], imputer.known[f, :held], rules.k)


@kernel
def mixed(imputer: Imputer, f: int, guesses: Guesses) -> float:
    """The guess of column f; NaN where the column was never known."""
    near, given = float(guesses.near[f]), float(guesses.given[f])
    if math.isnan(near) or math.isnan(given):
        return near
    a = min(max(float(imputer.mix[f, 0] / imputer.mix[f, 1]), 0.0), 1.0)
    return a * near + (1.0 - a) * given


@kernel
def has_gap(nominal: Bools, x: Floats) -> bool:
    """Whether a number of the row x [F] is not known."""
    for f in range(len(x)):  # noqa: SIM110 - numba compiles no generators
        if math.isnan(x[f]) and not nominal[f]:
            return True
    return False


@kernel
def row_before(imputer: Imputer, delay: int, out: Floats) -> None:
    """The row that was learnt last `delay` rows ago, into `out` [F]; NaN where it is not remembered."""
    stored, C = imputer.counters[ROWS], imputer.values.shape[1]
    there = delay < min(stored, C)
    place = (stored - 1 - delay) % C if there else 0
    for f in range(len(out)):
        out[f] = imputer.values[f, place] if there else math.nan


@kernel
def learn_covariance(imputer: Imputer, x: Floats, before: Floats, variance: Floats, rules: Rules) -> None:
    """Take in a row without gaps, x [F], and the one before it; `variance` [F] is that of its guesses."""
    D = len(imputer.places)
    imputer.counters[LEARNT] += 1
    share = 1.0 / min(float(imputer.counters[LEARNT]), rules.memory)
    old, fresh = np.empty(2 * D), np.empty(2 * D)
    for i in range(2 * D):
        row = x if i % 2 == 0 else before
        value = row[imputer.places[i // 2]]
        old[i] = value - imputer.centre[i] if math.isfinite(value) else 0.0
        imputer.centre[i] += share * old[i]
        fresh[i] = old[i] * (1.0 - share)
    for i in range(2 * D):
        for j in range(2 * D):
            imputer.spread[i, j] += share * (old[i] * fresh[j] - imputer.spread[i, j])
    for d in range(D):
        imputer.spread[2 * d, 2 * d] += share * variance[imputer.places[d]]


@kernel
def begin(imputer: Imputer, delay: int, rules: Rules) -> None:
    """Take the covariance from the rows that are remembered: the first gap has come."""
    stored, C = imputer.counters[ROWS], imputer.values.shape[1]
    F = imputer.values.shape[0]
    x, before, none = np.empty(F), np.empty(F), np.zeros(F)
    for age in range(min(stored, C) - 1, -1, -1):
        row_before(imputer, age, x)
        row_before(imputer, age + 1 + delay, before)
        learn_covariance(imputer, x, before, none, rules)
    imputer.counters[BEGUN] = 1
    make_precision(imputer)


@kernel
def hide_one(imputer: Imputer, nominal: Bools, x: Floats, before: Floats, rules: Rules, guesses: Guesses) -> None:
    """Learn how to mix from a number of x [F] that is known and hidden; columns take turns."""
    F = len(x)
    for _ in range(F):
        f = imputer.counters[TURN] % F
        imputer.counters[TURN] += 1
        if nominal[f] or not math.isfinite(x[f]):
            continue
        hidden = x.copy()
        hidden[f] = math.nan
        guess(imputer, nominal, hidden, before, rules, guesses)
        scale = inverse_scale(imputer.rows, imputer.square, f)
        near, given = guesses.near[f] * scale, guesses.given[f] * scale
        if not math.isnan(near) and not math.isnan(given):
            apart = near - given
            imputer.mix[f, 0] = FADE * imputer.mix[f, 0] + (x[f] * scale - given) * apart
            imputer.mix[f, 1] = FADE * imputer.mix[f, 1] + apart * apart
        return


@kernel
def remember(imputer: Imputer, x: Floats, filled: Floats) -> None:
    """Put a row [F] with its guesses into the ring."""
    place = imputer.counters[ROWS] % imputer.values.shape[1]
    for f in range(len(x)):
        imputer.values[f, place] = filled[f]
        imputer.known[f, place] = math.isfinite(x[f])
    imputer.counters[ROWS] += 1
    learn_row(imputer.rows, imputer.mean, imputer.square, SCALE_MEMORY, x)


@kernel
def apply(imputer: Imputer, nominal: Bools, X: Floats, rules: Rules, out: Floats) -> None:
    """Write X [B, F] with guesses in its gaps into `out`; categories and columns that were never known keep theirs."""
    F = X.shape[1]
    guesses = Guesses(np.empty(F), np.empty(F), np.empty(F))
    before = np.empty(F)
    row_before(imputer, 0, before)
    for b in range(X.shape[0]):
        out[b] = X[b]
        if imputer.counters[ROWS] < ENOUGH or not has_gap(nominal, X[b]):
            continue
        guess(imputer, nominal, X[b], before, rules, guesses)
        for f in range(F):
            if math.isnan(X[b, f]) and not nominal[f]:
                out[b, f] = mixed(imputer, f, guesses)


@kernel
def learn(imputer: Imputer, nominal: Bools, X: Floats, delay: Ints, rules: Rules, out: Floats) -> None:
    """Write each row of X [B, F], with guesses by the rows before it, into `out`, and learn it, in order.

    `delay` [B] says how many rows were learnt between the scoring of a row and now.
    """
    F = X.shape[1]
    guesses = Guesses(np.empty(F), np.empty(F), np.empty(F))
    hidden = Guesses(np.empty(F), np.empty(F), np.empty(F))
    before = np.empty(F)
    for b in range(X.shape[0]):
        x = X[b]
        out[b] = x
        guesses.variance[:] = 0.0
        row_before(imputer, delay[b], before)
        if imputer.counters[ROWS] >= ENOUGH and has_gap(nominal, x):
            guess(imputer, nominal, x, before, rules, guesses)
            for f in range(F):
                if math.isnan(x[f]) and not nominal[f]:
                    out[b, f] = mixed(imputer, f, guesses)
            if imputer.counters[BEGUN] == 0:
                begin(imputer, delay[b], rules)
        if imputer.counters[BEGUN] == 1:
            if imputer.counters[DUE] == 1:
                hide_one(imputer, nominal, x, before, rules, hidden)
            imputer.counters[DUE] = has_gap(nominal, x)
            learn_covariance(imputer, out[b], before, guesses.variance, rules)
            if imputer.counters[LEARNT] % EVERY == 0:
                make_precision(imputer)
        remember(imputer, x, out[b])
