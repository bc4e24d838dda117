"""The branches between a tree's root and the leaf that answers for an event."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    LEAF,
    N_FEATURES,
    NOMINAL_BINARY,
    NOMINAL_MULTIWAY,
    NUMERIC,
    Floats,
    Header,
    Ints,
    Pool,
)
from tocsin.kernels.hoeffding.walk import child_of, most_travelled

Operator = Literal["<=", ">", "=", "!="]
OPERATORS: tuple[Operator, ...] = ("<=", ">", "=", "!=")
AT_MOST, ABOVE, EQUAL, OTHER = range(4)
FEATURE, OPERATOR, KNOWN, CHILD = range(4)
"""Columns of the steps that the kernel fills in."""


class Step(NamedTuple):
    """One branch on the way, and the test by which the event left it."""

    feature: int
    """The column that is tested."""
    operator: Operator
    value: float
    """A threshold, or a category."""
    known: bool
    """False where the event's value is not known, or the branch has not met it: then it takes the busiest way."""


@kernel
def path_of(pool: Header, e: int, x: Floats, steps: Ints, values: Floats) -> int:
    """Fill `steps` [S, 4] and the tests' `values` [S] for a row x [F], from the root on; returns how many."""
    n = 0
    node = 0
    if at.trees(pool)[e].n_nodes == 0:
        return 0
    while n < steps.shape[0] and at.nodes(pool)[e, node].kind != LEAF:
        branch = at.nodes(pool)[e, node]
        child = child_of(pool, e, node, x.ctypes.data)
        steps[n, FEATURE] = branch.feature
        steps[n, KNOWN] = 1 if child >= 0 else 0
        if child < 0:
            child = most_travelled(pool, e, node)
        values[n] = branch.value
        if branch.kind == NUMERIC:
            steps[n, OPERATOR] = AT_MOST if child == branch.first else ABOVE
        else:
            steps[n, OPERATOR] = OTHER if branch.kind == NOMINAL_BINARY and child != branch.first else EQUAL
        if branch.kind == NOMINAL_MULTIWAY:
            values[n] = at.nodes(pool)[e, child].edge
        steps[n, CHILD] = child
        node = child
        n += 1
    return n


def path(pool: Pool, e: int, x: Floats, most: int) -> list[Step]:
    """The way of an event x float64 [F] through tree `e` from its root, at most so many branches."""
    if x.shape != (pool.counters[N_FEATURES],):
        raise ValueError(f"x {x.shape} is not [{pool.counters[N_FEATURES]}]")
    steps, values = np.empty((most, 4), np.int32), np.empty(most)
    n = path_of(pool.header, e, np.ascontiguousarray(x, np.float64), steps, values)
    return [
        Step(feature, OPERATORS[operator], value, known > 0)
        for (feature, operator, known, _), value in zip(steps[:n].tolist(), values[:n].tolist(), strict=True)
    ]
