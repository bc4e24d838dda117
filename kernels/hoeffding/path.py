"""The branches between a tree's root and the leaf that answers for an event."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from tocsin.kernels.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.answer import checked
from tocsin.kernels.hoeffding.layout import LEAF, NOMINAL_BINARY, NUMERIC, Floats, Header, Ints, Pool, Row
from tocsin.kernels.hoeffding.walk import child_of, most_travelled


class Step(NamedTuple):
    """One branch on the way, and the test by which the event left it."""

    feature: int
    """The column that is tested."""
    operator: Literal["<=", ">", "=", "!="]
    value: float
    """A threshold, or a category."""
    known: bool
    """False where the event's value is not known, or the branch has not met it: then it takes the busiest way."""


@kernel
def path_into(pool: Header, e: int, x: Row, steps: Ints) -> int:
    """Fill `steps` [S, 3] with branch, child and whether x told the child, from the root on; returns how many."""
    n = 0
    node = 0
    if at.trees(pool)[e].n_nodes == 0:
        return 0
    while n < steps.shape[0] and at.nodes(pool)[e, node].kind != LEAF:
        child = child_of(pool, e, node, x)
        steps[n, 0] = node
        steps[n, 2] = 1 if child >= 0 else 0
        if child < 0:
            child = most_travelled(pool, e, node)
        steps[n, 1] = child
        node = child
        n += 1
    return n


@kernel
def path_of(pool: Header, e: int, x: Floats, steps: Ints) -> int:
    """`path_into` for a row x [F]."""
    return path_into(pool, e, x.ctypes.data, steps)


def path(pool: Pool, e: int, x: Floats, most: int) -> list[Step]:
    """The way of an event x float64 [F] through tree `e` from its root, at most so many branches."""
    row = checked(pool, x[None])[0]
    steps = np.empty((most, 3), np.int32)
    n = path_of(pool.header, e, row, steps)
    return [_step(pool, e, branch, child, bool(told)) for branch, child, told in steps[:n].tolist()]


def _step(pool: Pool, e: int, branch: int, child: int, known: bool) -> Step:
    node = pool.nodes[e, branch]
    first, value = child == node["first"], float(node["value"])
    if node["kind"] == NUMERIC:
        return Step(int(node["feature"]), "<=" if first else ">", value, known)
    if node["kind"] == NOMINAL_BINARY:
        return Step(int(node["feature"]), "=" if first else "!=", value, known)
    return Step(int(node["feature"]), "=", float(pool.nodes[e, child]["edge"]), known)
