"""Which nodes of a tree have changed since it was copied.

These are the leaves that were taught, every node above them (the weights below it are others), and all nodes that are
new. A leaf that nothing reached may have lost its observers, or have got new ones: where leaves of the pool did, all
slots are compared.
"""

from __future__ import annotations

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.copying.layout import N_NODES, Found, Held, Longs
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import LEAF, MAJORITY, TAUGHT_CLASS, TAUGHT_NODE, TAUGHT_TREE, Header, Ints


@kernel
def mark_upwards(pool: Header, e: int, base: int, node: int, found: Found) -> None:
    """Mark a node and all above it. What is above a marked node is marked already."""
    while node >= 0 and found.marks[base + node] == 0:
        found.marks[base + node] = 1
        found.nodes[found.counts[N_NODES]] = node
        found.counts[N_NODES] += 1
        node = views.nodes(pool)[e, node].parent


@kernel
def slot_of(pool: Header, e: int, node: int) -> int:
    """The slot of a leaf that may answer by naive Bayes; -1 of any other node."""
    here = views.nodes(pool)[e, node]
    if here.kind != LEAF or views.trees(pool)[e].leaf_mode == MAJORITY:
        return -1
    return int(here.slot)


@kernel
def mark_switched(pool: Header, e: int, base: int, first_slot: int, held: Held, found: Found) -> None:
    """Mark the leaves of a tree that have another slot than before, or what was taken anew since."""
    for node in range(views.trees(pool)[e].n_nodes):
        slot = slot_of(pool, e, node)
        if slot != held.slots[base + node] or (slot >= 0 and held.taken[first_slot + slot] != views.taken(pool)[slot]):
            mark_upwards(pool, e, base, node, found)


@kernel
def lesson_at(pool: Header, number: int) -> tuple[int, int, int]:
    """The tree, the node and the class of a lesson."""
    lesson = views.taught(pool)[number % pool.lessons]
    return lesson[TAUGHT_TREE], lesson[TAUGHT_NODE], lesson[TAUGHT_CLASS]


@kernel
def list_taught(pool: Header, begin: int, end: int, trees: Ints, out: Longs) -> int:
    """List what the lessons from `begin` to `end` taught, each once: (tree of the copy, node, class) as one number.

    `trees` [E] has the number of each tree in the copy, or -1 for trees that are not copied or are copied anew. Returns
    how many there are.
    """
    n = 0
    for number in range(begin, end):
        e, node, y = lesson_at(pool, number)
        if trees[e] >= 0:
            out[n] = (trees[e] * pool.N + node) * pool.K + y
            n += 1
    if n == 0:
        return 0
    listed = out[:n]
    listed.sort()
    last = 0
    for i in range(1, n):
        if listed[i] != listed[last]:
            last += 1
            listed[last] = listed[i]
    return last + 1
