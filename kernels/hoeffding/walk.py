"""From an event to its leaf. Nothing recurses: a tree may be as deep as it likes."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    LEAF,
    NOMINAL_BINARY,
    NUMERIC,
    Header,
    Ints,
    Row,
)
from tocsin.kernels.hoeffding.leaves import total_weight


@kernel
def child_of(pool: Header, e: int, node: int, x: Row) -> int:
    """The child that a branch sends x to, or -1 where its feature is not known or its category is new."""
    branch = at.nodes(pool)[e, node]
    value = at.row(x, pool.F)[branch.feature]
    child: int = branch.first
    if branch.kind == NUMERIC:
        if value > branch.value:
            child = branch.last
        elif math.isnan(value):
            child = -1
        return child
    if math.isnan(value):
        return -1
    if branch.kind == NOMINAL_BINARY:
        if value != branch.value:
            child = branch.last
        return child
    while child >= 0 and at.nodes(pool)[e, child].edge != value:
        child = at.nodes(pool)[e, child].next
    return child


@kernel
def walk(pool: Header, e: int, node: int, x: Row) -> int:
    """Down from a node as far as x leads: a leaf, or the branch that cannot tell."""
    while at.nodes(pool)[e, node].kind != LEAF:
        child = child_of(pool, e, node, x)
        if child < 0:
            break
        node = child
    return node


@kernel
def weight_below(pool: Header, e: int, top: int) -> float:
    """The class weights of all leaves below a node, nested sums as river takes them."""
    if at.nodes(pool)[e, top].kind == LEAF:
        return total_weight(pool, e, top)
    height = at.trees(pool)[e].deepest - at.nodes(pool)[e, top].depth + 1
    pending = np.empty(height, np.int64)
    sums = np.empty(height)
    level = 0
    pending[0] = at.nodes(pool)[e, top].first
    sums[0] = 0.0
    while True:
        node = pending[level]
        if node >= 0:
            pending[level] = at.nodes(pool)[e, node].next
            if at.nodes(pool)[e, node].kind == LEAF:
                sums[level] += total_weight(pool, e, node)
            else:
                level += 1
                pending[level] = at.nodes(pool)[e, node].first
                sums[level] = 0.0
        elif level == 0:
            return float(sums[0])
        else:
            sums[level - 1] += sums[level]
            level -= 1


@kernel
def most_travelled(pool: Header, e: int, node: int) -> int:
    """The child whose leaves weigh most, the first of equals."""
    child: int = at.nodes(pool)[e, node].first
    best = child
    highest = -math.inf
    while child >= 0:
        weight = weight_below(pool, e, child)
        if weight > highest:
            highest = weight
            best = child
        child = at.nodes(pool)[e, child].next
    return best


@kernel
def settle(pool: Header, e: int, node: int, x: Row) -> int:
    """From where a walk ended to a leaf, by the busiest child where a branch cannot tell."""
    while at.nodes(pool)[e, node].kind != LEAF:
        node = walk(pool, e, most_travelled(pool, e, node), x)
    return node


@kernel
def leaf_of(pool: Header, e: int, x: Row) -> int:
    """The leaf that answers for x, or -1 in an empty tree."""
    if at.trees(pool)[e].n_nodes == 0:
        return -1
    return settle(pool, e, walk(pool, e, 0, x), x)


@kernel
def leaves_in_order(pool: Header, e: int) -> Ints:
    """Leaves from left to right."""
    pending = np.empty(at.trees(pool)[e].n_nodes, np.int32)
    leaves = np.empty(at.trees(pool)[e].n_nodes, np.int32)
    found = 0
    n = 1
    pending[0] = 0
    while n > 0:
        n -= 1
        node = pending[n]
        if at.nodes(pool)[e, node].kind == LEAF:
            leaves[found] = node
            found += 1
            continue
        start = n
        child = at.nodes(pool)[e, node].first
        while child >= 0:
            pending[n] = child
            n += 1
            child = at.nodes(pool)[e, child].next
        pending[start:n] = pending[start:n][::-1].copy()
    return leaves[:found]
