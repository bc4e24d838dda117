"""How a tree grows: new leaves, attempts to split a leaf, and the split itself."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.draws import choose
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    INFO_GAIN,
    LEAF,
    MAJORITY,
    N_FEATURES,
    NOMINAL_MULTIWAY,
    NUMERIC,
    Floats,
    Header,
    Ints,
)
from tocsin.kernels.hoeffding.pool.slots import release_slot, take_slot
from tocsin.kernels.hoeffding.splits.best import best_of_feature
from tocsin.kernels.hoeffding.splits.criteria import entropy, hoeffding_bound
from tocsin.kernels.hoeffding.splits.nominal import split_by_every_category, split_by_one_category
from tocsin.kernels.hoeffding.splits.numeric import deviations_of, split_by_threshold
from tocsin.kernels.hoeffding.splits.order import sorted_categories, sorted_classes
from tocsin.kernels.hoeffding.tree.leaves import total_weight
from tocsin.kernels.hoeffding.tree.memory import deactivate
from tocsin.kernels.hoeffding.tree.observers import disable


@kernel
def draw_subspace(pool: Header, e: int, node: int) -> None:
    """Draw the features that a new leaf observes, at least one."""
    tree = views.trees(pool)[e]
    n = views.counters(pool)[N_FEATURES]
    observed = max(1, round(tree.subspace * n))
    choose(tree.key, node, n - observed, views.disabled(pool)[e, node, :n])


@kernel
def new_leaf(pool: Header, e: int, parent: int, edge: float) -> int:
    """An empty active leaf, the last child of its parent; parent -1 makes it the root."""
    tree = views.trees(pool)[e]
    node: int = tree.n_nodes
    tree.n_nodes += 1
    tree.n_active += 1
    leaf = views.nodes(pool)[e, node]
    leaf.kind = LEAF
    leaf.feature = -1
    leaf.value = 0.0
    leaf.first = -1
    leaf.last = -1
    leaf.next = -1
    leaf.parent = parent
    leaf.depth = 0
    leaf.n_classes = 0
    leaf.edge = edge
    leaf.attempted_at = 0.0
    leaf.mc_correct = 0.0
    leaf.nb_correct = 0.0
    leaf.slot = take_slot(pool)
    views.counts(pool)[e, node] = 0.0
    views.disabled(pool)[e, node] = 0
    if tree.subspace < 1.0:
        draw_subspace(pool, e, node)
    if pool.fading > 0:
        views.faded(pool)[e, node] = 0.0
    if parent >= 0:
        above = views.nodes(pool)[e, parent]
        leaf.depth = above.depth + 1
        tree.deepest = max(tree.deepest, leaf.depth)
        if above.first < 0:
            above.first = node
        else:
            views.nodes(pool)[e, above.last].next = node
        above.last = node
    return node


@kernel
def give_class_weights(pool: Header, e: int, node: int, classes: Ints, weights: Floats, has: NDArray[np.bool_]) -> None:
    """Give a new leaf the class weights that the observer of its parent expects on its side of the split."""
    leaf = views.nodes(pool)[e, node]
    n = 0
    total = 0.0
    for i in range(classes.size):
        if has[i]:
            views.order(pool)[e, node, n] = classes[i]
            views.counts(pool)[e, node, classes[i]] = weights[i]
            if pool.fading > 0:
                views.faded(pool)[e, node, classes[i]] = weights[i]
            total += weights[i]
            n += 1
    leaf.n_classes = n
    leaf.attempted_at = total


@kernel
def split_leaf(pool: Header, e: int, node: int, f: int, kind: int, value: float) -> None:
    """Make a leaf a branch. It keeps its number, so nothing that points to it changes."""
    branch = views.nodes(pool)[e, node]
    slot = branch.slot
    n = views.n_seen(pool)[slot, f]
    classes = views.classes(pool)[slot, f, :n].copy()
    edges = np.zeros(2)
    if kind == NOMINAL_MULTIWAY:
        edges = sorted_categories(pool, slot, f)
        classes = sorted_classes(pool, slot, f)
    weights = np.empty((edges.size, n))
    has = np.empty((edges.size, n), np.bool_)
    if kind == NUMERIC:
        deviations = np.empty(n)
        deviations_of(pool, slot, f, deviations)
        split_by_threshold(pool, slot, f, value, deviations, weights, has)
    elif kind == NOMINAL_MULTIWAY:
        split_by_every_category(pool, slot, f, edges, classes, weights, has)
    else:
        split_by_one_category(pool, slot, f, value, weights, has)
    release_slot(pool, slot)
    branch.slot = -1
    branch.kind = kind
    branch.feature = f
    branch.value = value
    views.trees(pool)[e].n_active -= 1
    for i in range(edges.size):
        child = new_leaf(pool, e, node, edges[i])
        give_class_weights(pool, e, child, classes, weights[i], has[i])


@kernel
def weights_in_order(pool: Header, e: int, node: int) -> Floats:
    """The class weights of a node in order of arrival."""
    n = views.nodes(pool)[e, node].n_classes
    weights = np.empty(n)
    for i in range(n):
        weights[i] = views.counts(pool)[e, node, views.order(pool)[e, node, i]]
    return weights


@kernel
def attempt_split(pool: Header, e: int, node: int) -> bool:
    """Split a leaf where one feature is clearly the best, or where the best ones are tied. Returns whether the tree
    changed."""
    tree = views.trees(pool)[e]
    slot = views.nodes(pool)[e, node].slot
    weights = weights_in_order(pool, e, node)
    present, highest = 0, -math.inf
    for i in range(weights.size):
        present += 1 if weights[i] != 0.0 else 0
        highest = max(highest, weights[i])
    if present < 2:
        return False
    total = total_weight(pool, e, node)
    if highest / total > tree.max_share_to_split:
        # River then suggests "no split" alone, and takes it: the leaf loses its observers, and soon gets new ones.
        deactivate(pool, e, node)
        return True
    before = entropy(weights, weights.size) if tree.criterion == INFO_GAIN else 0.0
    n = views.n_observed(pool)[slot]
    merits = np.empty(n)
    best, second, kind, feature, value = -math.inf, -math.inf, LEAF, -1, 0.0
    for i in range(n):
        f = views.observed(pool)[slot, i]
        worth, how, where = best_of_feature(pool, e, slot, f, before)
        merits[i] = worth
        # Of equals the last is the best, as in river's stable sort.
        if worth >= best:
            second = best
            best, kind, feature, value = worth, how, f, where
        else:
            second = max(second, worth)
    suggestions = n + 1 if tree.merit_preprune != 0 else n  # "no split" is one of them
    if suggestions == 0:
        return False
    if suggestions > 1:
        bound = hoeffding_bound(pool, e, weights.size, total)
        if tree.remove_poor_attrs != 0 and tree.leaf_mode == MAJORITY:
            disable_poor_features(pool, e, node, merits, best, bound)
        if not (best - second > bound or bound < tree.tau):
            return False
    if kind == LEAF:
        deactivate(pool, e, node)
    else:
        split_leaf(pool, e, node, feature, kind, value)
    return True


@kernel
def disable_poor_features(pool: Header, e: int, node: int, merits: Floats, best: float, bound: float) -> None:
    """Stop observing the features that are clearly worse than the best, merits [n] in the slot's order.

    Only majority leaves do so, because naive Bayes needs every feature.
    """
    slot = views.nodes(pool)[e, node].slot
    observed = views.observed(pool)[slot, : merits.size].copy()
    for i in range(merits.size):
        if best - merits[i] > bound:
            disable(pool, e, node, observed[i])
