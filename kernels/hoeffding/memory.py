"""The bound on memory: the least promising leaves lose their observers (Kirkby 2007), by river's rule.

The rule is river's, the sizes are our own: bytes of arrays, not of Python objects. A leaf counts what it has
observed and not the room it was given, so that a decision never depends on how room was made.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    ENTRY,
    FREE_SLOTS,
    LEAF,
    MOMENTS,
    N_CLASSES,
    N_FEATURES,
    NODE,
    TREE,
    Header,
    Ints,
)
from tocsin.kernels.hoeffding.leaves import total_weight
from tocsin.kernels.hoeffding.observers import release_slot, take_slot
from tocsin.kernels.hoeffding.walk import leaves_in_order

NODE_BYTES = NODE.itemsize
TREE_BYTES = TREE.itemsize
ENTRY_BYTES = ENTRY.itemsize


@kernel
def node_bytes(pool: Header) -> int:
    """Bytes of a node, or of a leaf without observers."""
    size: int = NODE_BYTES + 12 * at.counters(pool)[N_CLASSES] + at.counters(pool)[N_FEATURES]
    return size


@kernel
def slot_bytes(pool: Header, slot: int) -> int:
    """Bytes of what a slot's observers hold."""
    size = 4
    for i in range(at.n_observed(pool)[slot]):
        f = at.observed(pool)[slot, i]
        size += 8 + at.n_seen(pool)[slot, f] * (8 * MOMENTS + 4)
        c = at.nominal(pool)[f]
        if c >= 0:
            for k in range(pool.K + 1):
                entry = at.heads(pool)[slot, c, k]
                while entry >= 0:
                    size += ENTRY_BYTES
                    entry = at.entries(pool)[entry].next
    return size


@kernel
def activate(pool: Header, e: int, node: int) -> None:
    """Give an inactive leaf empty observers."""
    at.nodes(pool)[e, node].slot = take_slot(pool)
    at.trees(pool)[e].n_active += 1
    at.trees(pool)[e].n_inactive -= 1


@kernel
def deactivate(pool: Header, e: int, node: int) -> None:
    """Take an active leaf's observers away."""
    release_slot(pool, at.nodes(pool)[e, node].slot)
    at.nodes(pool)[e, node].slot = -1
    at.trees(pool)[e].n_active -= 1
    at.trees(pool)[e].n_inactive += 1


@kernel
def promise(pool: Header, e: int, node: int) -> float:
    """How far a leaf is from pure: the weight outside its majority class."""
    total = total_weight(pool, e, node)
    highest = 0.0
    for i in range(at.nodes(pool)[e, node].n_classes):
        highest = max(highest, at.counts(pool)[e, node, at.order(pool)[e, node, i]])
    return total - highest if total > 0.0 else 0.0


@kernel
def by_promise(pool: Header, e: int) -> Ints:
    """Leaves, the least promising first, from left to right among equals."""
    leaves = leaves_in_order(pool, e)
    keys = np.empty(leaves.size)
    for i in range(leaves.size):
        keys[i] = promise(pool, e, leaves[i])
    return leaves[np.argsort(keys, kind="mergesort")]


@kernel
def affordable(pool: Header, e: int, n: int) -> int:
    """How many of n leaves may be active."""
    tree = at.trees(pool)[e]
    active = 0
    while active < n:
        active += 1
        size = (active * tree.active_bytes + (n - active) * tree.inactive_bytes) * tree.overhead
        if size > tree.max_bytes:
            return active - 1
    return active


@kernel
def enforce(pool: Header, e: int) -> int:
    """Deactivate the least promising leaves and activate the others; river does so after every split.

    Returns how many slots are lacking; nothing was done unless 0.
    """
    tree = at.trees(pool)[e]
    size = tree.overhead * (tree.active_bytes + tree.n_inactive * tree.inactive_bytes)
    if (tree.n_inactive > 0 or size > tree.max_bytes) and tree.stop_mem_management != 0:
        tree.growth_allowed = 0
        return 0
    n = tree.n_active + tree.n_inactive
    cutoff = n - affordable(pool, e, n)
    if cutoff == 0 and tree.n_inactive == 0:
        return 0
    leaves = by_promise(pool, e)
    lacking: int = -at.counters(pool)[FREE_SLOTS]
    for i in range(leaves.size):
        leaf = at.nodes(pool)[e, leaves[i]]
        if i < cutoff and leaf.slot >= 0:
            lacking -= 1
        elif i >= cutoff and leaf.slot < 0 and leaf.depth < tree.max_depth:
            lacking += 1
    if lacking > 0:
        return lacking
    for i in range(leaves.size):
        leaf = at.nodes(pool)[e, leaves[i]]
        if i < cutoff and leaf.slot >= 0:
            deactivate(pool, e, leaves[i])
        elif i >= cutoff and leaf.slot < 0 and leaf.depth < tree.max_depth:
            activate(pool, e, leaves[i])
    return 0


@kernel
def estimate(pool: Header, e: int) -> int:
    """Measure the tree, and enforce the bound if it is over. Returns how many slots are lacking."""
    tree = at.trees(pool)[e]
    active = 0
    inactive = 0
    for node in range(tree.n_nodes):
        leaf = at.nodes(pool)[e, node]
        if leaf.kind != LEAF:
            continue
        if leaf.slot >= 0:
            active += node_bytes(pool) + slot_bytes(pool, leaf.slot)
        else:
            inactive += node_bytes(pool)
    if active > 0 and tree.n_active > 0:
        tree.active_bytes = active / tree.n_active
    if inactive > 0 and tree.n_inactive > 0:
        tree.inactive_bytes = inactive / tree.n_inactive
    branches = tree.n_nodes - tree.n_active - tree.n_inactive
    actual = TREE_BYTES + active + inactive + branches * node_bytes(pool)
    tree.overhead = actual / (tree.n_active * tree.active_bytes + tree.n_inactive * tree.inactive_bytes)
    return enforce(pool, e) if actual > tree.max_bytes else 0
