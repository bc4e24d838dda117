"""When what a subject wrote is enough for an alert: learnt from how labelled subjects fared, post by post.

A margin says how strongly all that a subject wrote speaks for a class. What it is worth depends on how much was read:
after one post of a user it may be worth nothing, after fifty very much. So for 1, 2, 4, ... 64 posts the margins of
labelled subjects of the class, and of the rest, are two normal distributions of one variance (discriminant analysis),
and between these numbers of posts the logarithm of the likelihood ratio is interpolated:

    lift = slope (d - (mean of the class + mean of the rest) / 2),   slope = (difference of the means) / variance

The lift is the evidence beyond the prior. With the log odds of the class among labelled subjects of late it gives those
of the subject, so that what it takes follows the share of the class as it moves. Where the class is not above the rest
the slope is 0.

The alert is raised where the lift is above 0 and the odds reach a threshold. That threshold is the one by which
labelled subjects of late would have fared best, had they been read post by post: the F1 of their alerts less what
latency takes of it, less the mean of ERDE5 and ERDE50 over the share of the class. Later subjects count more, since the
margins of earlier ones are those of a model that knew less. Margins are always those just before the subject's label
was learnt.

Sources: Losada & Crestani 2016 (ERDE), Sadeque et al. 2018 (latency).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 7
"""Numbers of posts for which means and variances are kept: 1, 2, 4, ... 64. Of more posts the last one tells."""
AT = np.array([1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100])
"""Numbers of posts at which thresholds are tried: Q of them."""
WINDOW = 512
"""Labelled subjects on which thresholds are tried: W."""
HALF_LIFE = 300.0
"""Labelled subjects after which one counts half in means, variances and the share of the class."""
LATE, LATE_SHARE = 200.0, 0.25
"""Labelled subjects after which one counts half where thresholds are tried; at most this share of all until then."""
LEAST = 3.0
"""With fewer subjects of either kind nothing is known of their margins."""
EARNED = 1e-3
"""The least lift that an alert takes."""
STEPS, STEP = 51, 0.1
"""Thresholds that are tried, in log odds, from the least on."""
SMOOTH = 3.0
"""Standard deviation, in steps, over which what thresholds are worth is smoothed."""
PULL = 0.005
"""By this much, times the square of its log odds, a threshold is worth less: where all fare alike it is even odds."""
PENALTY = 0.0078
"""By how much latency grows with each post."""

_IN, _REST = 1, 0


class SubjectRecord(NamedTuple):
    """How labelled subjects fared, changed in place; K classes."""

    moments: Floats
    """Sums of 1, d and d² of the rest and of the class, faded: [K, BINS, 2, 3]."""
    counts: Floats
    """Labelled subjects of the rest and of the class, faded: [K, 2]."""
    margins: Floats
    """Margins of the latest subjects after `AT` posts, [W, Q, K]; after fewer posts those after all."""
    posts: Ints
    """How many posts each had, [W]."""
    y: Ints
    """The class of each, [W]."""
    seen: Ints
    """How many were noted at all, [1]."""


class Calibration(NamedTuple):
    """What a margin is worth, by the number of posts: lift = slopes d + offsets, each [BINS]."""

    slopes: Floats
    offsets: Floats
    prior: float
    """The log odds of the class among labelled subjects of late."""


def empty(classes: int) -> SubjectRecord:
    """Nothing noted yet."""
    return SubjectRecord(
        np.zeros((classes, BINS, 2, 3)),
        np.zeros((classes, 2)),
        np.zeros((WINDOW, len(AT), classes)),
        np.zeros(WINDOW, np.int64),
        np.zeros(WINDOW, np.int64),
        np.zeros(1, np.int64),
    )


def widened(record: SubjectRecord, classes: int) -> SubjectRecord:
    """The same with room for more classes, of which nothing is known."""
    wide, old = empty(classes), record.moments.shape[0]
    wide.moments[:old], wide.counts[:old], wide.margins[..., :old] = record.moments, record.counts, record.margins
    return SubjectRecord(wide.moments, wide.counts, wide.margins, record.posts, record.y, record.seen)


def beyond_others(margins: Floats) -> Floats:
    """By how much each class's margin exceeds the greatest of the others, [..., K]; 0 for a single class.

    >>> beyond_others(np.array([1.0, 3.0, 2.5])).tolist()
    [-2.0, 0.5, -0.5]
    """
    if margins.shape[-1] < 2:
        return np.zeros_like(margins)
    two = np.sort(margins, axis=-1)[..., -2:]
    others: Floats = np.where(margins == two[..., 1:], two[..., :1], two[..., 1:])
    return margins - others


def note(record: SubjectRecord, margins: Floats, y: int, weight: float) -> None:
    """Note a labelled subject of class y, by its margins after each of its posts [n, K], before its label is learnt."""
    n, K = margins.shape
    fade, weight = 0.5 ** (1.0 / HALF_LIFE), min(weight, 1.0)
    record.moments[:] *= fade
    record.counts[:] *= fade
    d = beyond_others(margins)
    for k in range(K):
        side = _IN if k == y else _REST
        record.counts[k, side] += weight
        for j in range(BINS):
            if 1 << j <= n:
                value = d[(1 << j) - 1, k]
                record.moments[k, j, side] += weight * np.array([1.0, value, value * value])
    at = int(record.seen[0]) % WINDOW
    record.margins[at] = margins[np.minimum(AT, n) - 1]
    record.posts[at], record.y[at] = n, y
    record.seen[0] += 1


def calibration(record: SubjectRecord, k: int) -> Calibration:
    """What margins of class k are worth now."""
    slopes, offsets = np.zeros(BINS), np.zeros(BINS)
    for j in range(BINS):
        n, total, squares = record.moments[k, j].T
        if n.min() < LEAST:  # few subjects wrote so many posts
            slopes[j:], offsets[j:] = (slopes[j - 1], offsets[j - 1]) if j else (0.0, 0.0)
            break
        mean = total / n
        variance = max(float((squares - n * mean**2).sum()) / max(float(n.sum()) - 2.0, 1.0), 1e-9)
        slopes[j] = max(float(mean[_IN] - mean[_REST]), 0.0) / variance
        offsets[j] = -slopes[j] * float(mean.sum()) / 2.0
    rest, own = record.counts[k].tolist()
    return Calibration(slopes, offsets, math.log((own + 1.0) / (rest + 1.0)))


def lift(known: Calibration, posts: int, d: float) -> float:
    """The log likelihood ratio of a margin that exceeds the others by d after so many posts."""
    x = min(math.log2(max(posts, 1)), BINS - 1.0)
    j = min(int(x), BINS - 2)
    here, there = 1.0 - (x - j), x - j
    slope = here * known.slopes[j] + there * known.slopes[j + 1]
    return float(slope * d + here * known.offsets[j] + there * known.offsets[j + 1])


def threshold(record: SubjectRecord, k: int, known: Calibration) -> float:
    """The log odds of class k from which on an alert is raised."""
    n = min(int(record.seen[0]), WINDOW)
    age = np.arange(n) if n < WINDOW else (np.arange(WINDOW) - record.seen[0]) % WINDOW
    weight = 0.5 ** ((n - 1 - age) / min(LATE, max(LATE_SHARE * float(record.seen[0]), 1.0)))
    tried = known.prior + EARNED + STEP * np.arange(STEPS)
    if not n:
        return float(tried[0])
    posts = record.posts[:n]
    d = beyond_others(record.margins[:n])[..., k]
    x = np.log2(np.minimum(AT, 1 << (BINS - 1)))
    slopes, offsets = (np.interp(x, np.arange(BINS), values) for values in (known.slopes, known.offsets))
    odds = np.where(posts[:, None] >= AT, slopes * d + offsets + known.prior, -np.inf)
    first = (np.maximum.accumulate(odds, axis=1)[:, :, None] < tried).sum(axis=1)
    worth = _worth(first, record.y[:n] == k, weight)
    bell = np.exp(-0.5 * (np.arange(-10, 11) / SMOOTH) ** 2)
    smooth = np.convolve(np.pad(worth, 10, mode="edge"), bell / bell.sum(), "valid")
    return float(tried[int(np.argmax(smooth - PULL * tried**2))])


def _worth(first: Ints, own: NDArray[np.bool_], weight: Floats) -> Floats:
    """What each of T thresholds is worth, from where in `AT` it is first reached [n, T]; Q for never."""
    hit, read = first < len(AT), AT[np.minimum(first, len(AT) - 1)].astype(np.float64)
    right, w = hit & own[:, None], weight[:, None]
    total, positive = float(weight.sum()), float(weight[own].sum())
    share = max(positive / total, 1e-9)
    found, false = (w * right).sum(axis=0), (w * (hit & ~own[:, None])).sum(axis=0)
    f1 = 2.0 * found / np.maximum(found + false + positive, 1e-9)
    late = (w * right * (2.0 / (1.0 + np.exp(-PENALTY * (read - 1.0))) - 1.0)).sum(axis=0) / np.maximum(found, 1e-9)
    cost = np.zeros_like(f1)
    for o in (5, 50):
        delay = (w * right / (1.0 + np.exp(np.minimum(o - read, 700.0)))).sum(axis=0)
        cost += 0.5 * (delay + positive - found + false * share) / total
    worth: Floats = f1 * (1.0 - late) - cost / share
    return worth
