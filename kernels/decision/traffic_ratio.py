"""How much denser recent traffic lies around events than recent labelled events do, by their nearest among both.

Distances are Euclidean after a linear map (`metric`), in which classes that are known are round and lie well apart: the
metric of discriminant adaptive neighbours for all classes at once (Hastie and Tibshirani 1996, IEEE PAMI 18: 607-616,
with epsilon 1). Sums are float32 in the order of the columns, so that an event finds the same alone and among others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import inlined, kernel

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

NEIGHBOURS = 8
"""So many of the nearest are found; those of ranks 1, 2, 3, 5 and 8 are compared."""
SMOOTHED = 5
"""The mean ratio of so many of the nearest in the traffic is added to an event's own."""
CLOSEST = 1e-3
"""No distance counts as less, so that an event that came twice is not infinitely near."""
GROUPS = 64
"""Events are held in a multiple of so many columns: the nearest of each group are found in vectors."""
RIDGE = 0.01
"""So much of the mean variance within classes is added to that of every direction."""
LEAST = 1e-12
"""No variance counts as less."""


class Compared(NamedTuple):
    """The two sets of events that are compared: as many of each, float32 [D, M] with M a multiple of GROUPS; columns
    behind the last event are infinite."""

    labelled: Singles
    traffic: Singles
    ratio: Floats
    """[M], the ratio that each of the traffic had at its own time."""


@kernel
def metric(X: Floats, y: Ints, classes: int) -> Floats:
    """The map [D, D] after which distances are taken, from standardised events X [n, D] of classes y [n], in which
    nothing is missing.

    With W the covariance within classes and T that of all, its squared distance is x' W^-1 T W^-1 x: directions in
    which known classes are narrow and lie apart count for more.
    """
    D = X.shape[1]
    within, total = np.zeros((D, D)), np.zeros((D, D))
    _covariances(X, y, classes, within, total)
    trace = 0.0
    for f in range(D):
        trace += within[f, f]
    ridge = max(RIDGE * trace / max(D, 1), LEAST)
    for f in range(D):
        within[f, f] += ridge
        total[f, f] += ridge
    _cholesky(within)
    _cholesky(total)
    result, column = np.empty((D, D)), np.empty(D)
    for f in range(D):
        _solve(within, f, column)
        for g in range(D):
            value = 0.0
            for h in range(g, D):
                value += total[h, g] * column[h]
            result[g, f] = value
    return result


@kernel
def _covariances(X: Floats, y: Ints, classes: int, within: Floats, total: Floats) -> None:
    """The lower triangles of the covariance within classes and of that of all events."""
    n, D = X.shape
    mean, count, middle = np.zeros((classes, D)), np.zeros(classes), np.zeros(D)
    for i in range(n):
        count[y[i]] += 1.0
        for f in range(D):
            mean[y[i], f] += X[i, f]
            middle[f] += X[i, f] / n
    for c in range(classes):
        for f in range(D):
            mean[c, f] /= max(count[c], 1.0)
    apart = np.empty(D)
    for i in range(n):
        for f in range(D):
            apart[f] = X[i, f] - mean[y[i], f]
        for f in range(D):
            for g in range(f + 1):
                within[f, g] += apart[f] * apart[g] / n
    for f in range(D):
        for g in range(f + 1):
            total[f, g] = within[f, g]
            for c in range(classes):
                total[f, g] += count[c] / n * (mean[c, f] - middle[f]) * (mean[c, g] - middle[g])


@kernel
def _cholesky(matrix: Floats) -> None:
    """Put the root L of a symmetric matrix L L' in place of its lower triangle."""
    for f in range(len(matrix)):
        for g in range(f + 1):
            value = matrix[f, g]
            for h in range(g):
                value -= matrix[f, h] * matrix[g, h]
            if f == g:
                matrix[f, f] = math.sqrt(max(value, LEAST))
            else:
                matrix[f, g] = value / matrix[g, g]


@kernel
def _solve(root: Floats, f: int, column: Floats) -> None:
    """Column f of the inverse of L L', from its root L."""
    D = len(root)
    for g in range(D):
        value = 1.0 if g == f else 0.0
        for h in range(g):
            value -= root[g, h] * column[h]
        column[g] = value / root[g, g]
    for g in range(D - 1, -1, -1):
        value = column[g]
        for h in range(g + 1, D):
            value -= root[h, g] * column[h]
        column[g] = value / root[g, g]


@kernel
def project(X: Floats, metric: Floats, out: Singles) -> None:
    """Fill the first B columns of `out` [D, M] with events X [B, D] as they lie after the map `metric` [D, D]."""
    for i in range(len(X)):
        for g in range(len(metric)):
            value = 0.0
            for f in range(len(metric)):
                value += metric[g, f] * X[i, f]
            out[g, i] = value


@kernel
def ratios(query: Singles, compared: Compared, own: Floats, smooth: Floats) -> None:
    """Fill `own` [B] with the log ratio of the distances of events, query [D, B], to the nearest of both sets, and
    `smooth` [B] with the same and the mean of what the nearest in the traffic had at their own time."""
    labelled, traffic, ratio = compared
    squared = np.empty(max(labelled.shape[1], traffic.shape[1]), np.float32)
    far, near = np.empty(NEIGHBOURS, np.float32), np.empty(NEIGHBOURS, np.float32)
    place = np.empty(NEIGHBOURS, np.int64)
    for i in range(query.shape[1]):
        _nearest(query, i, labelled, squared, far, place)
        _nearest(query, i, traffic, squared, near, place)
        value = 0.0
        for k in (0, 1, 2, 4, 7):
            value += math.log(max(math.sqrt(far[k]), CLOSEST)) - math.log(max(math.sqrt(near[k]), CLOSEST))
        own[i] = value / 5.0
        around = 0.0
        for k in range(SMOOTHED):
            around += ratio[place[k]]
        smooth[i] = own[i] + around / SMOOTHED


@kernel
def _nearest(query: Singles, i: int, events: Singles, squared: Singles, distance: Singles, place: Ints) -> None:
    """Fill `distance` and `place` with the nearest of events [D, M] to column i of query [D, B], nearest first; of
    equal ones, the first by the remainder of its column by GROUPS."""
    M = events.shape[1]
    _distances(query, i, events, squared)
    least = np.empty(GROUPS, np.float32)
    for j in range(GROUPS):
        value = squared[j]
        for b in range(1, M // GROUPS):
            other = squared[j + b * GROUPS]
            value = other if other < value else value
        least[j] = value
    for k in range(len(distance)):
        group, value = 0, least[0]
        for j in range(1, GROUPS):
            if least[j] < value:
                value, group = least[j], j
        found, next_least = -1, np.float32(np.inf)
        for at in range(group, M, GROUPS):
            if found < 0 and squared[at] == value:
                found = at
            elif squared[at] < next_least:
                next_least = squared[at]
        squared[found] = np.float32(np.inf)
        distance[k], place[k], least[group] = value, found, next_least


@inlined
def _distances(query: Singles, i: int, events: Singles, squared: Singles) -> None:
    """Squared distances [M], four columns of the events at once: half the time of one after the other."""
    D, M = events.shape
    for j in range(M):
        squared[j] = np.float32(0.0)
    f = 0
    while f + 4 <= D:
        one, two, three, four = query[f, i], query[f + 1, i], query[f + 2, i], query[f + 3, i]
        row, second, third, fourth = events[f], events[f + 1], events[f + 2], events[f + 3]
        for j in range(M):
            a, b, c, d = one - row[j], two - second[j], three - third[j], four - fourth[j]
            squared[j] = squared[j] + a * a + b * b + c * c + d * d
        f += 4
    while f < D:
        one, row = query[f, i], events[f]
        for j in range(M):
            a = one - row[j]
            squared[j] = squared[j] + a * a
        f += 1
