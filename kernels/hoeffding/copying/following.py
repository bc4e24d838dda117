"""Bring the copy of a pool's trees up to date with what was learnt since."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.copying.categories import write_child, write_class
from tocsin.kernels.hoeffding.copying.changes import list_taught, mark_switched, mark_upwards, slot_of
from tocsin.kernels.hoeffding.copying.layout import EMPTY, KIND, N_FRESH, Found, Held, Longs
from tocsin.kernels.hoeffding.copying.rows import set_empty, set_marked
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES, N_SWITCHED, N_TAUGHT, Header, Ints

COPY, TREE, WHOLE = range(3)
"""What is said of a tree that is copied: its number in the copy, its row in the pool, and whether all of it is new."""
TAUGHT, SWITCHED = range(2)
"""How far a pool was followed: the numbers that `N_TAUGHT` and `N_SWITCHED` of its counters were then."""
Since = tuple[int, int]


@kernel
def nodes_per_tree(held: Held) -> int:
    """`Plan.nodes`."""
    return len(held.slots) // len(held.n_nodes)


@kernel
def taught_since(pool: Header, trees: Ints, begin: int) -> Longs:
    """What the trees that are not whole were taught from a lesson on, as `list_taught` gives it."""
    end, known = views.counters(pool)[N_TAUGHT], False
    numbers = np.full(pool.E, -1, np.int32)
    for j in range(len(trees)):
        if trees[j, WHOLE] == 0:
            numbers[trees[j, TREE]] = trees[j, COPY]
            known = True
    if not known:
        return np.empty(0, np.int64)
    out = np.empty(end - begin, np.int64)
    return out[: list_taught(pool, begin, end, numbers, out)]


@kernel
def follow_trees(
    pool: Header, trees: Ints, first_slot: int, taught: Longs, switched: bool, held: Held, found: Found
) -> None:
    """Bring the rows of a pool's nodes up to date.

    Parameters
    ----------
    trees
        [T, 3], see `COPY`, by their numbers in the copy.
    first_slot
        Where the pool's slots begin in the copy.
    taught
        As `changes.list_taught` gives it, of trees that are not whole.
    switched
        Whether any leaf lost its observers or got new ones.
    """
    span, i = pool.N * pool.K, 0
    for j in range(len(trees)):
        t, e, whole = trees[j, COPY], trees[j, TREE], trees[j, WHOLE] != 0
        base = t * nodes_per_tree(held)
        while i < len(taught) and taught[i] // span == t:
            mark_upwards(pool, e, base, taught[i] % span // pool.K, found)
            i += 1
        n = views.trees(pool)[e].n_nodes
        known = 0 if whole else held.n_nodes[t]
        for node in range(known, n):
            mark_upwards(pool, e, base, node, found)
        if switched and not whole:
            mark_switched(pool, e, base, first_slot, held, found)
        set_marked(pool, e, base, first_slot, known, held, found)
        if n == 0 and held.links[base, KIND] != EMPTY:
            set_empty(base, held, found)


@kernel
def follow_children(pool: Header, trees: Ints, held: Held, found: Found) -> bool:
    """Write the categories of new children, and how many nodes each tree has now.

    Returns whether the table of categories has room for them.
    """
    room = True
    for j in range(len(trees)):
        t, e = trees[j, COPY], trees[j, TREE]
        n = views.trees(pool)[e].n_nodes
        for node in range(0 if trees[j, WHOLE] != 0 else held.n_nodes[t], n):
            room = room and write_child(pool, e, t * nodes_per_tree(held), node, held, found)
        held.n_nodes[t] = n
    return room


@kernel
def list_observers(
    pool: Header, trees: Ints, first_slot: int, taught: Longs, held: Held, found: Found
) -> tuple[Longs, Longs]:
    """Which classes of which slots have changed, both [n]; `trees` is as `follow_trees` takes it."""
    span, K, n, j = pool.N * pool.K, views.counters(pool)[N_CLASSES], 0, 0
    most = len(taught) + found.counts[N_FRESH] * K
    slots, classes = np.empty(most, np.int64), np.empty(most, np.int64)
    for code in taught:
        while trees[j, COPY] != code // span:
            j += 1
        slot = slot_of(pool, trees[j, TREE], code % span // pool.K)
        if slot >= 0 and found.fresh_marks[first_slot + slot] == 0:
            slots[n], classes[n] = slot, code % pool.K
            n += 1
    for i in range(found.counts[N_FRESH]):
        found.fresh_marks[found.fresh[i]] = 0
        for k in range(K):
            slots[n], classes[n] = found.fresh[i] - first_slot, k
            n += 1
    found.counts[N_FRESH] = 0
    return slots[:n], classes[:n]


@kernel
def follow_categories(pool: Header, slots: Longs, classes: Longs, first_slot: int, held: Held, found: Found) -> bool:
    """Write the categories of classes [n] in slots [n]; returns whether the table has room for them."""
    for i in range(len(slots)):
        if not write_class(pool, slots[i], classes[i], held.lists[first_slot + slots[i]], held, found):
            return False
    return True


@kernel
def follow_pool(
    pool: Header, trees: Ints, first_slot: int, since: Since, held: Held, found: Found
) -> tuple[Longs, Longs, bool]:
    """Bring the copy of a pool's trees up to date, but for the moments of observers.

    `trees` and `first_slot` are as `follow_trees` takes them, `since` is how far the pool was followed before. Returns
    which classes of which slots have changed, and whether the table of categories has room for all that are new.
    """
    taught = taught_since(pool, trees, since[TAUGHT])
    switched = views.counters(pool)[N_SWITCHED] != since[SWITCHED]
    follow_trees(pool, trees, first_slot, taught, switched, held, found)
    room = follow_children(pool, trees, held, found)
    slots, classes = list_observers(pool, trees, first_slot, taught, held, found)
    room = room and follow_categories(pool, slots, classes, first_slot, held, found)
    return slots, classes, room
