"""Splits of a nominal feature by category: river's `NominalSplitterClassif`, sums in its order."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    LEAF,
    NOMINAL_BINARY,
    NOMINAL_MULTIWAY,
    Floats,
    Header,
    Ints,
)
from tocsin.kernels.hoeffding.pool.slots import find_entry
from tocsin.kernels.hoeffding.splits.criteria import Flags, merit
from tocsin.kernels.hoeffding.splits.order import categories_to_try, sorted_categories, sorted_classes


@kernel
def split_by_one_category(pool: Header, slot: int, f: int, value: float, weights: Floats, has: Flags) -> None:
    """Write the class weights of one category, and of all others, to `weights` [2, n].

    `has` [2, n] takes whether the class was seen on that side; classes stand in the observer's order.
    """
    c = views.nominal(pool)[f]
    for i in range(views.n_seen(pool)[slot, f]):
        weights[:, i] = 0.0
        has[:, i] = False
        entry = views.heads(pool)[slot, c, views.classes(pool)[slot, f, i] + 1]
        while entry >= 0:
            side = 0 if views.entries(pool)[entry].value == value else 1
            weights[side, i] += views.entries(pool)[entry].weight
            has[side, i] = True
            entry = views.entries(pool)[entry].next


@kernel
def split_by_every_category(
    pool: Header, slot: int, f: int, values: Floats, classes: Ints, weights: Floats, has: Flags
) -> None:
    """Write the class weights of every category of `values` [V] to `weights` [V, n], for the classes [n].

    `has` [V, n] takes whether the class was seen with the category.
    """
    c = views.nominal(pool)[f]
    for v in range(values.size):
        for i in range(classes.size):
            entry = find_entry(pool, views.heads(pool)[slot, c, classes[i] + 1], values[v])
            has[v, i] = entry >= 0
            weights[v, i] = views.entries(pool)[entry].weight if entry >= 0 else 0.0


@kernel
def best_category(pool: Header, e: int, slot: int, f: int, before: float) -> tuple[float, int, float]:
    """The best split by category: its merit, the kind of branch (LEAF: there is none), and a binary branch's
    category."""
    n = views.n_seen(pool)[slot, f]
    best = -math.inf
    kind = LEAF
    chosen = 0.0
    if views.trees(pool)[e].binary_split == 0:
        values = sorted_categories(pool, slot, f)
        classes = sorted_classes(pool, slot, f)
        all_weights = np.empty((values.size, n))
        all_has = np.empty((values.size, n), np.bool_)
        split_by_every_category(pool, slot, f, values, classes, all_weights, all_has)
        best = merit(pool, e, before, classes, all_weights, all_has, values.size, n)
        kind = NOMINAL_MULTIWAY
    weights = np.empty((2, n))
    has = np.empty((2, n), np.bool_)
    for value in categories_to_try(pool, slot, f):
        split_by_one_category(pool, slot, f, value, weights, has)
        worth = merit(pool, e, before, views.classes(pool)[slot, f], weights, has, 2, n)
        if worth > best:
            best = worth
            kind = NOMINAL_BINARY
            chosen = value
    return best, kind, chosen
