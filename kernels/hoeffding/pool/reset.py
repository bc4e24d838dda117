"""Empty a tree, so that its row of the pool can begin another one."""

from __future__ import annotations

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import LEAF, Header
from tocsin.kernels.hoeffding.pool.slots import release_slot


@kernel
def reset_tree(pool: Header, e: int, key: int) -> None:
    """Make tree `e` empty; its hyperparameters and its mask stay.

    The new tree draws the subspaces of its leaves from `key`.
    """
    tree = views.trees(pool)[e]
    for node in range(tree.n_nodes):
        leaf = views.nodes(pool)[e, node]
        if leaf.kind == LEAF and leaf.slot >= 0:
            release_slot(pool, leaf.slot)
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
