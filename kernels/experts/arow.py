"""AROW on the n-grams of texts and of subjects: a linear model that keeps a variance with each weight.

The inputs x of a text are two blocks and one input BIAS. Of the *listed* n-grams each counts once, however often it is
written: n of them have sqrt(1 - share) / sqrt(n) each. Of the *summed* ones each post has a unit vector, and q posts
have the sum of theirs, times sqrt(share) / sqrt(q), so that what is written often counts more. With share 0 the second
block is empty. Each class has a model of its own against the rest. With margin m = w x, t = +-1 and variances S
(diagonal), where t m < 1:

    c = sum S x^2,   beta = 1 / (c + r / weight),   w += (1 - t m) beta t S x,   S -= beta (S x)^2

so that a rare n-gram learns in long steps and a common one in short ones, in one pass over the labels.

What one subject wrote, post by post, is read as one growing text. Only a small state is kept of it, the subject text
state: of each block the sum of its n-grams' weights and their number (of the summed block, that of posts), and a sketch
of which the listed ones were. The sketch has SKETCH bits, one for each n-gram by its hash. A post therefore costs the
same however long the text before it is. The model learns from a subject's first 1, 2, 4, 8, ... posts and from all of
them: a model that learnt from whole texts alone would be over-confident on first posts.

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
SKETCH = 4096
"""Bits of a subject's sketch. With 1,024 hardly a new n-gram is heard from the fiftieth post on."""
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
    """Of each block the sum of weights [T, 2, K]: of the listed n-grams, and of the summed unit vectors."""
    counts: Ints
    """Listed n-grams, and posts that had a summed one, int64 [T, 2]."""
    sketches: Flags
    """uint8 [T, SKETCH / 8]"""


def empty_texts(count: int, classes: int) -> SubjectTexts:
    """The states of subjects that have written nothing yet."""
    sketches = np.zeros((count, SKETCH // 8), np.uint8)
    return SubjectTexts(np.zeros((count, 2, classes)), np.zeros((count, 2), np.int64), sketches)


def new(buckets: int, classes: int) -> Linear:
    """A model that has learnt nothing. Every margin is -1, so that a class that comes later is not chosen at first."""
    weights = np.zeros((buckets + 1, classes))
    weights[buckets] = -1.0 / BIAS
    return Linear(weights, np.ones((buckets + 1, classes)))


class Posts(NamedTuple):
    """The n-grams of B posts, in order; each post names an n-gram of a block once."""

    listed: Ints
    """The hashed n-grams of which each counts once, of all posts, one post after the other."""
    bounds: Ints
    """[B + 1]: post b has listed[bounds[b] : bounds[b + 1]]."""
    summed: Ints
    """The hashed n-grams that are summed post by post."""
    summed_bounds: Ints
    """[B + 1]: post b has summed[summed_bounds[b] : summed_bounds[b + 1]]."""
    share: float
    """The summed block's share of the squared norm."""


def listed_posts(buckets: Ints, bounds: Ints) -> Posts:
    """Posts without a summed block."""
    return Posts(buckets, bounds, np.empty(0, np.int64), np.zeros(len(bounds), np.int64), 0.0)


class Labels(NamedTuple):
    """What T subjects wrote, and their labels."""

    subjects: Ints
    """[T + 1]: subject t wrote the posts subjects[t] to subjects[t + 1]."""
    y: Ints
    """[T], classes."""
    weight: Floats
    """[T]"""


class Text(NamedTuple):
    """The inputs of one text but for the bias, as scratch that is used again and again."""

    rows: Ints
    """N-grams; only the first so many are in use."""
    x: Floats
    """The input of each."""
    place: Ints
    """[D], where an n-gram of the summed block stands in `said`, counted from 1; 0 for none; [0] without that block."""
    said: Ints
    """The different n-grams of the summed block."""
    often: Floats
    """The sum of their unit vectors' components."""


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
def margins(weights: Floats, sums: Floats, counts: Ints, share: float, out: Floats) -> None:
    """The margins [K] of a text, from the sums of its blocks [2, K] and what they count [2]."""
    K = sums.shape[1]
    listed = math.sqrt((1.0 - share) / max(counts[0], 1))
    summed = math.sqrt(share / max(counts[1], 1))
    for k in range(K):
        out[k] = sums[0, k] * listed + sums[1, k] * summed + BIAS * weights[weights.shape[0] - 1, k]


@kernel
def add_post(
    weights: Floats, posts: Posts, b: int, ngrams: Ints, span: tuple[int, int], sums: Floats, counts: Ints
) -> None:
    """Add post b to the sums and counts of a text; ngrams[span[0] : span[1]] are its listed n-grams that are new."""
    K = sums.shape[1]
    for i in range(span[0], span[1]):
        for k in range(K):
            sums[0, k] += weights[ngrams[i], k]
    counts[0] += span[1] - span[0]
    start, end = posts.summed_bounds[b], posts.summed_bounds[b + 1]
    if end > start:
        unit = 1.0 / math.sqrt(end - start)
        for i in range(start, end):
            for k in range(K):
                sums[1, k] += unit * weights[posts.summed[i], k]
        counts[1] += 1


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
    listed, bounds = posts.listed, posts.bounds
    out = np.empty((B, K))
    ngrams = np.empty(len(listed), np.int64)
    m, before = np.empty(K), np.empty(K)
    strength = fit[STRENGTH] if fit[SEEN] > 0.0 else 0.0
    for b in range(B):
        t = subject[b]
        sums, counts = state.sums[t], state.counts[t]
        if gain.shape[0] > 0:
            margins(weights, sums, counts, posts.share, before)
        n = add_new_ngrams(listed[bounds[b] : bounds[b + 1]], state.sketches[t], ngrams, 0)
        add_post(weights, posts, b, ngrams, (0, n), sums, counts)
        margins(weights, sums, counts, posts.share, m)
        probabilities(m, fit[LOG_SLOPE], out[b])
        for k in range(K):
            out[b, k] *= strength if counts[0] + counts[1] > 0 else 0.0
            if gain.shape[0] > 0:
                gain[b, k] = m[k] - before[k]
        if after.counts.shape[0] > 0:
            after.sums[b], after.counts[b], after.sketches[b] = sums, counts, state.sketches[t]
    return out


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
def learn_inputs(model: Linear, text: Text, n: int, y: int, r: float) -> None:
    """Learn a text of the first n inputs of `text`, of class y."""
    weights, variances = model.weights, model.variances
    D, K = weights.shape[0] - 1, weights.shape[1]
    rows, x = text.rows, text.x
    for k in range(K):
        t = 1.0 if k == y else -1.0
        total, spread = 0.0, 0.0
        for i in range(n):
            total += weights[rows[i], k] * x[i]
            spread += variances[rows[i], k] * x[i] * x[i]
        short = 1.0 - t * (total + BIAS * weights[D, k])
        if short <= 0.0:
            continue
        beta = 1.0 / (spread + variances[D, k] * BIAS * BIAS + r)
        for i in range(n):
            s = variances[rows[i], k]
            weights[rows[i], k] += short * beta * t * s * x[i]
            variances[rows[i], k] = s - beta * (s * x[i]) ** 2
        s = variances[D, k]
        weights[D, k] += short * beta * t * s * BIAS
        variances[D, k] = s - beta * (s * BIAS) ** 2


@kernel
def say(buckets: Ints, text: Text, different: int) -> int:
    """Add the unit vector of one post's summed n-grams to those said before, which have so many different n-grams;
    returns how many they have now."""
    unit = 1.0 / math.sqrt(max(len(buckets), 1))
    for i in range(len(buckets)):
        at = text.place[buckets[i]]
        if at == 0:
            text.said[different], text.often[different] = buckets[i], 0.0
            different += 1
            text.place[buckets[i]] = at = different
        text.often[at - 1] += unit
    return different


@kernel
def put_together(text: Text, listed: Ints, n: int, different: int, posts: int, share: float) -> int:
    """The inputs of a text of the first n of `listed`, and of so many different n-grams that so many posts said, into
    `text`. Returns how many there are. An n-gram of both blocks (by its hash) has the sum of both."""
    scale = math.sqrt(share / max(posts, 1))
    for i in range(different):
        text.rows[i], text.x[i] = text.said[i], scale * text.often[i]
    once = math.sqrt((1.0 - share) / max(n, 1))
    end = different
    for i in range(n):
        at = text.place[listed[i]] if different > 0 else 0
        if at > 0:
            text.x[at - 1] += once
        else:
            text.rows[end], text.x[end] = listed[i], once
            end += 1
    return end


@kernel
def scratch(posts: Posts, buckets: int) -> Text:
    """Room for the inputs of any text of these posts, in a model of so many buckets."""
    most, summed = len(posts.listed) + len(posts.summed), len(posts.summed)
    place = np.zeros(buckets if summed > 0 else 0, np.int64)
    return Text(np.empty(most, np.int64), np.empty(most), place, np.empty(summed, np.int64), np.empty(summed))


@kernel
def learn_prefixes(
    model: Linear, posts: Posts, span: tuple[int, int], ngrams: Ints, ends: Ints, y: int, r: float, text: Text
) -> None:
    """Learn posts[span[0] : span[1]] of one subject of class y, from its prefixes. Post i of them has the new listed
    n-grams up to ends[i] of `ngrams`."""
    first, stop = span
    different, said_posts = 0, 0
    for b in range(first, stop):
        start, end = posts.summed_bounds[b], posts.summed_bounds[b + 1]
        if end > start:
            different = say(posts.summed[start:end], text, different)
            said_posts += 1
        if is_learnt_prefix(b - first + 1, stop - first):
            n = put_together(text, ngrams, ends[b - first], different, said_posts, posts.share)
            if n > 0:
                learn_inputs(model, text, n, y, r)
    for i in range(different):
        text.place[text.said[i]] = 0


@kernel
def learn(model: Linear, posts: Posts, labels: Labels, r: float, most: float, fit: Floats, answers: Floats) -> None:
    """Learn the labels of T subjects in order; r is AROW's regularisation, and `most` bounds the strength.

    `answers` [T, K] is filled with the evidence for each whole text just before it is learnt; [0, 0] where nobody asks.
    """
    subjects, y, weight = labels
    K = model.weights.shape[1]
    ngrams, text = np.empty(len(posts.listed), np.int64), scratch(posts, model.weights.shape[0] - 1)
    sums, counts, m, p = np.empty((2, K)), np.empty(2, np.int64), np.empty(K), np.empty(K)
    sketch = np.empty(SKETCH // 8, np.uint8)
    for t in range(len(y)):
        count = subjects[t + 1] - subjects[t]
        ends = np.empty(count, np.int64)
        sketch[:] = 0
        sums[:] = 0.0
        counts[:] = 0
        n = 0
        log_slope, strength = fit[LOG_SLOPE], fit[STRENGTH] if fit[SEEN] > 0.0 else 0.0
        for post in range(count):
            b = subjects[t] + post
            ends[post] = add_new_ngrams(posts.listed[posts.bounds[b] : posts.bounds[b + 1]], sketch, ngrams, n)
            add_post(model.weights, posts, b, ngrams, (n, ends[post]), sums, counts)
            n = ends[post]
            margins(model.weights, sums, counts, posts.share, m)
            has = counts[0] + counts[1] > 0
            if post == count - 1 and answers.shape[0] > 0:
                probabilities(m, log_slope, p)
                for k in range(K):
                    answers[t, k] = p[k] * strength if has else 0.0
            if has and is_learnt_prefix(post + 1, count):
                calibrate(m, y[t], weight[t], most, fit, p)
        learn_prefixes(model, posts, (subjects[t], subjects[t + 1]), ngrams, ends, y[t], r / weight[t], text)


def reference_learn_text(weights: Floats, variances: Floats, x: Floats, y: int, r: float) -> None:
    """What is learnt of a text as the formulae are written: x [D + 1] are its inputs, weights, variances [D + 1, K]."""
    for k in range(weights.shape[1]):
        t = 1.0 if k == y else -1.0
        short = 1.0 - t * float(weights[:, k] @ x)
        if short > 0:
            beta = 1.0 / (float(variances[:, k] @ x**2) + r)
            step = variances[:, k] * x
            weights[:, k] += short * beta * t * step
            variances[:, k] -= beta * step**2


def reference_inputs(
    posts: Sequence[Sequence[int]], summed: Sequence[Sequence[int]], share: float, buckets: int
) -> Floats:
    """The inputs [D + 1] of a subject's text. Of its listed n-grams `posts` it has each whose bit was not set in the
    sketch when its post came, and of the summed ones each post's unit vector."""
    bits: set[int] = set()
    ngrams: list[int] = []
    for post in posts:
        new = [bucket for bucket in post if bucket % SKETCH not in bits]
        ngrams += new
        bits |= {bucket % SKETCH for bucket in new}
    x = np.zeros(buckets + 1)
    x[ngrams] = math.sqrt(1.0 - share) / math.sqrt(max(len(ngrams), 1))
    said = [post for post in summed if post]
    for post in said:
        x[list(post)] += math.sqrt(share) / math.sqrt(len(post) * len(said))
    x[buckets] = BIAS
    return x
