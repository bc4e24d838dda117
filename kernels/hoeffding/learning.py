"""The learn loop: an event to its leaf, its statistics, and now and then a split."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.draws import choose
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    ADAPTIVE,
    FREE_SLOTS,
    GINI,
    INFO_GAIN,
    LEAF,
    MAJORITY,
    MOST_VALUES,
    N_CLASSES,
    N_FEATURES,
    N_FREE_ENTRIES,
    N_NOMINAL,
    NOMINAL_MULTIWAY,
    NUMERIC,
    Floats,
    Header,
    Ints,
    Pool,
    Row,
    grown,
)
from tocsin.kernels.hoeffding.leaves import (
    keep_score,
    list_consulted,
    predict_leaf,
    support,
    total_weight,
)
from tocsin.kernels.hoeffding.memory import deactivate, enforce, estimate
from tocsin.kernels.hoeffding.observers import (
    disable,
    observe,
    release_slot,
    take_slot,
)
from tocsin.kernels.hoeffding.split import (
    best_of_feature,
    by_key,
    by_label,
    deviations_of,
    divide,
    entropy,
    isolate,
    spread,
    values_of,
)
from tocsin.kernels.hoeffding.walk import most_travelled, settle, walk

WHOLE, ENFORCE, ESTIMATE = range(3)
"""With what an event goes on after room was made: from its start, or from one of the two steps that may lack
slots.
"""


@kernel
def draw_subspace(pool: Header, e: int, node: int) -> None:
    """Choose the features that a new leaf observes, at least one."""
    tree = at.trees(pool)[e]
    n = at.counters(pool)[N_FEATURES]
    observed = max(1, round(tree.subspace * n))
    choose(tree.key, node, n - observed, at.disabled(pool)[e, node, :n])


@kernel
def new_leaf(pool: Header, e: int, parent: int, edge: float) -> int:
    """An empty active leaf, the last child of its parent (-1: the root)."""
    tree = at.trees(pool)[e]
    node: int = tree.n_nodes
    tree.n_nodes += 1
    tree.n_active += 1
    leaf = at.nodes(pool)[e, node]
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
    at.counts(pool)[e, node] = 0.0
    at.disabled(pool)[e, node] = 0
    if tree.subspace < 1.0:
        draw_subspace(pool, e, node)
    if pool.fading > 0:
        at.faded(pool)[e, node] = 0.0
    if parent >= 0:
        above = at.nodes(pool)[e, parent]
        leaf.depth = above.depth + 1
        tree.deepest = max(tree.deepest, leaf.depth)
        if above.first < 0:
            above.first = node
        else:
            at.nodes(pool)[e, above.last].next = node
        above.last = node
    return node


@kernel
def inherit(pool: Header, e: int, node: int, classes: Ints, weights: Floats, has: NDArray[np.bool_]) -> None:
    """Give a new leaf the class weights that its parent's observer expects on its side."""
    leaf = at.nodes(pool)[e, node]
    n = 0
    total = 0.0
    for i in range(classes.size):
        if has[i]:
            at.order(pool)[e, node, n] = classes[i]
            at.counts(pool)[e, node, classes[i]] = weights[i]
            if pool.fading > 0:
                at.faded(pool)[e, node, classes[i]] = weights[i]
            total += weights[i]
            n += 1
    leaf.n_classes = n
    leaf.attempted_at = total


@kernel
def split(pool: Header, e: int, node: int, f: int, kind: int, value: float) -> None:
    """Make a leaf a branch; its number stays, so nobody above has to know."""
    branch = at.nodes(pool)[e, node]
    slot = branch.slot
    n = at.n_seen(pool)[slot, f]
    classes = at.classes(pool)[slot, f, :n].copy()
    edges = np.zeros(2)
    if kind == NOMINAL_MULTIWAY:
        edges = by_key(pool, at.nominal(pool)[f], values_of(pool, slot, f))
        classes = by_label(pool, slot, f)
    weights = np.empty((edges.size, n))
    has = np.empty((edges.size, n), np.bool_)
    if kind == NUMERIC:
        deviations = np.empty(n)
        deviations_of(pool, slot, f, deviations)
        divide(pool, slot, f, value, deviations, weights, has)
    elif kind == NOMINAL_MULTIWAY:
        spread(pool, slot, f, edges, classes, weights, has)
    else:
        isolate(pool, slot, f, value, weights, has)
    release_slot(pool, slot)
    branch.slot = -1
    branch.kind = kind
    branch.feature = f
    branch.value = value
    at.trees(pool)[e].n_active -= 1
    for i in range(edges.size):
        child = new_leaf(pool, e, node, edges[i])
        inherit(pool, e, child, classes, weights[i], has[i])


@kernel
def weights_in_order(pool: Header, e: int, node: int) -> Floats:
    """A node's class weights in order of arrival."""
    n = at.nodes(pool)[e, node].n_classes
    weights = np.empty(n)
    for i in range(n):
        weights[i] = at.counts(pool)[e, node, at.order(pool)[e, node, i]]
    return weights


@kernel
def hoeffding_bound(pool: Header, e: int, classes: int, n: float) -> float:
    """How far, after weight n, a mean merit may be from its expectation (with probability 1 - delta)."""
    tree = at.trees(pool)[e]
    span = 1.0 if tree.criterion == GINI else math.log2(float(max(classes, 2)))
    return math.sqrt((span * span * math.log(1.0 / tree.delta)) / (2.0 * n))


@kernel
def attempt(pool: Header, e: int, node: int) -> bool:
    """Split a leaf if a feature is clearly the best, or if none matters (ties). True: the tree changed."""
    tree = at.trees(pool)[e]
    leaf = at.nodes(pool)[e, node]
    weights = weights_in_order(pool, e, node)
    if np.count_nonzero(weights) < 2:
        return False
    total = total_weight(pool, e, node)
    highest = weights.max()
    if highest / total > tree.max_share_to_split:
        # river suggests no split alone, and so takes it: the leaf loses its observers, and gets new ones at
        # once.
        deactivate(pool, e, node)
        return True
    before = entropy(weights, weights.size) if tree.criterion == INFO_GAIN else 0.0
    n = at.n_observed(pool)[leaf.slot]
    merits = np.empty(n)
    best, second, kind, feature, value = -math.inf, -math.inf, LEAF, -1, 0.0
    suggestions = n
    if tree.merit_preprune != 0:
        suggestions += 1
    for i in range(n):
        f = at.observed(pool)[leaf.slot, i]
        worth, how, where = best_of_feature(pool, e, leaf.slot, f, before)
        merits[i] = worth
        # As in a stable sort: of equals the last is the best.
        if worth >= best:
            second = best
            best, kind, feature, value = worth, how, f, where
        else:
            second = max(second, worth)
    if suggestions == 0:
        return False
    if suggestions > 1:
        bound = hoeffding_bound(pool, e, weights.size, total)
        if tree.remove_poor_attrs != 0 and tree.leaf_mode == MAJORITY:
            remove_poor(pool, e, node, merits, best, bound)
        if not (best - second > bound or bound < tree.tau):
            return False
    if kind == LEAF:
        deactivate(pool, e, node)
    else:
        split(pool, e, node, feature, kind, value)
    return True


@kernel
def remove_poor(pool: Header, e: int, node: int, merits: Floats, best: float, bound: float) -> None:
    """Stop observing what is clearly worse than the best. (Naive Bayes needs every feature, so only in
    "mc".)
    """
    slot = at.nodes(pool)[e, node].slot
    observed = at.observed(pool)[slot, : merits.size].copy()
    for i in range(merits.size):
        if best - merits[i] > bound:
            disable(pool, e, node, observed[i])


@kernel
def add_class(pool: Header, e: int, node: int, y: int, w: float) -> None:
    """Count an event's class in a leaf."""
    leaf = at.nodes(pool)[e, node]
    known = False
    for i in range(leaf.n_classes):
        if at.order(pool)[e, node, i] == y:
            known = True
            break
    if not known:
        at.order(pool)[e, node, leaf.n_classes] = y
        leaf.n_classes += 1
    at.counts(pool)[e, node, y] += w
    if pool.fading > 0:
        for k in range(pool.K):
            at.faded(pool)[e, node, k] *= at.trees(pool)[e].fade
        at.faded(pool)[e, node, y] += w


@kernel
def teach(pool: Header, e: int, node: int, x: Row, y: int, w: float, columns: Row, votes: Row, voted: bool) -> None:
    """Let a leaf learn an event."""
    mode = at.trees(pool)[e].leaf_mode
    active = at.nodes(pool)[e, node].slot >= 0
    if active and mode != MAJORITY:
        if mode == ADAPTIVE:
            keep_score(pool, e, node, x, y, w, votes, voted)
        if at.counters(pool)[N_NOMINAL] > 0 and (
            mode == ADAPTIVE or total_weight(pool, e, node) >= at.trees(pool)[e].nb_threshold
        ):
            list_consulted(pool, e, node, x)
    add_class(pool, e, node, y, w)
    if active:
        observe(pool, e, node, x, y, w, columns, mode != MAJORITY)


@kernel
def detour(pool: Header, e: int, node: int, x: Row) -> int:
    """The leaf that learns an event which a branch cannot place: a new one for a new category, else the
    busiest.
    """
    while at.nodes(pool)[e, node].kind != LEAF:
        value = at.row(x, pool.F)[at.nodes(pool)[e, node].feature]
        if at.nodes(pool)[e, node].kind == NOMINAL_MULTIWAY and not math.isnan(value):
            return new_leaf(pool, e, node, value)
        node = walk(pool, e, most_travelled(pool, e, node), x)
    return node


@kernel
def learn_event(pool: Header, e: int, node: int, x: Row, y: int, w: float, columns: Row, votes: Row, hint: int) -> int:
    """Let a tree learn an event whose walk ended at `node` (-1: the tree is empty).

    `hint` is a leaf whose log votes for x are in `votes`, or -1. Returns how many slots `enforce` lacks.
    """
    tree = at.trees(pool)[e]
    tree.weight_seen += w
    if node < 0:
        node = new_leaf(pool, e, -1, 0.0)
    if at.nodes(pool)[e, node].kind != LEAF:
        node = detour(pool, e, node, x)
        teach(pool, e, node, x, y, w, columns, votes, node == hint)
        return 0
    teach(pool, e, node, x, y, w, columns, votes, node == hint)
    leaf = at.nodes(pool)[e, node]
    if tree.growth_allowed == 0 or leaf.slot < 0:
        return 0
    if leaf.depth >= tree.max_depth:
        deactivate(pool, e, node)
        return 0
    seen = total_weight(pool, e, node)
    if seen - leaf.attempted_at >= tree.grace_period:
        changed = attempt(pool, e, node)
        leaf.attempted_at = seen
        if changed:
            return enforce(pool, e)
    return 0


@kernel
def foretell(pool: Header, e: int, node: int, x: Row, votes: Row, out: Row) -> int:
    """The probabilities of an event whose walk ended at `node` into the row `out` [K]. Returns the leaf if
    `votes` are its.
    """
    if node < 0:
        at.row(out, at.counters(pool)[N_CLASSES])[:] = 0.0
        return -1
    leaf = settle(pool, e, node, x)
    return leaf if predict_leaf(pool, e, leaf, x, votes, out) else -1


@kernel
def most_children(pool: Header, e: int) -> int:
    """How many children a tree's next split may have: a category more than any observer has seen, or two."""
    return 2 if at.trees(pool)[e].binary_split != 0 else max(2, at.counters(pool)[MOST_VALUES] + 1)


@kernel
def has_room(pool: Header, e: int) -> bool:
    """Whether one more event surely fits, whatever it splits."""
    children = most_children(pool, e)
    return bool(
        at.trees(pool)[e].n_nodes + children <= pool.N
        and at.counters(pool)[FREE_SLOTS] >= children
        and at.counters(pool)[N_FREE_ENTRIES] >= 2 * at.counters(pool)[N_NOMINAL]
    )


@kernel
def is_due(pool: Header, e: int) -> bool:
    """Whether the weight seen is a multiple of the period of memory estimates."""
    tree = at.trees(pool)[e]
    periods = tree.weight_seen / tree.memory_estimate_period
    # The quotient of a multiple is whole; that spares the slow remainder at nearly every event.
    return bool(periods == math.floor(periods) and tree.weight_seen % tree.memory_estimate_period == 0.0)


@kernel
def learn_rows(
    pool: Header,
    X: Floats,
    y: Ints,
    w: Floats,
    columns: Ints,
    predicted: Floats,
    supports: Floats,
    votes: Floats,
    start: int,
    first: int,
    step: int,
) -> tuple[int, int, int, int]:
    """Learn from row `start`, tree `first` and step on; row by row, so that a tree's state is any caller's at
    any row.

    Returns where room ran out (row, tree, step, slots lacking); row B when all is done.
    """
    E = pool.E
    K = at.counters(pool)[N_CLASSES]
    order = columns.ctypes.data
    scratch = votes.ctypes.data
    for b in range(start, X.shape[0]):
        x = X.ctypes.data + 8 * b * X.shape[1]
        for e in range(first, E):
            weight = w[b, e] if w.shape[1] > 0 else 1.0
            lacking = 0
            if step == WHOLE:
                if not has_room(pool, e):
                    return b, e, WHOLE, 0
                node = walk(pool, e, 0, x) if at.trees(pool)[e].n_nodes > 0 else -1
                hint = -1
                if predicted.shape[0] > 0:
                    out = predicted.ctypes.data + 8 * K * (b * E + e)
                    hint = foretell(pool, e, node, x, scratch, out)
                if supports.shape[0] > 0:
                    supports[b, e] = support(pool, e, settle(pool, e, node, x)) if node >= 0 else 0.0
                if weight > 0.0:
                    lacking = learn_event(pool, e, node, x, y[b], weight, order, scratch, hint)
            elif step == ENFORCE:
                lacking = enforce(pool, e)
            if lacking > 0:
                return b, e, ENFORCE, lacking
            if weight > 0.0 and is_due(pool, e):
                lacking = estimate(pool, e)
                if lacking > 0:
                    return b, e, ESTIMATE, lacking
            step = WHOLE
        first = 0
    return X.shape[0], 0, WHOLE, 0


def learn(
    pool: Pool,
    X: Floats,
    y: NDArray[Any],
    w: Floats | None = None,
    columns: Ints | None = None,
    predicted: Floats | None = None,
    supports: Floats | None = None,
) -> Pool:
    """Learn B events in order, each by every tree. The result does not depend on how events are cut into
    batches.

    Parameters
    ----------
    pool
        Changed in place, and spent: go on with the pool that is returned, whose arrays may be larger.
    X
        float64 [B, F]; NaN is a value that is not known.
    y
        integers [B], class indices below the pool's K.
    w
        float64 [B, E], weights (the caller's Poisson draws in online bagging); a tree skips events of weight
        0. None: 1 for all.
    columns
        int32 permutation of range(F): the order in which an event's features come, as of a dict's keys. It
        matters where merits tie. None: from left to right.
    predicted
        float64 [B, E, K] to be filled with every tree's class probabilities as they were before each event.
    supports
        float64 [B, E] to be filled with the weight of every tree's answering leaf as it was before each event.
    """
    X = np.ascontiguousarray(X, np.float64)
    classes = np.ascontiguousarray(y, np.int32)
    E, F, K = pool.trees.size, int(pool.counters[N_FEATURES]), int(pool.counters[N_CLASSES])
    if X.ndim != 2 or X.shape[1] != F:
        raise ValueError(f"X {X.shape} is not [B, {F}]")
    if classes.shape != X.shape[:1]:
        raise ValueError(f"y {classes.shape} is not [{X.shape[0]}]")
    if classes.size and (classes.min() < 0 or classes.max() >= K):
        raise ValueError(f"y is not below the pool's {K} classes")
    weights = np.empty((X.shape[0], 0)) if w is None else np.ascontiguousarray(w, np.float64)
    if w is not None and (weights.shape != (X.shape[0], E) or not bool(np.all(weights >= 0.0))):
        raise ValueError(f"w {weights.shape} is not [{X.shape[0]}, {E}] with values >= 0")
    if predicted is not None and (predicted.shape != (X.shape[0], E, K) or not predicted.flags.c_contiguous):
        raise ValueError(f"predicted {predicted.shape} is not a contiguous [{X.shape[0]}, {E}, {K}]")
    ahead = np.empty((0, 0, 0)) if predicted is None else predicted
    if supports is not None and supports.shape != (X.shape[0], E):
        raise ValueError(f"supports {supports.shape} is not [{X.shape[0]}, {E}]")
    resting = np.empty((0, 0)) if supports is None else supports
    order = np.arange(F, dtype=np.int32) if columns is None else np.ascontiguousarray(columns, np.int32)
    if order.shape != (F,):
        raise ValueError(f"columns {order.shape} is not [{F}]")
    votes = np.empty(K)
    row, tree, step, lacking = 0, 0, WHOLE, 0
    while row < X.shape[0]:
        row, tree, step, lacking = learn_rows(
            pool.header, X, classes, weights, order, ahead, resting, votes, row, tree, step
        )
        if row < X.shape[0]:
            children = most_children(pool.header, tree)
            pool = grown(
                pool,
                int(pool.trees["n_nodes"][tree]) + children,
                max(children, int(pool.counters[FREE_SLOTS]) + lacking),
                2 * int(pool.counters[N_NOMINAL]),
            )
    return pool
