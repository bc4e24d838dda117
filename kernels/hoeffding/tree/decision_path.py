"""The branches between the root of a tree and the leaf that answers for an event."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from tocsin.kernels.common.addresses import address_of
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
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
from tocsin.kernels.hoeffding.tree.traversal import child_of, most_common_child

Operator = Literal["<=", ">", "=", "!="]
OPERATORS: tuple[Operator, ...] = ("<=", ">", "=", "!=")
AT_MOST, ABOVE, EQUAL, OTHER = range(4)
"""The places of `OPERATORS`."""
FEATURE, OPERATOR, KNOWN, CHILD = range(4)
"""The columns of the steps that the kernel fills in."""


class Step(NamedTuple):
    """One branch on the path, and the test by which the event left it."""

    feature: int
    """The column that is tested."""
    operator: Operator
    value: float
    """A threshold, or a category."""
    known: bool
    """False where the branch cannot place the event: its value is not known, or its category is new. Such an event
    goes to the most common child."""


@kernel
def fill_path(pool: Header, e: int, x: Floats, steps: Ints, values: Floats) -> int:
    """Fill `steps` [S, 4] and the tests' `values` [S] for a row x [F], from the root on; returns how many there are."""
    n = 0
    node = 0
    if views.trees(pool)[e].n_nodes == 0:
        return 0
    while n < steps.shape[0] and views.nodes(pool)[e, node].kind != LEAF:
        branch = views.nodes(pool)[e, node]
        child = child_of(pool, e, node, address_of(x))
        steps[n, FEATURE] = branch.feature
        steps[n, KNOWN] = 1 if child >= 0 else 0
        if child < 0:
            child = most_common_child(pool, e, node)
        values[n] = branch.value
        if branch.kind == NUMERIC:
            steps[n, OPERATOR] = AT_MOST if child == branch.first else ABOVE
        else:
            steps[n, OPERATOR] = OTHER if branch.kind == NOMINAL_BINARY and child != branch.first else EQUAL
        if branch.kind == NOMINAL_MULTIWAY:
            values[n] = views.nodes(pool)[e, child].edge
        steps[n, CHILD] = child
        node = child
        n += 1
    return n


@kernel
def fill_paths(pool: Header, e: int, X: Floats, steps: Ints, values: Floats, counts: Ints) -> None:
    """`fill_path` for the rows X [B, F]: `steps` [B, S, 4], `values` [B, S], and how many steps each has [B]."""
    for b in range(X.shape[0]):
        counts[b] = fill_path(pool, e, X[b], steps[b], values[b])


class Steps(NamedTuple):
    """The paths of B events, with at most S branches."""

    feature: Ints
    """[B, S], the column that is tested."""
    operator: Ints
    """[B, S], the place among `OPERATORS`."""
    known: Ints
    """[B, S], 0 where the branch cannot place the event; see `Step.known`."""
    child: Ints
    """[B, S], the node that the step leads to, by which the test is known."""
    value: Floats
    """[B, S], a threshold, or a category."""
    length: Ints
    """[B], how many branches the path has; what stands behind them means nothing."""


def paths(pool: Pool, e: int, X: Floats, most: int) -> Steps:
    """The paths of events X float64 [B, F] through tree `e`, at most so many branches of each.

    `path` says the same of one event. Raises ValueError where X does not fit the pool.
    """
    if X.ndim != 2 or X.shape[1] != pool.counters[N_FEATURES]:
        raise ValueError(f"X {X.shape} is not [B, {pool.counters[N_FEATURES]}]")
    B = len(X)
    steps, values, counts = np.empty((B, most, 4), np.int32), np.empty((B, most)), np.zeros(B, np.int32)
    fill_paths(pool.header, e, np.ascontiguousarray(X, np.float64), steps, values, counts)
    feature, operator, known, child = (steps[:, :, column] for column in (FEATURE, OPERATOR, KNOWN, CHILD))
    return Steps(feature, operator, known, child, values, counts)


def path(pool: Pool, e: int, x: Floats, most: int) -> list[Step]:
    """The path of an event x float64 [F] through tree `e`, from the root on, at most so many branches.

    Raises ValueError where x does not fit the pool.
    """
    if x.shape != (pool.counters[N_FEATURES],):
        raise ValueError(f"x {x.shape} is not [{pool.counters[N_FEATURES]}]")
    steps, values = np.empty((most, 4), np.int32), np.empty(most)
    n = fill_path(pool.header, e, np.ascontiguousarray(x, np.float64), steps, values)
    return [
        Step(feature, OPERATORS[operator], value, known > 0)
        for (feature, operator, known, _), value in zip(steps[:n].tolist(), values[:n].tolist(), strict=True)
    ]
