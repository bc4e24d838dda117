"""One hash table for all categories of an expert's trees: a device cannot search lists of any length.

The table has open addressing with linear probing. A cell says whose category it is (`owner_of_list`, or
`owner_of_children`), the bits of its value, and what belongs to it. Nothing is ever removed. Instead, the categories of
a leaf or a branch get a new number when another one comes to stand there, and what had the old one is never asked for
again. A table that has filled up is made anew without it.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.copying.layout import (
    CATEGORY,
    LISTS,
    MOST_FILLED,
    N_CELLS,
    OWNER,
    PROBES,
    USED,
    WORTH,
    Found,
    Held,
    Longs,
)
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import LEAF, MAJORITY, N_CLASSES, NOMINAL_MULTIWAY, Floats, Header

LOW = 0x7FFFFFFF
SHIFT, HALF = 31, 15
BY_LOW, BY_HIGH, BY_OWNER, BY_MIX = 0x2545F491, 0x4F6CDD1D, 0x369DEA0F, 0x5851F42D
"""Odd numbers of 31 bits, so that no product of 31 bits with one overflows, on any device."""


@kernel
def hash_of(owner: int, bits: int) -> int:
    """The hash of a category, which any device works out by the same operations on int64."""
    mixed = (bits & LOW) * BY_LOW ^ ((bits >> SHIFT) & LOW) * BY_HIGH ^ (owner & LOW) * BY_OWNER
    mixed = ((mixed ^ (mixed >> SHIFT)) & LOW) * BY_MIX
    return mixed ^ (mixed >> HALF)


@kernel
def owner_of_list(lists: int, c: int, k: int, C: int, K: int) -> int:
    """Whose the categories are that a leaf saw of class k in the nominal feature c; above 0."""
    return (lists * C + c) * K + k + 1


@kernel
def owner_of_children(lists: int) -> int:
    """Whose the categories are by which a multiway branch reaches its children; below 0."""
    return -lists - 1


@kernel
def write(held: Held, found: Found, owner: int, key: Floats, worth: int) -> bool:
    """Write what belongs to the category `key[0]` of an owner; False where the table is too full.

    `key` [1] is a place in memory, since a number has no bits of its own here. Not 0.0 but -0.0 has a sign, and the two
    are the same category.
    """
    key[0] += 0.0
    bits = key.view(np.int64)[0]
    mask = len(held.cells) - 1
    at, probes = hash_of(owner, bits) & mask, 1
    while held.cells[at, OWNER] != 0 and (held.cells[at, OWNER] != owner or held.cells[at, CATEGORY] != bits):
        at = (at + 1) & mask
        probes += 1
    if held.cells[at, OWNER] == 0:
        if MOST_FILLED * (held.counts[USED] + 1) > len(held.cells):
            return False
        held.counts[USED] += 1
        held.counts[PROBES] = max(held.counts[PROBES], probes)
        held.cells[at, OWNER] = owner
        held.cells[at, CATEGORY] = bits
    elif held.cells[at, WORTH] == worth:
        return True
    held.cells[at, WORTH] = worth
    if found.cell_marks[at] == 0:
        found.cell_marks[at] = 1
        found.cells[found.counts[N_CELLS]] = at
        found.counts[N_CELLS] += 1
    return True


@kernel
def write_class(pool: Header, slot: int, k: int, lists: int, held: Held, found: Found) -> bool:
    """Write the categories of class k in a slot; False where the table is too full."""
    K, key, weight = views.counters(pool)[N_CLASSES], np.empty(1), np.empty(1)
    for c in range(pool.C):
        owner = owner_of_list(lists, c, k, pool.C, K)
        entry = views.heads(pool)[slot, c, k + 1]
        while entry >= 0:
            key[0], weight[0] = views.entries(pool)[entry].value, views.entries(pool)[entry].weight
            if not write(held, found, owner, key, weight.view(np.int64)[0]):
                return False
            entry = views.entries(pool)[entry].next
    return True


@kernel
def write_child(pool: Header, e: int, base: int, node: int, held: Held, found: Found) -> bool:
    """Write by which category a multiway branch reaches a node; False where the table is too full."""
    child = views.nodes(pool)[e, node]
    if child.parent < 0 or views.nodes(pool)[e, child.parent].kind != NOMINAL_MULTIWAY:
        return True
    key = np.empty(1)
    key[0] = child.edge
    return write(held, found, owner_of_children(held.links[base + child.parent, LISTS]), key, node)


@kernel
def write_tree(pool: Header, e: int, base: int, first_slot: int, held: Held, found: Found) -> bool:
    """Write all categories of a tree; False where the table is too full."""
    observes = views.trees(pool)[e].leaf_mode != MAJORITY
    for node in range(views.trees(pool)[e].n_nodes):
        if not write_child(pool, e, base, node, held, found):
            return False
        leaf = views.nodes(pool)[e, node]
        if leaf.kind == LEAF and leaf.slot >= 0 and observes:
            for k in range(views.counters(pool)[N_CLASSES]):
                if not write_class(pool, leaf.slot, k, held.lists[first_slot + leaf.slot], held, found):
                    return False
    return True


@kernel
def count_categories(pool: Header, e: int) -> int:
    """How many categories `write_tree` writes, at most."""
    n: int = views.trees(pool)[e].n_nodes
    if views.trees(pool)[e].leaf_mode == MAJORITY:
        return n
    for node in range(views.trees(pool)[e].n_nodes):
        leaf = views.nodes(pool)[e, node]
        if leaf.kind != LEAF or leaf.slot < 0:
            continue
        for c in range(pool.C):
            for k in range(pool.K):
                entry = views.heads(pool)[leaf.slot, c, k + 1]
                while entry >= 0:
                    n += 1
                    entry = views.entries(pool)[entry].next
    return n


@kernel
def take_changed_cells(found: Found) -> Longs:
    """The cells that have changed, in order; none are marked any more."""
    cells = found.cells[: found.counts[N_CELLS]].copy()
    for cell in cells:
        found.cell_marks[cell] = 0
    found.counts[N_CELLS] = 0
    cells.sort()
    return cells
