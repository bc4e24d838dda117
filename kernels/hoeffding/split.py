"""Where a leaf may split: candidates of every feature, their merits, the best.

river's `GaussianSplitter`, `NominalSplitterClassif` and its split criteria, sums in their order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    GINI,
    HIGHEST,
    INFO_GAIN,
    LEAF,
    LOWEST,
    MEAN,
    NEGATIVE,
    NOMINAL_BINARY,
    NOMINAL_MULTIWAY,
    NUMERIC,
    POSITIVE,
    SQUARES,
    WEIGHT,
    Floats,
    Header,
    Ints,
)
from tocsin.kernels.hoeffding.observers import find

Flags = NDArray[np.bool_]


@kernel
def power(base: float, exponent: float, anything: float) -> float:
    """The C library's pow, as Python's `**`. LLVM would turn a constant exponent into a product or a root,
    which round otherwise; `anything` finite keeps it from knowing the exponent."""
    return math.pow(base, exponent + 0.0 * anything)


@kernel
def entropy(weights: Floats, n: int) -> float:
    """Bits of a class distribution, weights [n]."""
    bits = 0.0
    total = 0.0
    for i in range(n):
        weight = weights[i]
        if weight > 0.0:
            bits -= weight * math.log2(weight)
            total += weight
    return (bits + total * math.log2(total)) / total if total > 0.0 else 0.0


@kernel
def impurity(weights: Floats, n: int, total: float) -> float:
    """Gini's, of weights [n]."""
    gini = 1.0
    if total != 0.0:
        for i in range(n):
            share = weights[i] / total
            gini -= share * share
    return gini


@kernel
def hellinger(pool: Header, classes: Ints, weights: Floats, has: Flags, n: int) -> float:
    """Hellinger's distance of the first two branches. As in river only labels 0 and 1 count, else it is 0."""
    negative = -1
    positive = -1
    for i in range(n):
        if classes[i] == at.counters(pool)[NEGATIVE]:
            negative = i
        elif classes[i] == at.counters(pool)[POSITIVE]:
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
def merit(
    pool: Header, e: int, before: float, classes: Ints, weights: Floats, has: Flags, branches: int, n: int
) -> float:
    """What a split is worth, -inf where fewer than two branches get a fair share.

    `before` is the leaf's entropy; weights and has [branches, n] are the branches' class weights, classes [n]
    in order.
    """
    total = 0.0
    for b in range(branches):
        branch = 0.0
        for i in range(n):
            branch += weights[b, i]
        total += branch
    if not total > 0.0:
        return -math.inf
    enough = 0
    worth = 0.0
    criterion = at.trees(pool)[e].criterion
    for b in range(branches):
        branch = 0.0
        for i in range(n):
            branch += weights[b, i]
        if branch / total > at.trees(pool)[e].min_branch_fraction:
            enough += 1
    if enough < 2:
        return -math.inf
    if criterion == INFO_GAIN:
        for b in range(branches):
            branch = 0.0
            for i in range(n):
                branch += weights[b, i]
            worth += branch * entropy(weights[b], n)
        return before - worth / total
    if criterion == GINI:
        for b in range(branches):
            branch = 0.0
            for i in range(n):
                branch += weights[b, i]
            worth += (branch / total) * impurity(weights[b], n, branch)
        return 1.0 - worth
    return hellinger(pool, classes, weights, has, n)


@kernel
def divide(pool: Header, slot: int, f: int, threshold: float, deviations: Floats, weights: Floats, has: Flags) -> None:
    """The class weights on both sides of a threshold, into weights and has [2, n] in the observer's order."""
    for i in range(at.n_seen(pool)[slot, f]):
        moments = at.moments(pool)[slot, at.classes(pool)[slot, f, i], f]
        seen = moments[WEIGHT]
        left = 0.0
        has[0, i] = threshold >= moments[LOWEST]
        has[1, i] = not has[0, i] or threshold < moments[HIGHEST]
        if has[0, i] and has[1, i]:
            deviation = deviations[i]
            if deviation != 0.0:
                z = (threshold - moments[MEAN]) / deviation
                left = 0.5 * (1.0 + math.erf(z / math.sqrt(2.0))) * seen
        elif has[0, i]:
            left = seen
        weights[0, i] = left
        weights[1, i] = seen - left


@kernel
def deviations_of(pool: Header, slot: int, f: int, deviations: Floats) -> None:
    """Standard deviations of an observer's classes, in its order."""
    for i in range(at.n_seen(pool)[slot, f]):
        moments = at.moments(pool)[slot, at.classes(pool)[slot, f, i], f]
        variance = moments[SQUARES] / (moments[WEIGHT] - 1.0) if moments[WEIGHT] > 1.0 else 0.0
        deviations[i] = power(variance, 0.5, variance)


@kernel
def best_threshold(pool: Header, e: int, slot: int, f: int, before: float) -> tuple[float, int, float]:
    """The best of `n_splits` thresholds evenly spaced over the range: merit, kind of branch (LEAF: none),
    threshold.
    """
    n = at.n_seen(pool)[slot, f]
    classes = at.classes(pool)[slot, f]
    lowest = math.inf
    highest = -math.inf
    for i in range(n):
        lowest = min(lowest, at.moments(pool)[slot, classes[i], f, LOWEST])
        highest = max(highest, at.moments(pool)[slot, classes[i], f, HIGHEST])
    weights = np.empty((2, n))
    has = np.empty((2, n), np.bool_)
    deviations = np.empty(n)
    deviations_of(pool, slot, f, deviations)
    best = -math.inf
    kind = LEAF
    chosen = 0.0
    step = (highest - lowest) / (at.trees(pool)[e].n_splits + 1.0)
    for i in range(at.trees(pool)[e].n_splits):
        threshold = lowest + step * (i + 1)
        if lowest < threshold < highest:
            divide(pool, slot, f, threshold, deviations, weights, has)
            worth = merit(pool, e, before, classes, weights, has, 2, n)
            if worth > best:
                best = worth
                kind = NUMERIC
                chosen = threshold
    return best, kind, chosen


@kernel
def isolate(pool: Header, slot: int, f: int, value: float, weights: Floats, has: Flags) -> None:
    """The class weights of one category against the others, into weights and has [2, n] in the observer's
    order.
    """
    c = at.nominal(pool)[f]
    for i in range(at.n_seen(pool)[slot, f]):
        weights[:, i] = 0.0
        has[:, i] = False
        entry = at.heads(pool)[slot, c, at.classes(pool)[slot, f, i] + 1]
        while entry >= 0:
            side = 0 if at.entries(pool)[entry].value == value else 1
            weights[side, i] += at.entries(pool)[entry].weight
            has[side, i] = True
            entry = at.entries(pool)[entry].next


@kernel
def key_of(pool: Header, c: int, value: float) -> float:
    """By what a category sorts."""
    return at.value_key(pool)[c, int(value)] if at.coded(pool)[c] != 0 else value


@kernel
def values_of(pool: Header, slot: int, f: int) -> Floats:
    """An observer's categories in order of appearance."""
    c = at.nominal(pool)[f]
    values = np.empty(at.n_values(pool)[slot, c])
    entry = at.heads(pool)[slot, c, 0]
    for i in range(values.size):
        values[i] = at.entries(pool)[entry].value
        entry = at.entries(pool)[entry].next
    return values


@kernel
def by_key(pool: Header, c: int, values: Floats) -> Floats:
    """Categories sorted."""
    keys = np.empty(values.size)
    for i in range(values.size):
        keys[i] = key_of(pool, c, values[i])
    return values[np.argsort(keys, kind="mergesort")]


@kernel
def as_a_set_iterates(values: Floats) -> Floats:
    """The order in which CPython's set gives whole numbers that were added in this order.

    river tries the binary splits of a category in it, and the first of equals wins. (Of strings it changes
    from process to process, so there nobody can agree with it.)
    """
    size = 8
    table = np.full(size, -1, np.int64)
    for i in range(values.size):
        set_insert(table, values, i)
        if (i + 1) * 5 >= (size - 1) * 3:
            while size <= (i + 1) * (2 if i >= 50_000 else 4):
                size *= 2
            old = table
            table = np.full(size, -1, np.int64)
            for j in range(old.size):
                if old[j] >= 0:
                    set_insert(table, values, int(old[j]))
    ordered = np.empty(values.size)
    place = 0
    for which in table:
        if which >= 0:
            ordered[place] = values[which]
            place += 1
    return ordered


@kernel
def set_insert(table: NDArray[np.int64], values: Floats, which: int) -> None:
    """Probe as Objects/setobject.c does: ten neighbours, then a jump."""
    mask = np.uint64(table.size - 1)
    whole = np.int64(values[which])
    perturb = np.uint64(-2 if whole == -1 else whole)
    place = perturb & mask
    while True:
        neighbours = np.uint64(9) if place + np.uint64(9) <= mask else np.uint64(0)
        for step in range(neighbours + np.uint64(1)):
            at = np.int64(place) + np.int64(step)
            if table[at] < 0:
                table[at] = which
                return
        perturb >>= np.uint64(5)
        place = (place * np.uint64(5) + np.uint64(1) + perturb) & mask


@kernel
def ordered_values(pool: Header, slot: int, f: int) -> Floats:
    """An observer's categories in the order in which river tries them."""
    c = at.nominal(pool)[f]
    values = values_of(pool, slot, f)
    if at.coded(pool)[c] != 0:
        return by_key(pool, c, values)
    for value in values:
        if value != math.floor(value) or abs(value) > 2.0**52:
            return by_key(pool, c, values)
    return as_a_set_iterates(values)


@kernel
def by_label(pool: Header, slot: int, f: int) -> Ints:
    """An observer's classes sorted by label."""
    n = at.n_seen(pool)[slot, f]
    classes = at.classes(pool)[slot, f, :n].copy()
    for i in range(1, n):
        k = classes[i]
        j = i - 1
        while j >= 0 and at.class_key(pool)[classes[j]] > at.class_key(pool)[k]:
            classes[j + 1] = classes[j]
            j -= 1
        classes[j + 1] = k
    return classes


@kernel
def spread(pool: Header, slot: int, f: int, values: Floats, classes: Ints, weights: Floats, has: Flags) -> None:
    """The class weights of every category, into weights and has [V, n]."""
    c = at.nominal(pool)[f]
    for v in range(values.size):
        for i in range(classes.size):
            entry = find(pool, at.heads(pool)[slot, c, classes[i] + 1], values[v])
            has[v, i] = entry >= 0
            weights[v, i] = at.entries(pool)[entry].weight if entry >= 0 else 0.0


@kernel
def best_category(pool: Header, e: int, slot: int, f: int, before: float) -> tuple[float, int, float]:
    """The best split by category: merit, kind of branch (LEAF: none), and the category of a binary one."""
    n = at.n_seen(pool)[slot, f]
    best = -math.inf
    kind = LEAF
    chosen = 0.0
    if at.trees(pool)[e].binary_split == 0:
        values = by_key(pool, at.nominal(pool)[f], values_of(pool, slot, f))
        classes = by_label(pool, slot, f)
        all_weights = np.empty((values.size, n))
        all_has = np.empty((values.size, n), np.bool_)
        spread(pool, slot, f, values, classes, all_weights, all_has)
        best = merit(pool, e, before, classes, all_weights, all_has, values.size, n)
        kind = NOMINAL_MULTIWAY
    weights = np.empty((2, n))
    has = np.empty((2, n), np.bool_)
    for value in ordered_values(pool, slot, f):
        isolate(pool, slot, f, value, weights, has)
        worth = merit(pool, e, before, at.classes(pool)[slot, f], weights, has, 2, n)
        if worth > best:
            best = worth
            kind = NOMINAL_BINARY
            chosen = value
    return best, kind, chosen


@kernel
def best_of_feature(pool: Header, e: int, slot: int, f: int, before: float) -> tuple[float, int, float]:
    """A feature's best split: merit, kind of branch (LEAF: none), threshold or category."""
    if at.nominal(pool)[f] >= 0:
        return best_category(pool, e, slot, f, before)
    return best_threshold(pool, e, slot, f, before)
