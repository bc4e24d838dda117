"""What a split is worth by information gain, Gini's impurity or Hellinger's distance.

The formulae are those of river's split criteria, and sums run in their order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import GINI, INFO_GAIN, NEGATIVE, POSITIVE, Floats, Header, Ints

Flags = NDArray[np.bool_]


@kernel
def power(base: float, exponent: float, anything: float) -> float:
    """The C library's pow, as Python's `**` is.

    LLVM would turn a constant exponent into a product or a root, which round differently. It cannot know the exponent
    here, because `anything`, a finite number, takes part in it.
    """
    return math.pow(base, exponent + 0.0 * anything)


@kernel
def entropy(weights: Floats, n: int) -> float:
    """The entropy in bits of a class distribution, weights [n]."""
    bits = 0.0
    total = 0.0
    for i in range(n):
        weight = weights[i]
        if weight > 0.0:
            bits -= weight * math.log2(weight)
            total += weight
    return (bits + total * math.log2(total)) / total if total > 0.0 else 0.0


@kernel
def gini_impurity(weights: Floats, n: int, total: float) -> float:
    """Gini's impurity of weights [n] whose sum is `total`."""
    gini = 1.0
    if total != 0.0:
        for i in range(n):
            share = weights[i] / total
            gini -= share * share
    return gini


@kernel
def hellinger_distance(pool: Header, classes: Ints, weights: Floats, has: Flags, n: int) -> float:
    """Hellinger's distance of the first two branches; 0 for labels other than 0 and 1, as in river."""
    negative = -1
    positive = -1
    for i in range(n):
        if classes[i] == views.counters(pool)[NEGATIVE]:
            negative = i
        elif classes[i] == views.counters(pool)[POSITIVE]:
            positive = i
    if negative < 0 or positive < 0:
        return 0.0
    if not (has[0, positive] and has[0, negative] and has[1, positive] and has[1, negative]):
        return 0.0
    all_negative = weights[0, negative] + weights[1, negative]
    all_positive = weights[0, positive] + weights[1, positive]
    squares = 0.0
    for branch in range(2):
        away = math.sqrt(weights[branch, negative] / all_negative) - math.sqrt(weights[branch, positive] / all_positive)
        squares += power(away, 2.0, all_negative)
    return math.sqrt(squares)


@kernel
def branch_weight(weights: Floats, b: int, n: int) -> float:
    """The weight of branch b, the sum of its class weights [n]."""
    total = 0.0
    for i in range(n):
        total += weights[b, i]
    return total


@kernel
def merit(
    pool: Header, e: int, before: float, classes: Ints, weights: Floats, has: Flags, branches: int, n: int
) -> float:
    """What a split is worth; -inf where fewer than two branches get their least share of the weight.

    `before` is the leaf's entropy. `weights` and `has` [branches, n] are the class weights of the branches and whether
    they have the class at all; `classes` [n] says which classes these are, in the observer's order.
    """
    total = 0.0
    for b in range(branches):
        total += branch_weight(weights, b, n)
    if not total > 0.0:
        return -math.inf
    enough = 0
    for b in range(branches):
        if branch_weight(weights, b, n) / total > views.trees(pool)[e].min_branch_fraction:
            enough += 1
    if enough < 2:
        return -math.inf
    worth = 0.0
    criterion = views.trees(pool)[e].criterion
    if criterion == INFO_GAIN:
        for b in range(branches):
            worth += branch_weight(weights, b, n) * entropy(weights[b], n)
        return before - worth / total
    if criterion == GINI:
        for b in range(branches):
            branch = branch_weight(weights, b, n)
            worth += (branch / total) * gini_impurity(weights[b], n, branch)
        return 1.0 - worth
    return hellinger_distance(pool, classes, weights, has, n)


@kernel
def hoeffding_bound(pool: Header, e: int, classes: int, n: float) -> float:
    """How far a mean merit may lie from its expectation after weight n, with probability 1 - delta."""
    tree = views.trees(pool)[e]
    span = 1.0 if tree.criterion == GINI else math.log2(float(max(classes, 2)))
    return math.sqrt((span * span * math.log(1.0 / tree.delta)) / (2.0 * n))
