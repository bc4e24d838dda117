"""Linear and quadratic discriminants of the latest examples of a rare class.

All events have mean m and covariance C, a Gaussian that a rare class hardly moves. With o = x - m, and d the mean of
the offsets of n examples, the log likelihood ratio of the class is

    linear      o' C^-1 d - d' C^-1 d / 2
    quadratic   (|L^-1 o|^2 - |M^-1 (o - d)|^2) / 2 + log det L - log det M,   C = L L',   M M' = (10 C + S) / (10 + n)

with S the sum of the n examples' deviations from d, multiplied by themselves. In the linear one each input of d is
drawn to 0 by the positive part of James and Stein: d max(0, 1 - C_ff / (n d^2)). Which memory is the right one is not
known, and changes with every drift: the density of the class is the mean of all densities, weighted by how well each
foretold the labels, and a part of all weight is shared out again at each label of the class.

On two shifted inputs of six, one event in 500, with a drift half-way, this has 86% of the area under the
precision-recall curve that the true odds have; a single memory has at most 78%.

Sources: Efron & Morris 1973, "Stein's estimation rule and its competitors"; Friedman 1989, "Regularized discriminant
analysis"; Herbster & Warmuth 1998, "Tracking the best expert" (fixed share).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.experts.rare_class.state import (
    FAMILIES,
    HEADS,
    LATEST,
    LINEAR,
    QUADRATIC,
    VIEWS,
    Common,
    Examples,
    Heads,
)

Floats = NDArray[np.float64]

CLIP, FAR_OUT = 10.0, 1_000.0
"""Offsets are clipped at so many standard deviations: where they are judged, and where the moments learn them."""
LARGEST = 1e140
"""They are always clipped here, where their squares are finite."""
FIRST_ROWS = 10.0
"""Events before the moments clip what they learn."""
READY = 50.0
"""Events before the moments are used."""
OLD = 0.998
"""What an example keeps at each later one in the memory of all."""
PRIOR_ROWS = 10.0
"""Examples that the common covariance counts as."""
FARTHEST = 10.0
"""A log likelihood ratio is clipped here."""
SHARED, EXCHANGED = 0.1, 0.01
"""The parts of its weight that a family of discriminants shares out again among its memories, and that all share out
among the families, at a label of the class. Which family is right hardly ever changes; the right memory does."""
RIDGE = 1e-6


@kernel
def offsets(common: Common, x: Floats, o: Floats) -> None:
    """The offsets of one event x [D] from the common mean, in each view, into o [VIEWS, D]; 0 for what is not known."""
    for f in range(len(x)):
        known = math.isfinite(x[f])
        for v in range(VIEWS):
            value = x[f] if v == 0 else math.copysign(math.log1p(abs(x[f])), x[f])
            o[v, f] = min(max(value - common.mean[v, f], -LARGEST), LARGEST) if known else 0.0


@kernel
def clip(common: Common, most: float, o: Floats) -> None:
    """Clip offsets o [VIEWS, D] at so many standard deviations, where their column has varied yet."""
    for v in range(VIEWS):
        for f in range(o.shape[1]):
            if common.covariance[v, f, f] > 0.0:
                far = most * math.sqrt(common.covariance[v, f, f])
                o[v, f] = min(max(o[v, f], -far), far)


@kernel
def learn_common(common: Common, o: Floats, memory: float) -> None:
    """Take the offsets o [VIEWS, D] of one event into the common moments; they are clipped far out.

    A flag that one event in a thousand has lies thirty standard deviations from its mean, and clipped nearer its
    variance would go to 0.
    """
    if common.rows[0] >= FIRST_ROWS:
        clip(common, FAR_OUT, o)
    common.rows[0] = min(common.rows[0] + 1.0, memory)
    share = 1.0 / common.rows[0]
    for v in range(VIEWS):
        for f in range(o.shape[1]):
            common.mean[v, f] += share * o[v, f]
            for g in range(f + 1):
                product = (1.0 - share) * o[v, f] * o[v, g]
                common.covariance[v, f, g] += share * (product - common.covariance[v, f, g])


@kernel
def factorise(A: Floats, L: Floats) -> float:
    """The lower Cholesky factor of A [D, D], of which the lower triangle counts, into L; returns log det A.

    A ridge of a millionth keeps columns that say the same apart, and one that never varied has variance 1.
    """
    total = 0.0
    for i in range(len(A)):
        for j in range(i + 1):
            value = A[i, j]
            if i == j:
                value = value * (1.0 + RIDGE) if value > 1e-24 else 1.0
            for k in range(j):
                value -= L[i, k] * L[j, k]
            if i == j:
                L[i, i] = math.sqrt(max(value, 1e-3 * RIDGE * max(A[i, i], 1e-24)))
                total += 2.0 * math.log(L[i, i])
            else:
                L[i, j] = value / L[j, j]
    return total


@kernel
def solve(L: Floats, b: Floats, out: Floats) -> float:
    """L^-1 b into `out` [D]; returns its squared length."""
    total = 0.0
    for i in range(len(b)):
        value = b[i]
        for k in range(i):
            value -= L[i, k] * out[k]
        out[i] = value / L[i, i]
        total += out[i] * out[i]
    return total


@kernel
def solve_transposed(L: Floats, b: Floats) -> None:
    """L'^-1 b into b [D] itself."""
    for i in range(len(b) - 1, -1, -1):
        for k in range(i + 1, len(b)):
            b[i] -= L[k, i] * b[k]
        b[i] /= L[i, i]


@kernel
def refresh_common(common: Common) -> None:
    """Factorise the common covariances anew."""
    for v in range(VIEWS):
        common.log_det[v] = factorise(common.covariance[v], common.factor[v])


@kernel
def remember(examples: Examples, k: int, o: Floats) -> None:
    """Take in one example of class k, offsets o [VIEWS, D]."""
    place = examples.seen[k] % LATEST
    examples.seen[k] += 1
    examples.weight[k] = OLD * examples.weight[k] + 1.0
    for v in range(VIEWS):
        mean, scatter = examples.mean[k, v], examples.scatter[k, v]
        examples.latest[k, v, place] = o[v]
        before = o[v] - mean
        mean += before / examples.weight[k]
        after = o[v] - mean
        for f in range(len(mean)):
            for g in range(f + 1):
                scatter[f, g] = OLD * scatter[f, g] + before[f] * after[g]


@kernel
def mean_of_latest(examples: Examples, k: int, v: int, memory: int, mean: Floats) -> float:
    """The mean offset of the latest examples into `mean` [D]; returns how many they are. Memory 0 means all of them."""
    if memory == 0:
        mean[:] = examples.mean[k, v]
        return float(examples.weight[k])
    n = min(examples.seen[k], memory)
    mean[:] = 0.0
    for i in range(n):
        mean += examples.latest[k, v, (examples.seen[k] - 1 - i) % LATEST]
    mean /= n
    return float(n)


@kernel
def refresh_linear(common: Common, examples: Examples, heads: Heads, k: int) -> None:
    """The linear discriminants of class k, which has an example, by the moments of today."""
    D = common.mean.shape[1]
    half = np.empty(D)
    for v in range(VIEWS):
        for i in range(len(LINEAR)):
            d = heads.slope[k, v, i]
            n = mean_of_latest(examples, k, v, LINEAR[i], d)
            for f in range(D):
                sure = n * d[f] * d[f]
                d[f] *= max(0.0, 1.0 - common.covariance[v, f, f] / sure) if sure > 0.0 else 0.0
            heads.offset[k, v, i] = -0.5 * solve(common.factor[v], d, half)
            d[:] = half
            solve_transposed(common.factor[v], d)


@kernel
def refresh_quadratic(common: Common, examples: Examples, heads: Heads, k: int) -> None:
    """The quadratic discriminants of class k, which has an example, by the moments of today."""
    D = common.mean.shape[1]
    A = np.empty((D, D))
    for v in range(VIEWS):
        for i in range(len(QUADRATIC)):
            d = heads.centre[k, v, i]
            n = mean_of_latest(examples, k, v, QUADRATIC[i], d)
            A[:] = PRIOR_ROWS * common.covariance[v]
            if QUADRATIC[i] == 0:
                A += examples.scatter[k, v]
            else:
                for e in range(int(n)):
                    o = examples.latest[k, v, (examples.seen[k] - 1 - e) % LATEST]
                    for f in range(D):
                        for g in range(f + 1):
                            A[f, g] += (o[f] - d[f]) * (o[g] - d[g])
            A /= PRIOR_ROWS + n
            heads.log_det[k, v, i] = factorise(A, heads.factor[k, v, i])


@kernel
def ratios(common: Common, heads: Heads, k: int, o: Floats, out: Floats) -> None:
    """The log likelihood ratio of class k by each discriminant for offsets o [VIEWS, D], into `out` [HEADS]."""
    scratch = np.empty(o.shape[1])
    place = 0
    for v in range(VIEWS):
        for i in range(len(LINEAR)):
            out[place] = heads.offset[k, v, i]
            for f in range(o.shape[1]):
                out[place] += heads.slope[k, v, i, f] * o[v, f]
            place += 1
        everyone = solve(common.factor[v], o[v], scratch) + common.log_det[v]
        for i in range(len(QUADRATIC)):
            own = solve(heads.factor[k, v, i], o[v] - heads.centre[k, v, i], scratch) + heads.log_det[k, v, i]
            out[place] = 0.5 * (everyone - own)
            place += 1
    for h in range(HEADS):
        out[h] = min(max(out[h], -FARTHEST), FARTHEST)


@kernel
def mixed(log_weight: Floats, ratio: Floats) -> float:
    """The log likelihood ratio of the mixture of discriminants, `ratio` and `log_weight` [HEADS]."""
    top, weights, total = log_weight.max(), 0.0, 0.0
    for h in range(len(ratio)):
        weight = math.exp(log_weight[h] - top)
        weights += weight
        total += weight * math.exp(ratio[h])
    return math.log(total / weights)


@kernel
def share_out(log_weight: Floats) -> None:
    """Share out a part of all weight again, log_weight [HEADS], so that no memory is lost for good."""
    top = log_weight.max()
    total = np.exp(log_weight - top).sum()
    start = 0
    for family in range(2 * VIEWS):
        size = len(LINEAR) if family % 2 == 0 else len(QUADRATIC)
        weights = np.exp(log_weight[start : start + size] - top) / total
        whole = weights.sum()
        weights = (1.0 - SHARED) * weights + SHARED * whole / size
        weights = (1.0 - EXCHANGED) * weights + EXCHANGED * FAMILIES[family] / size
        log_weight[start : start + size] = np.log(weights)
        start += size
