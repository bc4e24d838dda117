"""Naive Bayes with fading counts: a Gaussian a class and number, a table a class and category.

Counts fade without being changed at every event: an event counts `unit`, which grows by 1 / fade each time, and a count
is divided by the latest unit where it is read. Every class starts, in every column, with one event's worth of the whole
stream, so that even a class that was seen once has a variance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.common.moments import LARGEST
from tocsin.kernels.decision.calibration import fitted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EVERY = 8
"""The strength is fitted at one event in so many, counted from the first: an answer costs more than learning."""
MOST = 10.0
"""The largest difference between two classes in the log likelihood of one column, so that no outlier decides alone."""
FARTHEST = 1e6
"""A distance is clipped at so many standard deviations, so that its square stays finite."""
LARGEST_UNIT = 1e100


class Counts(NamedTuple):
    """What is known of K classes and F columns; all counts in the same units. Arrays change in place."""

    weight: Floats
    """[K]"""
    known: Floats
    """[K, F], events whose value in the column was known."""
    mean: Floats
    """[K, F], numeric columns."""
    square: Floats
    """[K, F], mean squared deviations from the mean."""
    tables: Floats
    """[N, K, buckets], for each nominal column the events of each class by hashed category."""


class Progress(NamedTuple):
    """What changes with every event beside the counts."""

    unit: float
    """What the last event counted."""
    strength: float
    """The pseudo-counts that an answer is worth."""
    seen: int
    """Events learnt."""


@kernel
def learn(
    counts: Counts, slots: Ints, events: Labelled, progress: Progress, fade: float, most: float
) -> tuple[float, float, int]:
    """Learn B events in order; returns the progress after them, as a plain tuple: numba is slow to make another.

    slots [F] says which table a nominal column has, -1 for a number; `most` bounds the strength.
    """
    X, y, weight = events.X, events.y, events.weight
    unit, strength, seen = progress
    for i in range(len(X)):
        if seen % EVERY == 0 and seen > 0:
            p = probabilities(counts, slots, X[i : i + 1], unit)[0, y[i]]
            strength = fitted(strength, p, len(counts.weight), weight[i], seen // EVERY, most)
        unit /= fade
        if unit > LARGEST_UNIT:
            # Only ratios of counts are used, and a power of two changes no digit of them.
            shrink = 2.0 ** -math.floor(math.log2(unit))
            counts.weight[:] *= shrink
            counts.known[:] *= shrink
            counts.tables[:] *= shrink
            unit *= shrink
        _learn_row(counts, slots, X[i], y[i], weight[i] * unit)
        seen += 1
    return unit, strength, seen


@kernel
def _learn_row(counts: Counts, slots: Ints, x: Floats, k: int, weight: float) -> None:
    counts.weight[k] += weight
    for f in range(len(x)):
        if not math.isfinite(x[f]):
            continue
        counts.known[k, f] += weight
        if slots[f] >= 0:
            counts.tables[slots[f], k, bucket(x[f], counts.tables.shape[2])] += weight
        else:
            value = min(max(x[f], -LARGEST), LARGEST)
            share = weight / counts.known[k, f]
            delta = value - counts.mean[k, f]
            counts.mean[k, f] += share * delta
            counts.square[k, f] += share * (delta * (value - counts.mean[k, f]) - counts.square[k, f])


@kernel
def bucket(code: float, buckets: int) -> int:
    """The bucket of a category code, which is a whole number."""
    return int(np.floor(code) % buckets)


@kernel
def probabilities(counts: Counts, slots: Ints, X: Floats, unit: float) -> Floats:
    """Class probabilities [B, K] of X [B, F]; what is not finite is left out."""
    classes, columns = counts.known.shape
    logs = np.empty((len(X), classes))
    total = counts.weight.sum()
    for k in range(classes):
        logs[:, k] = math.log((counts.weight[k] + unit) / (total + classes * unit))
    column = np.empty(classes)
    for f in range(columns):
        centre, spread = _whole(counts, f)
        kinds = _kinds(counts, slots[f]) if slots[f] >= 0 else 0
        for b in range(len(X)):
            if not math.isfinite(X[b, f]):
                continue
            if slots[f] >= 0:
                _nominal(counts, slots[f], f, X[b, f], unit, kinds, column)
            elif spread > 1e-24:
                _numeric(counts, f, X[b, f], unit, centre, spread, column)
            else:
                continue
            least = column.max() - MOST
            for k in range(classes):
                logs[b, k] += max(column[k], least)
    for b in range(len(X)):
        logs[b] = np.exp(logs[b] - logs[b].max())
        logs[b] /= logs[b].sum()
    return logs


@kernel
def _whole(counts: Counts, f: int) -> tuple[float, float]:
    """Mean and variance of a column over all classes."""
    n = counts.known[:, f].sum()
    if n <= 0.0:
        return 0.0, 0.0
    mean = 0.0
    for k in range(len(counts.weight)):
        mean += counts.known[k, f] / n * counts.mean[k, f]
    spread = 0.0
    for k in range(len(counts.weight)):
        spread += counts.known[k, f] / n * (counts.square[k, f] + (counts.mean[k, f] - mean) ** 2)
    return mean, spread


@kernel
def _kinds(counts: Counts, slot: int) -> int:
    """How many categories a column has had, and one for those to come."""
    kinds = 1
    for j in range(counts.tables.shape[2]):
        if counts.tables[slot, :, j].sum() > 0.0:
            kinds += 1
    return kinds


@kernel
def _numeric(counts: Counts, f: int, x: float, unit: float, centre: float, spread: float, column: Floats) -> None:
    """Log densities [K] of a number, each class's moments mixed with one event's worth of the stream's."""
    for k in range(len(column)):
        n = counts.known[k, f] / unit
        mean = counts.mean[k, f]
        mixed = (n * mean + centre) / (n + 1.0)
        variance = (n * counts.square[k, f] + spread + n / (n + 1.0) * (mean - centre) ** 2) / (n + 1.0)
        z = min(abs(x - mixed) / math.sqrt(variance), FARTHEST)
        column[k] = -0.5 * (z * z + math.log(variance))


@kernel
def _nominal(counts: Counts, slot: int, f: int, x: float, unit: float, kinds: int, column: Floats) -> None:
    """Log probabilities [K] of a category, each smoothed by one event over all kinds."""
    j = bucket(x, counts.tables.shape[2])
    for k in range(len(column)):
        column[k] = math.log((counts.tables[slot, k, j] + unit / kinds) / (counts.known[k, f] + unit))
