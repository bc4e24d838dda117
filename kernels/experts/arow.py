"""AROW on the n-grams of texts and of threads: a linear model that keeps, with each weight, how sure it is of it.

A text with n distinct n-grams has 1 / sqrt(n) for each of them, and one input BIAS. Each class has a model of its own
against the rest. With margin m = w x, t = +-1 and variances S (diagonal), where t m < 1:

    c = sum S x^2,   beta = 1 / (c + r / weight),   w += (1 - t m) beta t S x,   S -= beta (S x)^2

so that a rare n-gram learns in long steps and a common one in short ones, in one pass over the labels.

A thread is what one subject wrote, post by post, read as one growing text. Of a thread only its sums of weights, the
number of its n-grams and a sketch of which they were are kept: one bit an n-gram, in SKETCH bits, so that what was said
before adds nothing. So a post costs the same however long the thread is. A thread is learnt from its beginnings of 1,
2, 4, 8, ... posts and as a whole: a model of whole threads would be over-confident on first posts.

Class probabilities are softmax(a m); a is learnt from how those given before each label fare. `reference_*` are the
same formulae in plain numpy, as written, and a test holds the two together.

Source: Crammer, Kulesza & Dredze 2009, "Adaptive regularization of weight vectors", NIPS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.decision.calibration import fitted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.uint8]

BIAS = math.sqrt(0.1)
SKETCH = 1024
"""Bits of a thread's sketch. (Weibo threads of 100 posts: no worse than remembering every n-gram.)"""
STEP, LEAST_STEP = 0.5, 0.02
STEEP = 4.0
"""Within +- this the logarithm of a stays."""
LOG_SLOPE, STRENGTH, SEEN = range(3)
"""What `fit` holds: log a, the pseudo-counts that a probability is worth, the labels seen."""


class Linear(NamedTuple):
    """The state, changed in place; row D is the bias."""

    weights: Floats
    """[D + 1, K]"""
    variances: Floats
    """[D + 1, K]"""


class Threads(NamedTuple):
    """What is kept of T threads, changed in place."""

    sums: Floats
    """Sums of weights [T, K]."""
    counts: Ints
    """N-grams, int64 [T]."""
    sketches: Flags
    """uint8 [T, SKETCH / 8]"""


def threads(count: int, classes: int) -> Threads:
    """Threads in which nothing was said yet."""
    return Threads(np.zeros((count, classes)), np.zeros(count, np.int64), np.zeros((count, SKETCH // 8), np.uint8))


def new(buckets: int, classes: int) -> Linear:
    """Knows nothing: every margin is -1, so that a class that comes later is nobody's choice."""
    weights = np.zeros((buckets + 1, classes))
    weights[buckets] = -1.0 / BIAS
    return Linear(weights, np.ones((buckets + 1, classes)))


@kernel
def unheard(buckets: Ints, sketch: Flags, out: Ints, at: int) -> int:
    """The n-grams of a post that its thread has not heard, to `out`, and into the sketch; where `out` ends."""
    start = at
    for i in range(len(buckets)):
        place = buckets[i] % SKETCH
        if not (sketch[place >> 3] >> (place & 7)) & 1:
            out[at] = buckets[i]
            at += 1
    for i in range(start, at):
        place = out[i] % SKETCH
        sketch[place >> 3] |= np.uint8(1 << (place & 7))
    return at


@kernel
def margins(weights: Floats, sums: Floats, n: int, out: Floats) -> None:
    """The margins [K] of a text or thread of n n-grams, from the sums of their weights [K]."""
    K = len(sums)
    scale = 1.0 / math.sqrt(max(n, 1))
    for k in range(K):
        out[k] = sums[k] * scale + BIAS * weights[weights.shape[0] - 1, k]


@kernel
def probabilities(m: Floats, log_slope: float, out: Floats) -> None:
    """softmax(a m) into `out` [K]."""
    a = math.exp(log_slope)
    top = m.max()
    total = 0.0
    for k in range(len(m)):
        out[k] = math.exp(a * (m[k] - top))
        total += out[k]
    for k in range(len(m)):
        out[k] /= total


@kernel
def read(
    weights: Floats, fit: Floats, buckets: Ints, bounds: Ints, thread: Ints, now: Threads, after: Threads, gain: Floats
) -> Floats:
    """The evidence [B, K] of B posts in order; post b belongs to thread[b] of `now`, which it moves on.

    `after` [B, ..] is filled with its thread's state after each post, and `gain` [B, K] with by how much the post moved
    the thread's margins; both [0, ..] where nobody asks. Nothing heard, or nothing learnt: no evidence.
    """
    B, K = len(thread), weights.shape[1]
    out = np.empty((B, K))
    heard = np.empty(len(buckets), np.int64)
    m, before = np.empty(K), np.empty(K)
    worth = fit[STRENGTH] if fit[SEEN] > 0.0 else 0.0
    for b in range(B):
        t = thread[b]
        if gain.shape[0] > 0:
            margins(weights, now.sums[t], now.counts[t], before)
        n = unheard(buckets[bounds[b] : bounds[b + 1]], now.sketches[t], heard, 0)
        for i in range(n):
            for k in range(K):
                now.sums[t, k] += weights[heard[i], k]
        now.counts[t] += n
        margins(weights, now.sums[t], now.counts[t], m)
        probabilities(m, fit[LOG_SLOPE], out[b])
        for k in range(K):
            out[b, k] *= worth if now.counts[t] > 0 else 0.0
            if gain.shape[0] > 0:
                gain[b, k] = m[k] - before[k]
        if after.counts.shape[0] > 0:
            after.sums[b], after.counts[b], after.sketches[b] = now.sums[t], now.counts[t], now.sketches[t]
    return out


@kernel
def is_beginning(posts: int, all_posts: int) -> bool:
    """Whether a thread is learnt from its first so many posts: from 1, 2, 4, 8, ... and from all."""
    return (posts & (posts - 1)) == 0 or posts == all_posts


@kernel
def calibrate(m: Floats, y: int, weight: float, most: float, fit: Floats, p: Floats) -> None:
    """One step for a and for the strength, from margins that did not know this label yet; p [K] is scratch."""
    K = len(m)
    probabilities(m, fit[LOG_SLOPE], p)
    mean = 0.0
    for k in range(K):
        mean += p[k] * m[k]
    gradient = min(max(math.exp(fit[LOG_SLOPE]) * (m[y] - mean), -1.0), 1.0)
    step = min(weight, 1.0) * max(STEP / math.sqrt(1.0 + fit[SEEN]), LEAST_STEP)
    fit[STRENGTH] = fitted(fit[STRENGTH], p[y], K, weight, fit[SEEN], most)
    fit[LOG_SLOPE] = min(max(fit[LOG_SLOPE] + step * gradient, -STEEP), STEEP)
    fit[SEEN] += 1.0


@kernel
def move(model: Linear, heard: Ints, n: int, y: int, r: float) -> None:
    """Learn a text of the first n n-grams of `heard`."""
    weights, variances = model.weights, model.variances
    D, K = weights.shape[0] - 1, weights.shape[1]
    x = 1.0 / math.sqrt(n)
    for k in range(K):
        t = 1.0 if k == y else -1.0
        total, spread = 0.0, 0.0
        for i in range(n):
            total += weights[heard[i], k]
            spread += variances[heard[i], k]
        short = 1.0 - t * (total * x + BIAS * weights[D, k])
        if short <= 0.0:
            continue
        beta = 1.0 / (spread * x * x + variances[D, k] * BIAS * BIAS + r)
        for i in range(n):
            s = variances[heard[i], k]
            weights[heard[i], k] += short * beta * t * s * x
            variances[heard[i], k] = s - beta * (s * x) ** 2
        s = variances[D, k]
        weights[D, k] += short * beta * t * s * BIAS
        variances[D, k] = s - beta * (s * BIAS) ** 2


@kernel
def learn(
    model: Linear,
    buckets: Ints,
    bounds: Ints,
    threads: Ints,
    y: Ints,
    w: Floats,
    r: float,
    most: float,
    fit: Floats,
    said: Floats,
) -> None:
    """Learn T threads in order: thread t has the posts threads[t] to threads[t + 1] and the label y[t].

    `said` [T, K] is filled with the evidence for each whole thread just before it is learnt; [0, 0] where nobody asks.
    """
    K = model.weights.shape[1]
    heard = np.empty(len(buckets), np.int64)
    sums, m, p = np.empty(K), np.empty(K), np.empty(K)
    sketch = np.empty(SKETCH // 8, np.uint8)
    for t in range(len(y)):
        posts = threads[t + 1] - threads[t]
        ends = np.empty(posts, np.int64)
        sketch[:] = 0
        sums[:] = 0.0
        n = 0
        slope, worth = fit[LOG_SLOPE], fit[STRENGTH] if fit[SEEN] > 0.0 else 0.0
        for post in range(posts):
            b = threads[t] + post
            ends[post] = unheard(buckets[bounds[b] : bounds[b + 1]], sketch, heard, n)
            for i in range(n, ends[post]):
                for k in range(K):
                    sums[k] += model.weights[heard[i], k]
            n = ends[post]
            margins(model.weights, sums, n, m)
            if post == posts - 1 and said.shape[0] > 0:
                probabilities(m, slope, p)
                for k in range(K):
                    said[t, k] = p[k] * worth if n > 0 else 0.0
            if n > 0 and is_beginning(post + 1, posts):
                calibrate(m, y[t], w[t], most, fit, p)
        for post in range(posts):
            if ends[post] > 0 and is_beginning(post + 1, posts):
                move(model, heard, ends[post], y[t], r / w[t])


def reference_move(weights: Floats, variances: Floats, x: Floats, y: int, r: float) -> None:
    """`move` as the formulae are written: x [D + 1] are all inputs, weights and variances [D + 1, K]."""
    for k in range(weights.shape[1]):
        t = 1.0 if k == y else -1.0
        short = 1.0 - t * float(weights[:, k] @ x)
        if short > 0:
            beta = 1.0 / (float(variances[:, k] @ x**2) + r)
            moved = variances[:, k] * x
            weights[:, k] += short * beta * t * moved
            variances[:, k] -= beta * moved**2


def reference_inputs(posts: Sequence[Sequence[int]], buckets: int) -> Floats:
    """The inputs [D + 1] of a thread: each n-gram that no bit of the sketch was set for when its post came."""
    taken: set[int] = set()
    heard: list[int] = []
    for post in posts:
        new = [bucket for bucket in post if bucket % SKETCH not in taken]
        heard += new
        taken |= {bucket % SKETCH for bucket in new}
    x = np.zeros(buckets + 1)
    x[heard] = 1.0 / math.sqrt(max(len(heard), 1))
    x[buckets] = BIAS
    return x
