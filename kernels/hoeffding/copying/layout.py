"""How the copy of an expert's trees lies in memory, and how much memory it takes.

All trees of an expert stand in the same arrays. A node's row is its tree's number times `Plan.nodes` plus the node's
own number. Slots keep the numbers that they have in their pool, behind those of the pools before it. Categories, of
observers and of multiway branches, stand in one hash table; see `categories`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.hoeffding.pool.layout import (
    MAJORITY,
    N_CLASSES,
    N_FEATURES,
    N_FREE_ENTRIES,
    N_NOMINAL,
    Floats,
    Ints,
    Pool,
)

Longs = NDArray[np.int64]

KIND, FEATURE, FIRST, LAST, BUSIEST, SLOT, LISTS = range(7)
"""The columns of `links`. FIRST and LAST are a branch's children by which a test sends an event, and BUSIEST is the one
that takes an event which the branch cannot place. SLOT is the row of the observers of a leaf that answers by naive
Bayes, and -1 in one that answers by its shares. LISTS numbers the categories of a leaf or of a multiway branch."""
LINKS = 7
EMPTY = 4
"""The kind that the root of an empty tree has here, behind those of `tocsin.kernels.hoeffding.pool.layout`."""
MEANS, SCALES, NORMS = range(3)
"""The rows of F that `moments` keeps of a class in a slot, by which a log density is worked out; of a category MEANS is
the sum of the class's weights, and SCALES is 0."""
TERMS = 3
OWNER, CATEGORY, WORTH = range(3)
"""The columns of a cell of the table of categories: whose category it is, the bits of its value, and what belongs to
it: the bits of a weight, or a child's number."""
CELL = 3
FEWEST_NODES, FEWEST_SLOTS, FEWEST_CELLS = 64, 32, 64
"""A copy has room for so many from the start, because each time that it grows all of it travels."""
SMALL = 1 << 20
"""Bytes that the observers of the fewest slots may take."""
STEADY = 1_024
"""Capacities are powers of two up to here, and then multiples of it."""
MOST_FILLED = 3
"""The table of categories has at least so many times as many cells as categories."""


class Source(NamedTuple):
    """A tree to be copied."""

    pool: Pool
    tree: int
    """Its row in the pool."""
    begun: int = 0
    """Another number says that another tree stands there."""


class Sink(Protocol):
    """What takes the arrays of a copy, such as `tocsin.models.device.forms.form.Copies`."""

    def put_rows(self, name: str, array: NDArray[Any], rows: NDArray[Any]) -> None:
        """An array of which these rows may have changed."""

    def write_rows(self, name: str, values: NDArray[Any], rows: NDArray[Any]) -> None:
        """New values of these rows of an array that was put."""


class Plan(NamedTuple):
    """The sizes of a copy."""

    trees: int
    nodes: int
    """Of each tree."""
    slots: tuple[int, ...]
    """Of each pool."""
    classes: int
    features: int
    nominal: int

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays but the table of categories."""
        rows, slots = self.trees * self.nodes, sum(self.slots)
        node = 4 * LINKS + 8 + 8 * (self.classes + 1)
        return rows * node + slots * self.classes * TERMS * self.features * 8 + self.nominal * 8


class Held(NamedTuple):
    """The arrays of a copy, but for the moments of observers, and what else must be known to follow the trees."""

    links: Ints
    """[T * N, LINKS]"""
    values: Floats
    """[T * N], a branch's threshold or category."""
    answers: Floats
    """[T * N, K + 1]: of a leaf that answers by its shares these, of another one the log prior of each class (-inf: the
    class is not in the leaf; inf: it has no weight, and river gives it a vote of 0). Behind them the leaf's support."""
    cells: Longs
    """[H, CELL]"""
    below: Floats
    """[T * N], the class weights of all leaves below a node. It need not travel."""
    slots: Ints
    """[T * N], the slot of a leaf in its pool, -1 where it has none."""
    n_nodes: Ints
    """[T]"""
    taken: Longs
    """[S], how often a slot had been taken when it was copied; -1: it was not."""
    lists: Ints
    """[S], the number of a slot's categories; see LISTS."""
    counts: Longs
    """[3], see `GIVEN`."""


GIVEN, USED, PROBES = range(3)
"""What `Held.counts` counts: numbers given to lists of categories, cells in use, and the most cells that must be looked
at to find a category."""


class Found(NamedTuple):
    """Which rows have changed, and scratch to find that out."""

    marks: NDArray[np.int8]
    """[T * N], zeros between two uses."""
    nodes: Longs
    """[T * N], the rows that were looked at."""
    links: Longs
    """[T * N], the rows of `links` and `values` that have changed."""
    answers: Longs
    """[T * N], likewise."""
    fresh: Longs
    """[S], slots of which all has changed, as the copy numbers them."""
    fresh_marks: NDArray[np.int8]
    """[S], zeros between two uses."""
    cells: Longs
    """[H], the cells that have changed."""
    cell_marks: NDArray[np.int8]
    """[H], zeros between two uses."""
    counts: Longs
    """[5], how many there are of each; see `N_NODES`."""


N_NODES, N_LINKS, N_ANSWERS, N_FRESH, N_CELLS = range(5)


def roomy(need: int, fewest: int) -> int:
    """A capacity for so many that seldom changes."""
    if need > STEADY:
        return -(-need // STEADY) * STEADY
    return 1 << (max(need, fewest, 1) - 1).bit_length()


def pools_of(sources: Sequence[Source]) -> list[Pool]:
    """The pools of trees, each once, in the order of the trees."""
    return list({id(source.pool): source.pool for source in sources}.values())


def plan_of(sources: Sequence[Source]) -> Plan:
    """The sizes that a copy of these trees has; all are of pools with the same features and classes."""
    first = sources[0].pool.counters
    K, F = int(first[N_CLASSES]), int(first[N_FEATURES])
    fewest = min(FEWEST_SLOTS, max(1, SMALL // max(1, K * TERMS * F * 8)))
    pools = pools_of(sources)
    return Plan(
        trees=len(sources),
        nodes=roomy(max(pool.nodes.shape[1] for pool in pools), FEWEST_NODES),
        slots=tuple(roomy(len(pool.n_observed), fewest) if observes(pool) else 0 for pool in pools),
        classes=K,
        features=F,
        nominal=int(first[N_NOMINAL]),
    )


def observes(pool: Pool) -> bool:
    """Whether any tree of a pool may answer by naive Bayes."""
    return bool((pool.trees["leaf_mode"] != MAJORITY).any())


def cells_for(categories: int) -> int:
    """Cells of a table that has room for twice so many categories."""
    return max(FEWEST_CELLS, 1 << (2 * MOST_FILLED * max(categories, 1) - 1).bit_length())


def most_cells(sources: Sequence[Source]) -> int:
    """At most so many cells has the table of a copy that is made now."""
    plan = plan_of(sources)
    if plan.nominal == 0:
        return FEWEST_CELLS
    entries = sum(pool.entries.size - int(pool.counters[N_FREE_ENTRIES]) for pool in pools_of(sources))
    return cells_for(entries + sum(int(source.pool.trees["n_nodes"][source.tree]) for source in sources))


def new_held(plan: Plan) -> Held:
    """The copy of empty trees, with the fewest cells."""
    rows, S = plan.trees * plan.nodes, sum(plan.slots)
    held = Held(
        links=np.zeros((rows, LINKS), np.int32),
        values=np.zeros(rows),
        answers=np.zeros((rows, plan.classes + 1)),
        cells=new_cells(FEWEST_CELLS),
        below=np.zeros(rows),
        slots=np.full(rows, -1, np.int32),
        n_nodes=np.zeros(plan.trees, np.int32),
        taken=np.full(S, -1, np.int64),
        lists=np.zeros(S, np.int32),
        counts=np.zeros(3, np.int64),
    )
    held.links[:, SLOT] = -1
    held.links[:: plan.nodes, KIND] = EMPTY
    return held


def new_found(plan: Plan, cells: int) -> Found:
    """Room for all rows of a copy."""
    rows, S = plan.trees * plan.nodes, sum(plan.slots)
    nodes, links, answers = (np.empty(rows, np.int64) for _ in range(3))
    return Found(
        marks=np.zeros(rows, np.int8),
        nodes=nodes,
        links=links,
        answers=answers,
        fresh=np.empty(S, np.int64),
        fresh_marks=np.zeros(S, np.int8),
        cells=np.empty(cells, np.int64),
        cell_marks=np.zeros(cells, np.int8),
        counts=np.zeros(5, np.int64),
    )


def new_cells(n: int) -> Longs:
    """Cells of which none is in use: owner 0 owns nothing."""
    return np.zeros((n, CELL), np.int64)
