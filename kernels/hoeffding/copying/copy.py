"""The copy of an expert's trees, and how it follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tocsin.kernels.hoeffding.copying.categories import count_categories, take_changed_cells, write_tree
from tocsin.kernels.hoeffding.copying.following import Since, follow_pool
from tocsin.kernels.hoeffding.copying.layout import (
    CELL,
    FEWEST_CELLS,
    N_ANSWERS,
    N_LINKS,
    PROBES,
    TERMS,
    USED,
    Found,
    Held,
    Longs,
    Plan,
    Sink,
    Source,
    cells_for,
    most_cells,
    new_cells,
    new_found,
    new_held,
    plan_of,
    pools_of,
)
from tocsin.kernels.hoeffding.copying.rows import fill_terms
from tocsin.kernels.hoeffding.pool.layout import N_SWITCHED, N_TAUGHT, Ints, Pool


class Followed(NamedTuple):
    """How far a pool has been followed."""

    notes: Ints
    """Its `taught`: another array belongs to another pool, or to the same one loaded from a snapshot."""
    taught: int
    switched: int


class TreesCopy:
    """The arrays of the trees of one expert, given to a sink whenever they change.

    | name | dtype | shape | of |
    |---|---|---|---|
    | `links` | int32 | [T N, LINKS] | a node's kind, test and children |
    | `values` | float64 | [T N] | a branch's threshold or category |
    | `answers` | float64 | [T N, K + 1] | a leaf's shares or log priors, and its support |
    | `moments` | float64 | [S K, TERMS F] | what a class of a slot's observers has seen of each feature |
    | `cells` | int64 | [H, CELL] | a category of a leaf or a branch |
    | `columns` | int64 | [C] | which features are nominal |
    """

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._held: Held
        self._found: Found
        self._trees: list[tuple[int, int]] = []
        self._followed: list[Followed] = []
        self._deepest = 0

    @property
    def plan(self) -> Plan:
        """The sizes of the arrays, after the first `update`."""
        if self._plan is None:
            raise ValueError("there is no copy before the first update")
        return self._plan

    @property
    def depth(self) -> int:
        """At most so many branches stand between a root and a leaf: 0, or a power of two."""
        return _power(self._deepest)

    @property
    def probes(self) -> int:
        """At most so many cells must be looked at to find a category: 0, or a power of two."""
        return _power(int(self._held.counts[PROBES]))

    @property
    def cells(self) -> int:
        """How many cells the table of categories has, a power of two."""
        return len(self._held.cells)

    def update(self, sources: Sequence[Source], sink: Sink) -> None:
        """Follow what the trees have learnt since the last time, and give the sink the rows that have changed.

        Where the sizes or the pools are others, all is copied anew.
        """
        plan, pools = plan_of(sources), pools_of(sources)
        trees = [(source.tree, source.begun) for source in sources]
        if not (plan == self._plan and _are_same(pools, self._followed)):
            self._begin(plan, sources, sink)
        elif trees != self._trees or not all(map(_is_idle, pools, self._followed)):
            self._follow(sources, sink)
        self._trees, self._followed = trees, [_followed(pool) for pool in pools]
        self._deepest = max(self._deepest, *(int(source.pool.trees["deepest"][source.tree]) for source in sources))

    def _begin(self, plan: Plan, sources: Sequence[Source], sink: Sink) -> None:
        """Copy everything."""
        self._plan, self._held, self._found = plan, new_held(plan), new_found(plan, FEWEST_CELLS)
        self._deepest = 0
        moments = np.zeros((sum(plan.slots) * plan.classes, TERMS * plan.features))
        for number, pool in enumerate(pools_of(sources)):
            trees = np.array([(t, s.tree, 1) for t, s in enumerate(sources) if s.pool is pool], np.int32)
            own, _ = self._follow_pool(pool, number, trees, (0, 0))
            fill_terms(pool.header, own.slots, own.classes, own.rows, moments)
        self._make_table(sources)
        nominal, held = sources[0].pool.nominal[: plan.features], self._held
        columns = np.argsort(np.where(nominal >= 0, nominal, plan.features), kind="stable")[: plan.nominal]
        arrays = {name: getattr(held, name) for name in ("links", "values", "answers", "cells")}
        for name, array in (arrays | {"moments": moments, "columns": columns.astype(np.int64)}).items():
            sink.put_rows(name, array, np.arange(len(array)))

    def _follow(self, sources: Sequence[Source], sink: Sink) -> None:
        """Bring all rows up to date, and give the sink those that have changed."""
        plan, found, room = self.plan, self._found, True
        for number, pool in enumerate(pools_of(sources)):
            before = self._followed[number]
            forgotten = int(pool.counters[N_TAUGHT]) - before.taught > len(pool.taught)
            trees = np.array(
                [
                    (t, s.tree, forgotten or (s.tree, s.begun) != self._trees[t])
                    for t, s in enumerate(sources)
                    if s.pool is pool
                ],
                np.int32,
            )
            own, has_room = self._follow_pool(pool, number, trees, (before.taught, before.switched))
            terms = np.empty((len(own.rows), TERMS * plan.features))
            fill_terms(pool.header, own.slots, own.classes, np.arange(len(own.rows)), terms)
            if len(own.rows):
                sink.write_rows("moments", terms, own.rows)
            room = room and has_room
        links = found.links[: found.counts[N_LINKS]].copy()
        sink.put_rows("links", self._held.links, links)
        sink.put_rows("values", self._held.values, links)
        sink.put_rows("answers", self._held.answers, found.answers[: found.counts[N_ANSWERS]].copy())
        found.counts[[N_LINKS, N_ANSWERS]] = 0
        cells = take_changed_cells(found)
        if not room:
            self._make_table(sources)
            cells = np.arange(len(self._held.cells))
        sink.put_rows("cells", self._held.cells, cells)

    def _follow_pool(self, pool: Pool, number: int, trees: Ints, since: Since) -> tuple[Observers, bool]:
        """Bring the rows of a pool's trees up to date; returns what has changed of their observers.

        The second answer is whether the table of categories has room for all that are new.
        """
        first, K = sum(self.plan.slots[:number]), self.plan.classes
        slots, classes, room = follow_pool(pool.header, trees, first, since, self._held, self._found)
        return Observers(slots, classes, (first + slots) * K + classes), room

    def _make_table(self, sources: Sequence[Source]) -> None:
        """Make the table of categories anew."""
        plan, pools = self.plan, pools_of(sources)
        n = sum(count_categories(source.pool.header, source.tree) for source in sources) if plan.nominal else 0
        cells = cells_for(n)
        self._held = held = self._held._replace(cells=new_cells(cells))
        self._found = found = self._found._replace(cells=np.empty(cells, np.int64), cell_marks=np.zeros(cells, np.int8))
        found.counts[:] = 0
        held.counts[[USED, PROBES]] = 0
        first = {id(pool): sum(plan.slots[:number]) for number, pool in enumerate(pools)}
        for t, source in enumerate(sources):
            write_tree(source.pool.header, source.tree, t * plan.nodes, first[id(source.pool)], held, found)
        take_changed_cells(found)


class Observers(NamedTuple):
    """Classes of slots, all [n]."""

    slots: Longs
    """As their pool numbers them."""
    classes: Longs
    rows: Longs
    """Their rows in `moments`."""


def bytes_needed(sources: Sequence[Source]) -> int:
    """How many bytes the copy of these trees takes at most, where it is made now."""
    return plan_of(sources).nbytes + most_cells(sources) * CELL * 8


def _followed(pool: Pool) -> Followed:
    """A pool that has been followed up to now."""
    return Followed(pool.taught, int(pool.counters[N_TAUGHT]), int(pool.counters[N_SWITCHED]))


def _are_same(pools: Sequence[Pool], followed: Sequence[Followed]) -> bool:
    """Whether these pools went on from those that were followed, and write down their lessons."""
    if len(pools) != len(followed):
        return False
    return all(len(pool.taught) and pool.taught is one.notes for pool, one in zip(pools, followed, strict=True))


def _is_idle(pool: Pool, followed: Followed) -> bool:
    """Whether a pool has learnt nothing since."""
    return int(pool.counters[N_TAUGHT]) == followed.taught and int(pool.counters[N_SWITCHED]) == followed.switched


def _power(number: int) -> int:
    """The power of two that is at least a number, 0 for 0."""
    return 1 << (number - 1).bit_length() if number else 0
