"""The smallest change of probabilities by which events would be decided: a loop for many events.

`tocsin.explain.nearest_decision` is the plain form, which says what is done and why; this follows it step by step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.sorting import stable_order

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
STEP = 1e-6
"""The grid of what is told."""
SAFE = 1e-3
"""Steps by which a figure stays clear of a limit, more than rounding takes back."""
APART = 2 * STEP
"""By so much the decided class is the most probable one."""
NO_DECISION = -1


@kernel
def down(value: float) -> float:
    """The greatest figure on the grid that is safely below."""
    return math.floor(value / STEP - SAFE) * STEP


@kernel
def up(value: float) -> float:
    """The least figure on the grid that is safely above."""
    return math.ceil(value / STEP + SAFE) * STEP


@kernel
def level_of(rest: Floats, more: float, others: int, lacking: float) -> float:
    """The level that the most probable of the others share, of those `rest` [K - 1] in descending order.

    What the first j of them have above it, (sum_j + more - lacking) / (j + others), is what the label lacks.
    """
    total = 0.0
    level = 0.0
    for j in range(rest.shape[0]):
        total += rest[j]
        level = float(total + more - lacking) / (j + 1 + others)
        if j + 1 == rest.shape[0] or level >= rest[j + 1]:
            return level
    return level


@kernel
def raise_class(p: Floats, label: int, highest: Floats, needed: float, out: Floats) -> float:
    """Fill `out` [K] with the nearest probabilities to p [K] that decide for `label`; returns the change.

    The others have at most `highest` [K], and the label has `needed` and is the most probable class.
    """
    K = p.shape[0]
    n = K - 1
    freed = 0.0
    negative = np.zeros(K)
    for k in range(K):
        out[k] = 0.0 if k == label else min(p[k], highest[k])
        negative[k] = 1.0 if k == label else -out[k]
        if k != label:
            freed += p[k] - out[k]
    rest = -negative[stable_order(negative)[:n]]
    already = p[label] + freed
    if n > 0 and already - APART < rest[0]:
        lower(out, down(level_of(rest, already - APART, 1, 0.0)))
    if n > 0 and needed - already > 0.0:
        lower(out, max(down(level_of(rest, 0.0, 0, needed - already)), 0.0))
    freed = 0.0
    for k in range(K):
        if k != label:
            freed += p[k] - out[k]
    out[label] = p[label] + freed
    return moved(p, out)


@kernel
def lower(values: Floats, level: float) -> None:
    """Let no value be above a level."""
    for k in range(values.shape[0]):
        values[k] = min(values[k], level)


@kernel
def moved(p: Floats, out: Floats) -> float:
    """The probability that moves from p [K] to `out` [K], of which what differs is then put on the grid."""
    change = 0.0
    for k in range(p.shape[0]):
        if out[k] != p[k]:
            change += max(p[k] - out[k], 0.0)
            out[k] = np.rint(out[k] * 1e6) / 1e6
    return change


@kernel
def nearest_by_doubt(P: Floats, threshold: float, labels: Ints, changes: Floats, out: Floats) -> None:
    """Make the most probable class of each event probable enough: 1 - P at most the threshold."""
    needed = min(max(up(1.0 - threshold), 0.0), 1.0)
    for b in range(P.shape[0]):
        labels[b] = NO_DECISION
        if threshold >= 0.0:
            labels[b] = 0
            for k in range(P.shape[1]):
                if P[b, k] > P[b, labels[b]]:
                    labels[b] = k
            changes[b] = raise_class(P[b], labels[b], P[b], needed, out[b])


@kernel
def next_candidate(least: Floats, p: Floats, done: Ints) -> int:
    """The class that is not done yet of which the least must move; of several the most probable, then the first."""
    best = -1
    for k in range(p.shape[0]):
        if done[k] == 0 and (best < 0 or least[k] < least[best] or (least[k] == least[best] and p[k] > p[best])):
            best = k
    return best


@kernel
def is_like_another(k: int, p: Floats, highest: Floats, done: Ints) -> bool:
    """Whether a class that was tried has the same probability and the same limit."""
    alike = False
    for other in range(p.shape[0]):
        alike |= done[other] == 1 and p[other] == p[k] and highest[other] == highest[k]
    return alike


@kernel
def fill_highest(p: Floats, limits: Floats, highest: Floats, least: Floats) -> None:
    """Fill in what each class [K] may have at most where another is decided, and what must move at the least for it."""
    total = 0.0
    for k in range(p.shape[0]):
        highest[k] = p[k]
        if not 1.0 - p[k] > limits[k]:
            highest[k] = max(math.floor((1.0 - limits[k]) / STEP - SAFE) * STEP, 0.0)
        total += p[k] - highest[k]
    for k in range(p.shape[0]):
        least[k] = total - (p[k] - highest[k])


@kernel
def nearest_by_set(P: Floats, limits: Floats, labels: Ints, changes: Floats, out: Floats) -> None:
    """Leave one class in the prediction set of each event, where class k is in while 1 - P is at most limits[k]."""
    K = P.shape[1]
    highest, least, tried = np.empty(K), np.empty(K), np.empty(K)
    done = np.empty(K, np.int64)
    never = 0
    only = -1
    for k in range(K):
        if limits[k] >= 1.0:
            never += 1
            only = k
    for b in range(P.shape[0]):
        labels[b] = NO_DECISION
        if never > 1:
            continue
        p = P[b]
        fill_highest(p, limits, highest, least)
        for k in range(K):
            done[k] = 0 if never == 0 or k == only else 2
        label = next_candidate(least, p, done)
        while label >= 0 and (labels[b] < 0 or least[label] < changes[b] - K * STEP):
            alike = is_like_another(label, p, highest, done)
            done[label] = 1
            if not alike:
                change = raise_class(p, label, highest, 0.0, tried)
                if labels[b] < 0 or change < changes[b]:
                    labels[b] = label
                    changes[b] = change
                    out[b] = tried
            label = next_candidate(least, p, done)


class Nearest(NamedTuple):
    """The nearest decisions to B events."""

    label: Ints
    """[B], the class that each decides for; `NO_DECISION` where no probabilities decide."""
    betp: Floats
    """[B, K], the probabilities that decide; what differs from the event's own is on the grid."""
    change: Floats
    """[B], the probability that moves."""


def nearest_decisions(P: Floats, limits: Floats | float) -> Nearest:
    """The nearest decisions to events with the probabilities P [B, K].

    `limits` [K] are those of the classes, by which a set of one class decides; a single number is the most doubt, 1 - P
    of the most probable class, that decides.
    """
    P = np.ascontiguousarray(P, np.float64)
    labels, changes, out = np.empty(len(P), np.int64), np.zeros(len(P)), P.copy()
    if isinstance(limits, float):
        nearest_by_doubt(P, limits, labels, changes, out)
    else:
        nearest_by_set(P, np.ascontiguousarray(limits, np.float64), labels, changes, out)
    return Nearest(labels, out, changes)
