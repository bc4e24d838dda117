"""The bound on a tree's memory: the least promising leaves lose their observers (Kirkby 2007).

The rule is river's, but sizes are bytes of arrays here rather than of Python objects. A leaf counts what it has
observed, not the room that it was given, so that no decision depends on how room was made.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.sorting import stable_order
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    ENTRY,
    FREE_SLOTS,
    LEAF,
    MOMENTS,
    N_CLASSES,
    N_FEATURES,
    N_SWITCHED,
    NODE,
    TREE,
    Header,
    Ints,
)
from tocsin.kernels.hoeffding.pool.slots import release_slot, take_slot
from tocsin.kernels.hoeffding.tree.leaves import total_weight
from tocsin.kernels.hoeffding.tree.traversal import leaves_in_order

NODE_BYTES = NODE.itemsize
TREE_BYTES = TREE.itemsize
ENTRY_BYTES = ENTRY.itemsize


@kernel
def node_bytes(pool: Header) -> int:
    """The bytes of a branch, or of a leaf without observers."""
    size: int = NODE_BYTES + 12 * views.counters(pool)[N_CLASSES] + views.counters(pool)[N_FEATURES]
    return size


@kernel
def slot_bytes(pool: Header, slot: int) -> int:
    """The bytes of what a slot's observers hold."""
    size = 4
    for i in range(views.n_observed(pool)[slot]):
        f = views.observed(pool)[slot, i]
        size += 8 + views.n_seen(pool)[slot, f] * (8 * MOMENTS + 4)
        c = views.nominal(pool)[f]
        if c >= 0:
            for k in range(pool.K + 1):
                entry = views.heads(pool)[slot, c, k]
                while entry >= 0:
                    size += ENTRY_BYTES
                    entry = views.entries(pool)[entry].next
    return size


@kernel
def activate(pool: Header, e: int, node: int) -> None:
    """Give an inactive leaf empty observers."""
    views.nodes(pool)[e, node].slot = take_slot(pool)
    views.counters(pool)[N_SWITCHED] += 1
    views.trees(pool)[e].n_active += 1
    views.trees(pool)[e].n_inactive -= 1


@kernel
def deactivate(pool: Header, e: int, node: int) -> None:
    """Take the observers of an active leaf away."""
    release_slot(pool, views.nodes(pool)[e, node].slot)
    views.nodes(pool)[e, node].slot = -1
    views.counters(pool)[N_SWITCHED] += 1
    views.trees(pool)[e].n_active -= 1
    views.trees(pool)[e].n_inactive += 1


@kernel
def promise(pool: Header, e: int, node: int) -> float:
    """How far a leaf is from pure: the weight outside its majority class."""
    total = total_weight(pool, e, node)
    highest = 0.0
    for i in range(views.nodes(pool)[e, node].n_classes):
        highest = max(highest, views.counts(pool)[e, node, views.order(pool)[e, node, i]])
    return total - highest if total > 0.0 else 0.0


@kernel
def by_promise(pool: Header, e: int) -> Ints:
    """The leaves of a tree, the least promising first; equals stand from left to right."""
    leaves = leaves_in_order(pool, e)
    keys = np.empty(leaves.size)
    for i in range(leaves.size):
        keys[i] = promise(pool, e, leaves[i])
    ordered = np.empty(leaves.size, np.int32)
    order = stable_order(keys)
    for i in range(leaves.size):
        ordered[i] = leaves[order[i]]
    return ordered


@kernel
def most_active_leaves(pool: Header, e: int, n: int) -> int:
    """How many of n leaves may be active within the bound.

    One is active where the observers of a single leaf exceed the bound but the leaves do not: else a tree of many
    classes or features would be split no more.
    """
    tree = views.trees(pool)[e]
    active = 0
    while active < n:
        active += 1
        size = (active * tree.active_bytes + (n - active) * tree.inactive_bytes) * tree.overhead
        if size > tree.max_bytes:
            leaves = n * tree.inactive_bytes * tree.overhead
            return 1 if active == 1 and leaves <= tree.max_bytes else active - 1
    return active


@kernel
def enforce_bound(pool: Header, e: int) -> int:
    """Deactivate the least promising leaves and activate the others, as river does after every split.

    Returns how many free slots are lacking for that; unless it is 0, nothing was done.
    """
    tree = views.trees(pool)[e]
    size = tree.overhead * (tree.active_bytes + tree.n_inactive * tree.inactive_bytes)
    if (tree.n_inactive > 0 or size > tree.max_bytes) and tree.stop_mem_management != 0:
        tree.growth_allowed = 0
        return 0
    n = tree.n_active + tree.n_inactive
    cutoff = n - most_active_leaves(pool, e, n)
    if cutoff == 0 and tree.n_inactive == 0:
        return 0
    leaves = by_promise(pool, e)
    lacking: int = -views.counters(pool)[FREE_SLOTS]
    for i in range(leaves.size):
        leaf = views.nodes(pool)[e, leaves[i]]
        if i < cutoff and leaf.slot >= 0:
            lacking -= 1
        elif i >= cutoff and leaf.slot < 0 and leaf.depth < tree.max_depth:
            lacking += 1
    if lacking > 0:
        return lacking
    for i in range(leaves.size):
        leaf = views.nodes(pool)[e, leaves[i]]
        if i < cutoff and leaf.slot >= 0:
            deactivate(pool, e, leaves[i])
        elif i >= cutoff and leaf.slot < 0 and leaf.depth < tree.max_depth:
            activate(pool, e, leaves[i])
    return 0


@kernel
def estimate_size(pool: Header, e: int) -> int:
    """Measure a tree, and enforce the bound where the tree exceeds it. Returns how many free slots are lacking."""
    tree = views.trees(pool)[e]
    active = 0
    inactive = 0
    for node in range(tree.n_nodes):
        leaf = views.nodes(pool)[e, node]
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
    return enforce_bound(pool, e) if actual > tree.max_bytes else 0
