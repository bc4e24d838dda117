"""What the copy holds of a node: worked out as `tocsin.kernels.hoeffding.tree` works it out for an event."""

from __future__ import annotations

import math

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.copying.changes import slot_of
from tocsin.kernels.hoeffding.copying.layout import (
    BUSIEST,
    EMPTY,
    FEATURE,
    FIRST,
    GIVEN,
    KIND,
    LAST,
    LISTS,
    MEANS,
    N_ANSWERS,
    N_FRESH,
    N_LINKS,
    N_NODES,
    NORMS,
    SCALES,
    SLOT,
    Found,
    Held,
    Longs,
)
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    LEAF,
    MEAN,
    N_FEATURES,
    NOMINAL_MULTIWAY,
    NORM,
    SCALE,
    WEIGHT,
    Floats,
    Header,
)
from tocsin.kernels.hoeffding.tree.leaves import class_weight, support, total_weight, uses_bayes


@kernel
def fill_answer(pool: Header, e: int, node: int, answer: Floats) -> bool:
    """Fill a leaf's row of `Held.answers` [K + 1]; returns whether it answers by naive Bayes."""
    n, K = views.nodes(pool)[e, node].n_classes, len(answer) - 1
    total = total_weight(pool, e, node)
    weight_behind = support(pool, e, node)
    bayes = uses_bayes(pool, e, node, total)
    seen = n > 0 and total != 0.0
    if not bayes and pool.fading > 0:
        total = weight_behind
    factor = 1.0 / total if total != 0.0 else 1.0
    for k in range(K):
        answer[k] = -math.inf if bayes and seen else 0.0
    for i in range(n):
        k = views.order(pool)[e, node, i]
        if not bayes:
            answer[k] = class_weight(pool, e, node, k) * factor
        elif seen:
            weight = views.counts(pool)[e, node, k]
            answer[k] = math.log(weight / total) if weight > 0.0 else math.inf
    answer[K] = weight_behind
    return bool(bayes and seen)


@kernel
def weigh_children(pool: Header, e: int, base: int, node: int, held: Held) -> int:
    """Sum the weights below a branch's children, in the order of `weight_below`; returns the most common child."""
    child: int = views.nodes(pool)[e, node].first
    busiest, highest, total = child, -math.inf, 0.0
    while child >= 0:
        weight = held.below[base + child]
        total += weight
        if weight > highest:
            highest = weight
            busiest = child
        child = views.nodes(pool)[e, child].next
    held.below[base + node] = total
    return busiest


@kernel
def lists_of_slot(pool: Header, slot: int, at: int, whole: bool, held: Held, found: Found) -> int:
    """The number of a slot's categories, a new one where the slot was taken anew since it was copied."""
    taken = views.taken(pool)[slot]
    if whole or held.taken[at] != taken:
        held.taken[at] = taken
        held.counts[GIVEN] += 1
        held.lists[at] = held.counts[GIVEN]
        found.fresh_marks[at] = 1
        found.fresh[found.counts[N_FRESH]] = at
        found.counts[N_FRESH] += 1
    return int(held.lists[at])


@kernel
def set_link(held: Held, row: int, column: int, number: int) -> bool:
    """Set one of a node's links; returns whether it was another."""
    before = held.links[row, column]
    held.links[row, column] = number
    return bool(before != number)


@kernel
def set_leaf(pool: Header, e: int, node: int, row: int, first_slot: int, held: Held, lists: int, bayes: bool) -> bool:
    """Set the links of a leaf; returns whether any has changed."""
    changed = set_link(held, row, KIND, LEAF)
    changed |= set_link(held, row, FEATURE, 0) | set_link(held, row, FIRST, 0) | set_link(held, row, LAST, 0)
    changed |= set_link(held, row, BUSIEST, 0) | set_link(held, row, LISTS, lists)
    changed |= held.values[row] != 0.0
    held.values[row] = 0.0
    changed |= set_link(held, row, SLOT, first_slot + views.nodes(pool)[e, node].slot if bayes else -1)
    return bool(changed)


@kernel
def set_branch(pool: Header, e: int, node: int, row: int, known: int, held: Held, busiest: int) -> bool:
    """Set the links and the value of a branch; returns whether any has changed."""
    branch = views.nodes(pool)[e, node]
    lists = 0
    if branch.kind == NOMINAL_MULTIWAY:
        lists = held.links[row, LISTS]
        if node >= known or held.links[row, KIND] != NOMINAL_MULTIWAY:
            held.counts[GIVEN] += 1
            lists = held.counts[GIVEN]
    changed = set_link(held, row, KIND, branch.kind) | set_link(held, row, FEATURE, branch.feature)
    changed |= set_link(held, row, FIRST, branch.first) | set_link(held, row, BUSIEST, busiest)
    # Only a test of two outcomes sends an event to the last child; of others there may be ever more.
    changed |= set_link(held, row, LAST, 0 if branch.kind == NOMINAL_MULTIWAY else branch.last)
    changed |= set_link(held, row, LISTS, lists) | set_link(held, row, SLOT, -1)
    changed |= held.values[row] != branch.value
    held.values[row] = branch.value
    return bool(changed)


@kernel
def set_empty(row: int, held: Held, found: Found) -> None:
    """Make the row of a root that of an empty tree, which answers by zeros."""
    held.links[row] = 0
    held.links[row, KIND] = EMPTY
    held.links[row, SLOT] = -1
    held.values[row] = 0.0
    held.answers[row] = 0.0
    held.slots[row] = -1
    found.links[found.counts[N_LINKS]] = row
    found.counts[N_LINKS] += 1
    found.answers[found.counts[N_ANSWERS]] = row
    found.counts[N_ANSWERS] += 1


@kernel
def set_row(pool: Header, e: int, base: int, node: int, first_slot: int, known: int, held: Held, found: Found) -> None:
    """Bring a node's row up to date, and those of its children have been already.

    Rows from `known` on, which a tree before may have had, are of no use as they are.
    """
    row = base + node
    answer = held.answers[row]
    if views.nodes(pool)[e, node].kind == LEAF:
        slot, lists = slot_of(pool, e, node), 0
        if slot >= 0:
            lists = lists_of_slot(pool, slot, first_slot + slot, known == 0, held, found)
        held.slots[row] = slot
        held.below[row] = total_weight(pool, e, node)
        bayes = fill_answer(pool, e, node, answer)
        changed = set_leaf(pool, e, node, row, first_slot, held, lists, bayes)
        found.answers[found.counts[N_ANSWERS]] = row
        found.counts[N_ANSWERS] += 1
    else:
        was_leaf = held.links[row, KIND] == LEAF
        held.slots[row] = -1
        changed = set_branch(pool, e, node, row, known, held, weigh_children(pool, e, base, node, held))
        if node >= known or was_leaf:
            answer[:] = 0.0
            found.answers[found.counts[N_ANSWERS]] = row
            found.counts[N_ANSWERS] += 1
    if changed or node >= known:
        found.links[found.counts[N_LINKS]] = row
        found.counts[N_LINKS] += 1


@kernel
def set_marked(pool: Header, e: int, base: int, first_slot: int, known: int, held: Held, found: Found) -> None:
    """Bring the rows of all marked nodes of a tree up to date, children before their parents, and unmark them."""
    marked = found.nodes[: found.counts[N_NODES]]
    if len(marked) > 1:
        marked.sort()  # a child's number is above its parent's
    for i in range(len(marked) - 1, -1, -1):
        set_row(pool, e, base, marked[i], first_slot, known, held, found)
        found.marks[base + marked[i]] = 0
    found.counts[N_NODES] = 0


@kernel
def fill_terms(pool: Header, slots: Longs, classes: Longs, at: Longs, out: Floats) -> None:
    """Fill the rows `at` [n] of `out` [., TERMS * F] with the moments of classes [n] in slots [n]."""
    F = views.counters(pool)[N_FEATURES]
    for i in range(len(slots)):
        own = views.moments(pool)[slots[i], classes[i]]
        row = out[at[i]]
        for f in range(F):
            if views.nominal(pool)[f] >= 0:
                row[MEANS * F + f] = own[f, WEIGHT]
                row[SCALES * F + f] = 0.0
                row[NORMS * F + f] = 0.0
            else:
                row[MEANS * F + f] = own[f, MEAN]
                row[SCALES * F + f] = own[f, SCALE]
                row[NORMS * F + f] = own[f, NORM]
