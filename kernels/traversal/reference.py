"""One event, one tree, one branch at a time."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.hoeffding.pool.layout import (
    LEAF,
    NOMINAL_BINARY,
    NUMERIC,
    Floats,
    Ints,
)
from tocsin.kernels.traversal.flat import Flat
from tocsin.kernels.traversal.interface import registry


@registry.register("reference")
def traverse_reference(flat: Flat, X: Floats) -> Ints:
    """Arguments as `traverse` checked them."""
    E = len(flat.kind)
    out = np.empty((len(X), E), np.int32)
    for b, x in enumerate(X):
        for e in range(E):
            out[b, e] = leaf_of(flat, e, x)
    return out


def leaf_of(flat: Flat, e: int, x: Floats) -> int:
    """The leaf of tree e for x [F], or -1 in an empty tree."""
    if flat.busiest[e, 0] < 0:
        return -1
    node = 0
    while flat.kind[e, node] != LEAF:
        child = child_of(flat, e, node, float(x[flat.feature[e, node]]))
        node = int(flat.busiest[e, node]) if child < 0 else child
    return node


def child_of(flat: Flat, e: int, node: int, value: float) -> int:
    """The child a branch sends a value to, or -1 where it cannot tell."""
    if math.isnan(value):
        return -1
    left, right = int(flat.first[e, node]), int(flat.last[e, node])
    if flat.kind[e, node] == NUMERIC:
        return right if value > flat.value[e, node] else left
    if flat.kind[e, node] == NOMINAL_BINARY:
        return right if value != flat.value[e, node] else left
    child = left
    while child >= 0 and flat.edge[e, child] != value:
        child = int(flat.next[e, child])
    return child
