"""AROW on the n-grams of texts and of subjects: a linear model that keeps a variance with each weight.

A text with n distinct n-grams has 1 / sqrt(n) for each of them, and one input BIAS. Each class has a model of its own
against the rest. With margin m = w x, t = +-1 and variances S (diagonal), where t m < 1:

    c = sum S x^2,   beta = 1 / (c + r / weight),   w += (1 - t m) beta t S x,   S -= beta (S x)^2

so that a rare n-gram learns in long steps and a common one in short ones, in one pass over the labels.

What one subject wrote, post by post, is read as one growing text. Only a small state is kept of it, the subject text
state: the sums of its n-grams' weights, their number, and a sketch of which they were. The sketch has SKETCH bits, one
for each n-gram by its hash, so that an n-gram counts once however often it is written. A post therefore costs the same
however long the text before it is. The model learns from a subject's first 1, 2, 4, 8, ... posts and from all of them:
a model that learnt from whole texts alone would be over-confident on first posts.

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
"""Bits of a subject's sketch. (Measured on Weibo subjects of 100 posts: no worse than remembering every n-gram.)"""
STEP, LEAST_STEP = 0.5, 0.02
STEEP = 4.0
"""The logarithm of a stays within +- this."""
LOG_SLOPE, STRENGTH, SEEN = range(3)
"""What `fit` holds: log a, the pseudo-counts that a probability is worth, the labels seen."""


class Linear(NamedTuple):
    """The state, changed in place; row D is the bias."""

    weights: Floats
    """[D + 1, K]"""
    variances: Floats
    """[D + 1, K]"""


class SubjectTexts(NamedTuple):
    """The text states of T subjects, changed in place."""

    sums: Floats
    """Sums of weights [T, K]."""
    counts: Ints
    """N-grams, int64 [T]."""
    sketches: Flags
    """uint8 [T, SKETCH / 8]"""


def empty_texts(count: int, classes: int) -> SubjectTexts:
    """The states of subjects that have written nothing yet."""
    return SubjectTexts(np.zeros((count, classes)), np.zeros(count, np.int64), np.zeros((count, SKETCH // 8), np.uint8))


def new(buckets: int, classes: int) -> Linear:
    """A model that has learnt nothing. Every margin is -1, so that a class that comes later is not chosen at first."""
    weights = np.zeros((buckets + 1, classes))
    weights[buckets] = -1.0 / BIAS
    return Linear(weights, np.ones((buckets + 1, classes)))


class Posts(NamedTuple):
    """The n-grams of B posts, in order."""

    buckets: Ints
    """The hashed n-grams of all posts, one post after the other."""
    bounds: Ints
    """[B + 1]: post b has buckets[bounds[b] : bounds[b + 1]]."""


class Labels(NamedTuple):
    """What T subjects wrote, and their labels."""

    subjects: Ints
    """[T + 1]: subject t wrote the posts subjects[t] to subjects[t + 1]."""
    y: Ints
    """[T], classes."""
    weight: Floats
    """[T]"""


@kernel
def add_new_ngrams(buckets: Ints, sketch: Flags, out: Ints, stop: int) -> int:
    """Write the n-grams of a post that are new by its subject's sketch to `out` from `stop` on, and add them to the
    sketch. Returns where `out` ends now."""
    start = stop
    for i in range(len(buckets)):
        bit = buckets[i] % SKETCH
        if not (sketch[bit >> 3] >> (bit & 7)) & 1:
            out[stop] = buckets[i]
            stop += 1
    for i in range(start, stop):
        bit = out[i] % SKETCH
        sketch[bit >> 3] |= np.uint8(1 << (bit & 7))
    return stop


@kernel
def margins(weights: Floats, sums: Floats, n: int, out: Floats) -> None:
    """The margins [K] of a text of n n-grams, from the sums of their weights [K]."""
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
    weights: Floats, fit: Floats, posts: Posts, subject: Ints, state: SubjectTexts, after: SubjectTexts, gain: Floats
) -> Floats:
    """The evidence [B, K] of B posts in order; post b belongs to subject[b] of `state`, which is updated by it.

    `after` [B, ..] is filled with the subject's state after each post, and `gain` [B, K] with how much the post added
    to the subject's margins; both have no rows where nobody asks. Without an n-gram, or before anything was learnt, the
    evidence is vacuous.
    """
    B, K = len(subject), weights.shape[1]
    buckets, bounds = posts
    out = np.empty((B, K))
    ngrams = np.empty(len(buckets), np.int64)
    m, before = np.empty(K), np.empty(K)
    strength = fit[STRENGTH] if fit[SEEN] > 0.0 else 0.0
    for b in range(B):
        t = subject[b]
        if gain.shape[0] > 0:
            margins(weights, state.sums[t], state.counts[t], before)
        n = add_new_ngrams(buckets[bounds[b] : bounds[b + 1]], state.sketches[t], ngrams, 0)
        for i in range(n):
            for k in range(K):
                state.sums[t, k] += weights[ngrams[i], k]
        state.counts[t] += n
        margins(weights, state.sums[t], state.counts[t], m)
        probabilities(m, fit[LOG_SLOPE], out[b])
        for k in range(K):
            out[b, k] *= strength if state.counts[t] > 0 else 0.0
            if gain.shape[0] > 0:
                gain[b, k] = m[k] - before[k]
        if after.counts.shape[0] > 0:
            copy_state(state, t, after, b)
    return out


@kernel
def copy_state(state: SubjectTexts, t: int, to: SubjectTexts, b: int) -> None:
    """Copy the state of subject t to row b of `to`."""
    for k in range(state.sums.shape[1]):
        to.sums[b, k] = state.sums[t, k]
    to.counts[b] = state.counts[t]
    for i in range(state.sketches.shape[1]):
        to.sketches[b, i] = state.sketches[t, i]


@kernel
def is_learnt_prefix(posts: int, all_posts: int) -> bool:
    """Whether the model learns from a subject's first so many posts: 1, 2, 4, 8, ... and all of them."""
    return (posts & (posts - 1)) == 0 or posts == all_posts


@kernel
def calibrate(m: Floats, y: int, weight: float, most: float, fit: Floats, p: Floats) -> None:
    """One step for a and for the strength, from margins before this label was learnt; p [K] is scratch."""
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
def learn_text(model: Linear, ngrams: Ints, n: int, y: int, r: float) -> None:
    """Learn a text of the first n n-grams of `ngrams`, of class y."""
    weights, variances = model.weights, model.variances
    D, K = weights.shape[0] - 1, weights.shape[1]
    x = 1.0 / math.sqrt(n)
    for k in range(K):
        t = 1.0 if k == y else -1.0
        total, spread = 0.0, 0.0
        for i in range(n):
            total += weights[ngrams[i], k]
            spread += variances[ngrams[i], k]
        short = 1.0 - t * (total * x + BIAS * weights[D, k])
        if short <= 0.0:
            continue
        beta = 1.0 / (spread * x * x + variances[D, k] * BIAS * BIAS + r)
        for i in range(n):
            s = variances[ngrams[i], k]
            weights[ngrams[i], k] += short * beta * t * s * x
            variances[ngrams[i], k] = s - beta * (s * x) ** 2
        s = variances[D, k]
        weights[D, k] += short * beta * t * s * BIAS
        variances[D, k] = s - beta * (s * BIAS) ** 2


@kernel
def learn(model: Linear, posts: Posts, labels: Labels, r: float, most: float, fit: Floats, answers: Floats) -> None:
    """Learn the labels of T subjects in order; r is AROW's regularisation, and `most` bounds the strength.

    `answers` [T, K] is filled with the evidence for each whole text just before it is learnt; [0, 0] where nobody asks.
    """
    buckets, bounds = posts
    subjects, y, weight = labels
    K = model.weights.shape[1]
    ngrams = np.empty(len(buckets), np.int64)
    sums, m, p = np.empty(K), np.empty(K), np.empty(K)
    sketch = np.empty(SKETCH // 8, np.uint8)
    for t in range(len(y)):
        count = subjects[t + 1] - subjects[t]
        ends = np.empty(count, np.int64)
        sketch[:] = 0
        sums[:] = 0.0
        n = 0
        log_slope, strength = fit[LOG_SLOPE], fit[STRENGTH] if fit[SEEN] > 0.0 else 0.0
        for post in range(count):
            b = subjects[t] + post
            ends[post] = add_new_ngrams(buckets[bounds[b] : bounds[b + 1]], sketch, ngrams, n)
            for i in range(n, ends[post]):
                for k in range(K):
                    sums[k] += model.weights[ngrams[i], k]
            n = ends[post]
            margins(model.weights, sums, n, m)
            if post == count - 1 and answers.shape[0] > 0:
                probabilities(m, log_slope, p)
                for k in range(K):
                    answers[t, k] = p[k] * strength if n > 0 else 0.0
            if n > 0 and is_learnt_prefix(post + 1, count):
                calibrate(m, y[t], weight[t], most, fit, p)
        for post in range(count):
            if ends[post] > 0 and is_learnt_prefix(post + 1, count):
                learn_text(model, ngrams, ends[post], y[t], r / weight[t])


def reference_learn_text(weights: Floats, variances: Floats, x: Floats, y: int, r: float) -> None:
    """`learn_text` as the formulae are written: x [D + 1] are all inputs, weights and variances [D + 1, K]."""
    for k in range(weights.shape[1]):
        t = 1.0 if k == y else -1.0
        short = 1.0 - t * float(weights[:, k] @ x)
        if short > 0:
            beta = 1.0 / (float(variances[:, k] @ x**2) + r)
            step = variances[:, k] * x
            weights[:, k] += short * beta * t * step
            variances[:, k] -= beta * step**2


def reference_inputs(posts: Sequence[Sequence[int]], buckets: int) -> Floats:
    """The inputs [D + 1] of a subject's text: each n-gram whose bit was not set in the sketch when its post came."""
    bits: set[int] = set()
    ngrams: list[int] = []
    for post in posts:
        new = [bucket for bucket in post if bucket % SKETCH not in bits]
        ngrams += new
        bits |= {bucket % SKETCH for bucket in new}
    x = np.zeros(buckets + 1)
    x[ngrams] = 1.0 / math.sqrt(max(len(ngrams), 1))
    x[buckets] = BIAS
    return x
