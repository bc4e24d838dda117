"""Trees that come and go, for forests with background trees."""

from __future__ import annotations

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    LEAF,
    Header,
    Pool,
    clear,
)
from tocsin.kernels.hoeffding.observers import release_slot


@kernel
def release_all(pool: Header, e: int) -> None:
    """Give back the slots of a tree's leaves."""
    for node in range(at.trees(pool)[e].n_nodes):
        leaf = at.nodes(pool)[e, node]
        if leaf.kind == LEAF and leaf.slot >= 0:
            release_slot(pool, leaf.slot)


@kernel
def empty(pool: Header, e: int, key: int) -> None:
    """`reset`, for kernels; `key` is what the new tree's subspaces are drawn from."""
    release_all(pool, e)
    tree = at.trees(pool)[e]
    tree.key = key
    tree.growth_allowed = 1
    tree.n_nodes = 0
    tree.n_active = 0
    tree.n_inactive = 0
    tree.deepest = 0
    tree.weight_seen = 0.0
    tree.active_bytes = 0.0
    tree.inactive_bytes = 0.0
    tree.overhead = 1.0


def reset(pool: Pool, e: int) -> None:
    """Make tree `e` empty again; its hyperparameters and its mask stay."""
    release_all(pool.header, e)
    clear(pool.trees[e])


def swap(pool: Pool, a: int, b: int) -> None:
    """Exchange two trees, as when a background tree takes over: state, hyperparameters and masks."""
    for array in (pool.trees, pool.nodes, pool.counts, pool.order, pool.faded, pool.disabled, pool.mask):
        array[[a, b]] = array[[b, a]]
