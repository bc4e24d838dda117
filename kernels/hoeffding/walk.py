"""From an event to its leaf. Nothing recurses: a tree may be as deep as it likes."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.hoeffding.compiled import kernel
from tocsin.kernels.hoeffding.layout import (
    LEAF,
    NOMINAL_BINARY,
    NUMERIC,
    Floats,
    Ints,
    Pool,
)
from tocsin.kernels.hoeffding.leaves import total_weight


@kernel
def child_of(pool: Pool, e: int, node: int, x: Floats) -> int:
    """The child that a branch sends x to, or -1 where its feature is not known or its category is new."""
    branch = pool.nodes[e, node]
    value = x[branch.feature]
    if branch.kind == NUMERIC:
        if value <= branch.value:
            return branch.first
        return -1 if math.isnan(value) else branch.last
    if math.isnan(value):
        return -1
    if branch.kind == NOMINAL_BINARY:
        return branch.first if value == branch.value else branch.last
    child = branch.first
    while child >= 0 and pool.nodes[e, child].edge != value:
        child = pool.nodes[e, child].next
    return child


@kernel
def walk(pool: Pool, e: int, node: int, x: Floats) -> int:
    """Down from a node as far as x leads: a leaf, or the branch that cannot tell."""
    while pool.nodes[e, node].kind != LEAF:
        child = child_of(pool, e, node, x)
        if child < 0:
            break
        node = child
    return node


@kernel
def weight_below(pool: Pool, e: int, top: int) -> float:
    """The class weights of all leaves below a node, nested sums as river takes them."""
    if pool.nodes[e, top].kind == LEAF:
        return total_weight(pool, e, top)
    height = pool.trees[e].deepest - pool.nodes[e, top].depth + 1
    pending = np.empty(height, np.int64)
    sums = np.empty(height)
    level = 0
    pending[0] = pool.nodes[e, top].first
    sums[0] = 0.0
    while True:
        node = pending[level]
        if node >= 0:
            pending[level] = pool.nodes[e, node].next
            if pool.nodes[e, node].kind == LEAF:
                sums[level] += total_weight(pool, e, node)
            else:
                level += 1
                pending[level] = pool.nodes[e, node].first
                sums[level] = 0.0
        elif level == 0:
            return sums[0]
        else:
            sums[level - 1] += sums[level]
            level -= 1


@kernel
def most_travelled(pool: Pool, e: int, node: int) -> int:
    """The child whose leaves weigh most, the first of equals."""
    child = pool.nodes[e, node].first
    best = child
    highest = -math.inf
    while child >= 0:
        weight = weight_below(pool, e, child)
        if weight > highest:
            highest = weight
            best = child
        child = pool.nodes[e, child].next
    return best


@kernel
def leaf_of(pool: Pool, e: int, x: Floats) -> int:
    """The leaf that answers for x, or -1 in an empty tree."""
    if pool.trees[e].n_nodes == 0:
        return -1
    node = walk(pool, e, 0, x)
    while pool.nodes[e, node].kind != LEAF:
        node = walk(pool, e, most_travelled(pool, e, node), x)
    return node


@kernel
def leaves_in_order(pool: Pool, e: int) -> Ints:
    """Leaves from left to right."""
    pending = np.empty(pool.trees[e].n_nodes, np.int32)
    leaves = np.empty(pool.trees[e].n_nodes, np.int32)
    found = 0
    n = 1
    pending[0] = 0
    while n > 0:
        n -= 1
        node = pending[n]
        if pool.nodes[e, node].kind == LEAF:
            leaves[found] = node
            found += 1
            continue
        start = n
        child = pool.nodes[e, node].first
        while child >= 0:
            pending[n] = child
            n += 1
            child = pool.nodes[e, child].next
        pending[start:n] = pending[start:n][::-1].copy()
    return leaves[:found]
