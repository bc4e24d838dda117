"""A pool's trees as plain arrays of their branches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    LEAF,
    Floats,
    Header,
    Ints,
    Pool,
)
from tocsin.kernels.hoeffding.tree.traversal import most_common_child


class Flat(NamedTuple):
    """E trees of at most N nodes, all [E, N]; `tocsin.kernels.hoeffding.pool.layout.NODE` says what the fields mean."""

    kind: Ints
    feature: Ints
    first: Ints
    last: Ints
    next: Ints
    busiest: Ints
    """The child that a branch sends an event to when it cannot tell; 0 for a leaf, -1 for the root of an empty tree."""
    value: Floats
    edge: Floats


def flatten(pool: Pool) -> Flat:
    """A copy of what a walk needs."""
    used = max(int(pool.trees["n_nodes"].max(initial=0)), 1)
    nodes = pool.nodes[:, :used]
    busiest = np.zeros(nodes.shape, np.int32)
    find_busiest(pool.header, busiest)
    columns = {name: np.ascontiguousarray(nodes[name]) for name in ("kind", "feature", "first", "last", "next")}
    return Flat(
        **columns,
        busiest=busiest,
        value=np.ascontiguousarray(nodes["value"]),
        edge=np.ascontiguousarray(nodes["edge"]),
    )


@kernel
def find_busiest(pool: Header, out: Ints) -> None:
    """See `Flat.busiest`."""
    for e in range(out.shape[0]):
        if views.trees(pool)[e].n_nodes == 0:
            out[e, 0] = -1
        for node in range(views.trees(pool)[e].n_nodes):
            if views.nodes(pool)[e, node].kind != LEAF:
                out[e, node] = most_common_child(pool, e, node)
