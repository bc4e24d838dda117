"""The best split of one feature, of whatever kind it is."""

from __future__ import annotations

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import Header
from tocsin.kernels.hoeffding.splits.nominal import best_category
from tocsin.kernels.hoeffding.splits.numeric import best_threshold


@kernel
def best_of_feature(pool: Header, e: int, slot: int, f: int, before: float) -> tuple[float, int, float]:
    """A feature's best split: its merit, the kind of branch (LEAF: there is none), and the threshold or category.

    `before` is the entropy of the leaf's class weights.
    """
    if views.nominal(pool)[f] >= 0:
        return best_category(pool, e, slot, f, before)
    return best_threshold(pool, e, slot, f, before)
