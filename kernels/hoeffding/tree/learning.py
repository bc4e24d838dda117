"""How trees learn events: an event goes to its leaf, is counted and observed there, and now and then splits the leaf.

The arrays of a pool cannot grow inside a compiled function. `learn_rows` therefore stops before an event that may not
fit, and `learn` makes room and goes on where it stopped.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.addresses import Address, address_of, floats_at
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.capacity import grown
from tocsin.kernels.hoeffding.pool.layout import (
    ADAPTIVE,
    FREE_SLOTS,
    LEAF,
    MAJORITY,
    MOST_VALUES,
    N_CLASSES,
    N_FEATURES,
    N_FREE_ENTRIES,
    N_NOMINAL,
    N_TAUGHT,
    NOMINAL_MULTIWAY,
    TAUGHT_CLASS,
    TAUGHT_NODE,
    TAUGHT_TREE,
    Floats,
    Header,
    Ints,
    Pool,
)
from tocsin.kernels.hoeffding.tree.growth import attempt_split, new_leaf
from tocsin.kernels.hoeffding.tree.leaves import (
    list_consulted_classes,
    predict_leaf,
    score_both_ways,
    support,
    total_weight,
)
from tocsin.kernels.hoeffding.tree.memory import deactivate, enforce_bound, estimate_size
from tocsin.kernels.hoeffding.tree.observers import observe
from tocsin.kernels.hoeffding.tree.traversal import leaf_below, most_common_child, walk

FROM_START, FROM_BOUND, FROM_ESTIMATE, DONE = range(4)
"""At which step of an event a tree goes on: at its start, at `enforce_bound` or at `estimate_size`, which both may lack
free slots; or nowhere, because the event is learnt."""
Answers = tuple[Floats, Floats]
Place = NDArray[np.int64]
"""Where learning stopped, int64 [4]."""
ROW, TREE, STEP, LACKING = range(4)
"""The numbers of a place: the row, the tree, its step, and how many free slots it lacks."""


class Event(NamedTuple):
    """One event, as kernels pass it on: addresses and numbers, since numba would count an array's references."""

    x: Address
    """float64 [F]"""
    y: int
    weight: float
    columns: Address
    """int32 [F], the order in which the event's features come."""
    votes: Address
    """float64 [K], scratch for the log votes of a leaf."""


@kernel
def count_class(pool: Header, e: int, node: int, y: int, w: float) -> None:
    """Count an event's class in a leaf."""
    leaf = views.nodes(pool)[e, node]
    known = False
    for i in range(leaf.n_classes):
        if views.order(pool)[e, node, i] == y:
            known = True
            break
    if not known:
        views.order(pool)[e, node, leaf.n_classes] = y
        leaf.n_classes += 1
    views.counts(pool)[e, node, y] += w
    if pool.fading > 0:
        for k in range(pool.K):
            views.faded(pool)[e, node, k] *= views.trees(pool)[e].fade
        views.faded(pool)[e, node, y] += w


@kernel
def learn_in_leaf(pool: Header, e: int, node: int, event: Event, voted: bool) -> None:
    """Let a leaf learn an event; `voted` says that `event.votes` holds the leaf's log votes for it."""
    mode = views.trees(pool)[e].leaf_mode
    active = views.nodes(pool)[e, node].slot >= 0
    if active and mode != MAJORITY:
        if mode == ADAPTIVE:
            score_both_ways(pool, e, node, event.x, event.y, event.weight, event.votes, voted)
        if views.counters(pool)[N_NOMINAL] > 0 and (
            mode == ADAPTIVE or total_weight(pool, e, node) >= views.trees(pool)[e].nb_threshold
        ):
            list_consulted_classes(pool, e, node, event.x)
    count_class(pool, e, node, event.y, event.weight)
    if active:
        observe(pool, e, node, event.x, event.y, event.weight, event.columns, mode != MAJORITY)


@kernel
def leaf_for_learning(pool: Header, e: int, node: int, x: Address) -> int:
    """The leaf that learns an event which a branch cannot place.

    A category that is new to a multiway branch gets a leaf of its own, and all else goes to the most common child.
    """
    while views.nodes(pool)[e, node].kind != LEAF:
        value = floats_at(x, pool.F)[views.nodes(pool)[e, node].feature]
        if views.nodes(pool)[e, node].kind == NOMINAL_MULTIWAY and not math.isnan(value):
            return new_leaf(pool, e, node, value)
        node = walk(pool, e, most_common_child(pool, e, node), x)
    return node


@kernel
def note_lesson(pool: Header, e: int, node: int, y: int) -> None:
    """Write down that a leaf learnt an event of class y, over the oldest lesson that is still written down."""
    lesson = views.taught(pool)[views.counters(pool)[N_TAUGHT] % pool.lessons]
    lesson[TAUGHT_TREE] = e
    lesson[TAUGHT_NODE] = node
    lesson[TAUGHT_CLASS] = y
    views.counters(pool)[N_TAUGHT] += 1


@kernel
def learn_event(pool: Header, e: int, node: int, event: Event, hint: int) -> int:
    """Let a tree learn an event whose walk ended at `node` (-1: the tree is empty).

    `hint` is the leaf whose log votes for the event are in `event.votes`, or -1. Returns how many free slots
    `enforce_bound` lacks.
    """
    tree = views.trees(pool)[e]
    tree.weight_seen += event.weight
    if node < 0:
        node = new_leaf(pool, e, -1, 0.0)
    placed = views.nodes(pool)[e, node].kind == LEAF
    if not placed:
        node = leaf_for_learning(pool, e, node, event.x)
    learn_in_leaf(pool, e, node, event, node == hint)
    if pool.lessons > 0:
        note_lesson(pool, e, node, event.y)
    leaf = views.nodes(pool)[e, node]
    if not placed or tree.growth_allowed == 0 or leaf.slot < 0:
        return 0
    if leaf.depth >= tree.max_depth:
        deactivate(pool, e, node)
        return 0
    seen = total_weight(pool, e, node)
    if seen - leaf.attempted_at >= tree.grace_period:
        changed = attempt_split(pool, e, node)
        leaf.attempted_at = seen
        if changed:
            return enforce_bound(pool, e)
    return 0


@kernel
def predict_event(pool: Header, e: int, node: int, x: Address, votes: Address, out: Address) -> int:
    """Write the class probabilities of an event whose walk ended at `node` to the row `out` [K].

    Returns the leaf whose log votes are in `votes` now, or -1.
    """
    if node < 0:
        floats_at(out, views.counters(pool)[N_CLASSES])[:] = 0.0
        return -1
    leaf = leaf_below(pool, e, node, x)
    return leaf if predict_leaf(pool, e, leaf, x, votes, out) else -1


@kernel
def most_children(pool: Header, e: int) -> int:
    """How many children a tree's next split may have: one more than any observer has categories, or two."""
    return 2 if views.trees(pool)[e].binary_split != 0 else max(2, views.counters(pool)[MOST_VALUES] + 1)


@kernel
def has_room(pool: Header, e: int) -> bool:
    """Whether one more event surely fits, whatever it splits."""
    children = most_children(pool, e)
    return bool(
        views.trees(pool)[e].n_nodes + children <= pool.N
        and views.counters(pool)[FREE_SLOTS] >= children
        and views.counters(pool)[N_FREE_ENTRIES] >= 2 * views.counters(pool)[N_NOMINAL]
    )


@kernel
def is_estimate_due(pool: Header, e: int, weight: float) -> bool:
    """Whether an event of this weight took the weight seen to, or past, a multiple of the period of memory estimates.

    river asks for an exact multiple, which weights other than 1 may never meet.
    """
    tree = views.trees(pool)[e]
    periods = math.floor(tree.weight_seen / tree.memory_estimate_period)
    return bool(tree.weight_seen - periods * tree.memory_estimate_period < weight)


@kernel
def walk_from_root(pool: Header, e: int, x: Address) -> int:
    """Where the walk of an event ends, a leaf or a branch that cannot place it; -1 in an empty tree."""
    return walk(pool, e, 0, x) if views.trees(pool)[e].n_nodes > 0 else -1


@kernel
def finish_event(pool: Header, e: int, weight: float, step: int, lacking: int) -> tuple[int, int]:
    """What follows after `learn_event`, which lacks so many free slots: the bound on memory, from `step` on.

    Returns the step at which free slots are lacking (DONE: none are), and how many.
    """
    if step == FROM_BOUND:
        lacking = enforce_bound(pool, e)
    if lacking > 0:
        return FROM_BOUND, lacking
    if weight > 0.0 and is_estimate_due(pool, e, weight):
        lacking = estimate_size(pool, e)
        if lacking > 0:
            return FROM_ESTIMATE, lacking
    return DONE, 0


@kernel
def learn_rows(
    pool: Header, X: Floats, y: Ints, w: Floats, columns: Ints, answers: Answers, scratch: Floats, place: Place
) -> None:
    """Learn from a place on, and leave in `place` where free slots, nodes or entries ran out (row B: nowhere).

    Events are learnt one after the other, each by all trees, so that all trees are at the same event at any time.
    `answers` are filled with each tree's probabilities [B, E, K] and support [B, E] just before an event is learnt, and
    are empty where nobody asks; `scratch` is [K].
    """
    predicted, supports = answers
    E, K = pool.E, views.counters(pool)[N_CLASSES]
    order, votes, step, first = address_of(columns), address_of(scratch), place[STEP], place[TREE]
    for b in range(place[ROW], X.shape[0]):
        x = address_of(X) + 8 * b * X.shape[1]
        for e in range(first, E):
            event = Event(x, y[b], w[b, e] if w.shape[1] > 0 else 1.0, order, votes)
            lacking = 0
            if step == FROM_START:
                if not has_room(pool, e):
                    stop_at(place, b, e, FROM_START, 0)
                    return
                node = walk_from_root(pool, e, x)
                hint = -1
                if predicted.shape[0] > 0:
                    hint = predict_event(pool, e, node, x, votes, address_of(predicted) + 8 * K * (b * E + e))
                if supports.shape[0] > 0:
                    supports[b, e] = support(pool, e, leaf_below(pool, e, node, x)) if node >= 0 else 0.0
                if event.weight > 0.0:
                    lacking = learn_event(pool, e, node, event, hint)
            step, lacking = finish_event(pool, e, event.weight, step, lacking)
            if step != DONE:
                stop_at(place, b, e, step, lacking)
                return
            step = FROM_START
        first = 0
    stop_at(place, X.shape[0], 0, FROM_START, 0)


@kernel
def stop_at(place: Place, row: int, tree: int, step: int, lacking: int) -> None:
    """Write down where learning stops."""
    place[ROW], place[TREE], place[STEP], place[LACKING] = row, tree, step, lacking


def with_room_for_event(pool: Pool, e: int, lacking: int) -> Pool:
    """The pool with room for one more event of tree `e`, which lacks so many free slots."""
    children = most_children(pool.header, e)
    return grown(
        pool,
        int(pool.trees["n_nodes"][e]) + children,
        max(children, int(pool.counters[FREE_SLOTS]) + lacking),
        2 * int(pool.counters[N_NOMINAL]),
    )


def checked_events(pool: Pool, X: Floats, y: NDArray[Any]) -> tuple[Floats, Ints]:
    """X [B, F] and classes y [B] as the kernels take them. Raises ValueError where they do not fit the pool."""
    rows = np.ascontiguousarray(X, np.float64)
    classes = np.ascontiguousarray(y, np.int32)
    F, K = int(pool.counters[N_FEATURES]), int(pool.counters[N_CLASSES])
    if rows.ndim != 2 or rows.shape[1] != F:
        raise ValueError(f"X {rows.shape} is not [B, {F}]")
    if classes.shape != rows.shape[:1]:
        raise ValueError(f"y {classes.shape} is not [{rows.shape[0]}]")
    if classes.size and (classes.min() < 0 or classes.max() >= K):
        raise ValueError(f"y is not below the pool's {K} classes")
    return rows, classes


def checked_answers(pool: Pool, B: int, predicted: Floats | None, supports: Floats | None) -> Answers:
    """Arrays for the answers to B events, empty where nobody asks. Raises ValueError where one does not fit."""
    E, K = pool.trees.size, int(pool.counters[N_CLASSES])
    if predicted is not None and (predicted.shape != (B, E, K) or not predicted.flags.c_contiguous):
        raise ValueError(f"predicted {predicted.shape} is not a contiguous [{B}, {E}, {K}]")
    if supports is not None and supports.shape != (B, E):
        raise ValueError(f"supports {supports.shape} is not [{B}, {E}]")
    return (
        np.empty((0, 0, 0)) if predicted is None else predicted,
        np.empty((0, 0)) if supports is None else supports,
    )


def learn(
    pool: Pool,
    X: Floats,
    y: NDArray[Any],
    w: Floats | None = None,
    columns: Ints | None = None,
    predicted: Floats | None = None,
    supports: Floats | None = None,
) -> Pool:
    """Learn B events in order, each by every tree. The result does not depend on how events are cut into batches.

    Parameters
    ----------
    pool
        It changes in place. Go on with the pool that is returned, whose arrays may be larger.
    X
        float64 [B, F]; NaN is a value that is not known.
    y
        integers [B], class indices below the pool's K.
    w
        float64 [B, E], weights (the caller's Poisson draws in online bagging); a tree skips events of weight 0. None:
        all weights are 1.
    columns
        int32 permutation of range(F): the order in which an event's features come, as in a dict. It matters where
        merits tie. None: from left to right.
    predicted
        float64 [B, E, K], filled with every tree's class probabilities just before each event is learnt.
    supports
        float64 [B, E], filled with the weight of every tree's answering leaf just before each event is learnt.

    Raises
    ------
    ValueError
        Where an array does not fit the pool.
    """
    rows, classes = checked_events(pool, X, y)
    B, E, F = len(rows), pool.trees.size, int(pool.counters[N_FEATURES])
    weights = np.empty((B, 0)) if w is None else np.ascontiguousarray(w, np.float64)
    if w is not None and (weights.shape != (B, E) or not bool(np.all((weights >= 0.0) & np.isfinite(weights)))):
        raise ValueError(f"w {weights.shape} is not [{B}, {E}] with finite values >= 0")
    order = np.arange(F, dtype=np.int32) if columns is None else np.ascontiguousarray(columns, np.int32)
    if order.shape != (F,):
        raise ValueError(f"columns {order.shape} is not [{F}]")
    answers = checked_answers(pool, B, predicted, supports)
    scratch, place = np.empty(int(pool.counters[N_CLASSES])), np.zeros(4, np.int64)
    learn_rows(pool.header, rows, classes, weights, order, answers, scratch, place)
    while place[ROW] < B:
        pool = with_room_for_event(pool, int(place[TREE]), int(place[LACKING]))
        learn_rows(pool.header, rows, classes, weights, order, answers, scratch, place)
    return pool
