"""From an event to its leaf. Nothing recurses, so a tree may be of any depth."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.common.addresses import Address, floats_at
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import LEAF, NOMINAL_BINARY, NUMERIC, Header, Ints
from tocsin.kernels.hoeffding.tree.leaves import total_weight


@kernel
def child_of(pool: Header, e: int, node: int, x: Address) -> int:
    """The child to which a branch sends x, or -1 where its feature is not known or its category is new."""
    branch = views.nodes(pool)[e, node]
    value = floats_at(x, pool.F)[branch.feature]
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
    while child >= 0 and views.nodes(pool)[e, child].edge != value:
        child = views.nodes(pool)[e, child].next
    return child


@kernel
def walk(pool: Header, e: int, node: int, x: Address) -> int:
    """Down from a node as far as x leads: to a leaf, or to the branch that cannot place x."""
    while views.nodes(pool)[e, node].kind != LEAF:
        child = child_of(pool, e, node, x)
        if child < 0:
            break
        node = child
    return node


@kernel
def weight_below(pool: Header, e: int, top: int) -> float:
    """The class weights of all leaves below a node, summed branch by branch as river nests its sums."""
    if views.nodes(pool)[e, top].kind == LEAF:
        return total_weight(pool, e, top)
    height = views.trees(pool)[e].deepest - views.nodes(pool)[e, top].depth + 1
    pending = np.empty(height, np.int64)
    sums = np.empty(height)
    level = 0
    pending[0] = views.nodes(pool)[e, top].first
    sums[0] = 0.0
    while True:
        node = pending[level]
        if node >= 0:
            pending[level] = views.nodes(pool)[e, node].next
            if views.nodes(pool)[e, node].kind == LEAF:
                sums[level] += total_weight(pool, e, node)
            else:
                level += 1
                pending[level] = views.nodes(pool)[e, node].first
                sums[level] = 0.0
        elif level == 0:
            return float(sums[0])
        else:
            sums[level - 1] += sums[level]
            level -= 1


@kernel
def most_common_child(pool: Header, e: int, node: int) -> int:
    """The child of a branch whose leaves weigh most, the first of equals."""
    child: int = views.nodes(pool)[e, node].first
    best = child
    highest = -math.inf
    while child >= 0:
        weight = weight_below(pool, e, child)
        if weight > highest:
            highest = weight
            best = child
        child = views.nodes(pool)[e, child].next
    return best


@kernel
def leaf_below(pool: Header, e: int, node: int, x: Address) -> int:
    """The leaf that answers for x, from where its walk ended: a branch that cannot place x takes its most common
    child."""
    while views.nodes(pool)[e, node].kind != LEAF:
        node = walk(pool, e, most_common_child(pool, e, node), x)
    return node


@kernel
def leaf_of(pool: Header, e: int, x: Address) -> int:
    """The leaf that answers for x, or -1 in an empty tree."""
    if views.trees(pool)[e].n_nodes == 0:
        return -1
    return leaf_below(pool, e, walk(pool, e, 0, x), x)


@kernel
def leaves_in_order(pool: Header, e: int) -> Ints:
    """The leaves of a tree from left to right, int32."""
    pending = np.empty(views.trees(pool)[e].n_nodes, np.int32)
    leaves = np.empty(views.trees(pool)[e].n_nodes, np.int32)
    found = 0
    n = 1
    pending[0] = 0
    while n > 0:
        n -= 1
        node = pending[n]
        if views.nodes(pool)[e, node].kind == LEAF:
            leaves[found] = node
            found += 1
            continue
        start = n
        child: int = views.nodes(pool)[e, node].first
        while child >= 0:
            pending[n] = child
            n += 1
            child = views.nodes(pool)[e, child].next
        # The first child is taken next, so it goes to the end.
        for i in range((n - start) // 2):
            pending[start + i], pending[n - 1 - i] = pending[n - 1 - i], pending[start + i]
    return leaves[:found]
