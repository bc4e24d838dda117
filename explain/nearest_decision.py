"""The smallest change of an event's probabilities by which it would have been decided, whatever is controlled.

The size of a change is the probability that moves from some classes to others: half the sum of the differences. All
classes are tried as the one to decide for. What is found is on a grid of STEP and on the safe side of every limit, so
that the figures of an explanation, which have six digits, decide when they are put in the place of the old ones.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tocsin.config.abstention import AbstentionSettings
from tocsin.models.data.batch import Floats
from tocsin.models.decision.costs import expected_costs, matrix
from tocsin.models.decision.scores import Scores

STEP = 1e-6
"""The grid of what is told."""
_SAFE = 1e-3
"""Steps by which a figure stays clear of a limit, more than rounding takes back."""
ROUNDING = 1e-12
"""What rounding may do to an expected cost, as a part of it."""
_APART = 2 * STEP
"""By so much the decided class is the most probable one."""


class NearestDecision(NamedTuple):
    """The nearest probabilities that decide."""

    label: int
    """The class that they decide for."""
    betp: Floats
    """[K]; what differs from the event's own is on the grid."""
    change: float
    """The probability that moves."""


def nearest_decision(scores: Scores, i: int, settings: AbstentionSettings) -> NearestDecision | None:
    """The nearest decision to event i, by the thresholds that judged it; None where no probabilities decide."""
    p = np.asarray(scores.betp[i], np.float64)
    if settings.controls == "cost":
        return _by_cost(p, scores.classes, settings)
    if settings.controls == "error":
        return _by_doubt(p, scores.threshold)
    by_class = settings.decides_by_class and scores.limits is not None
    limits = np.array(scores.limits) if by_class else np.full(len(p), scores.threshold)
    return _by_set(p, limits)


def _by_set(p: Floats, limits: Floats) -> NearestDecision | None:
    """Leave one class in the prediction set, where class k is in while 1 - BetP is at most limits[k]."""
    # A class that no probability excludes can only be the decided one.
    never = np.flatnonzero(limits >= 1.0)
    if len(never) > 1:
        return None
    below = np.floor((1.0 - limits) / STEP - _SAFE) * STEP
    highest = np.where(1.0 - p > limits, p, np.maximum(below, 0.0))
    excess = p - highest
    least = excess.sum() - excess  # what must move at the least for each class
    best: NearestDecision | None = None
    tried: set[tuple[float, float]] = set()  # where many classes are alike, as without any evidence, one stands for all
    for label in np.lexsort((-p, least)).tolist() if not len(never) else never.tolist():
        if best is not None and least[label] >= best.change - len(p) * STEP:
            break
        if (alike := (float(p[label]), float(highest[label]))) in tried:
            continue
        tried.add(alike)
        found = _raised(p, label, highest, 0.0)
        if best is None or found.change < best.change:
            best = found
    return best


def _by_doubt(p: Floats, threshold: float) -> NearestDecision | None:
    """Make the most probable class probable enough: 1 - BetP at most the threshold, and no other class beside it."""
    if threshold < 0.0:
        return None
    needed = min(max(_up(1.0 - threshold), 0.0), 1.0)
    return _raised(p, int(p.argmax()), p, needed)


def _raised(p: Floats, label: int, highest: Floats, needed: float) -> NearestDecision:
    """Move to `label` what the others have above `highest`, and so much more, from the most probable of them, that it
    has `needed` and is the most probable class."""
    lowered = np.minimum(p, highest)
    lowered[label] = 0.0
    rest = np.sort(np.delete(lowered, label))[::-1]
    already = p[label] + np.delete(p - lowered, label).sum()
    # The most probable j of the others share a level w: what they have above it must reach what the label lacks.
    counts, sums = np.arange(1, len(rest) + 1), rest.cumsum()
    if len(rest):
        if already - _APART < rest[0]:
            levels = (sums + already - _APART) / (counts + 1)
            lowered = np.minimum(lowered, _down(float(levels[_first_level(levels, rest)])))
        if needed - already > 0.0:
            levels = (sums - (needed - already)) / counts
            lowered = np.minimum(lowered, max(_down(float(levels[_first_level(levels, rest)])), 0.0))
    lowered[label] = p[label] + np.delete(p - lowered, label).sum()
    return _moved(p, lowered, label)


def _first_level(levels: Floats, rest: Floats) -> int:
    """The first level [j] that is not below the next of `rest`, which is in descending order."""
    following = np.append(rest[1:], -math.inf)
    return int(np.argmax(levels >= following))


def _by_cost(p: Floats, classes: tuple[str, ...], settings: AbstentionSettings) -> NearestDecision | None:
    """Bring the expected cost of one decision down to what an abstention costs."""
    table, most = matrix(classes, settings.costs), settings.abstain_cost
    above = expected_costs(p[None], classes, settings.costs)[0] - most
    steepest = np.maximum(table.max(axis=0) - table.min(axis=0), 1e-300)
    least = np.maximum(above, 0.0) / steepest
    best: NearestDecision | None = None
    for label in np.lexsort((-p, least)).tolist():
        if best is not None and least[label] >= best.change - len(p) * STEP:
            break
        found = _cheapened(p, label, table[:, label], most)
        if found is not None and (best is None or found.change < best.change):
            best = found
    if best is None:
        return None
    decided_for = int(expected_costs(best.betp[None], classes, settings.costs)[0].argmin())
    return best._replace(label=decided_for)


def _cheapened(p: Floats, label: int, costs: Floats, most: float) -> NearestDecision | None:
    """Move probability from the classes [K] that cost most, where `label` is decided, to the one that costs least,
    until the expected cost is at most `most`; None where it cannot be."""
    to = label if costs[label] <= costs.min() else int(costs.argmin())
    if costs[to] > most:
        return None
    betp = p.copy()
    for k in np.argsort(-costs, kind="stable").tolist():
        expected = float(betp @ costs)
        if costs[k] <= costs[to] or expected - most < -ROUNDING * (expected + most):
            break
        keeps = max(_down(p[k] - max(expected - most, 0.0) / (costs[k] - costs[to])), 0.0)
        betp[to] += p[k] - keeps
        betp[k] = keeps
    return _moved(p, betp, label)


def _moved(p: Floats, betp: Floats, label: int) -> NearestDecision:
    changed = np.where(betp != p, np.round(betp, 6), p)
    return NearestDecision(label, changed, float(np.maximum(p - betp, 0.0).sum()))


def _down(value: float) -> float:
    """The greatest figure on the grid that is safely below."""
    return (math.floor(value / STEP - _SAFE)) * STEP


def _up(value: float) -> float:
    """The least figure on the grid that is safely above."""
    return (math.ceil(value / STEP + _SAFE)) * STEP
