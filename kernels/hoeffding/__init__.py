"""Hoeffding trees in flat arrays, a pool at a time; `layout` says how they lie in memory."""

from tocsin.kernels.hoeffding.answer import (
    evidence,
    leaf_ids,
    probabilities,
    supports,
)
from tocsin.kernels.hoeffding.layout import (
    Pool,
    Settings,
    configure,
    new_pool,
    resize,
)
from tocsin.kernels.hoeffding.learning import learn
from tocsin.kernels.hoeffding.path import Step, path
from tocsin.kernels.hoeffding.snapshot import load_state_dict, state_dict
from tocsin.kernels.hoeffding.turnover import reset, swap

__all__ = [
    "Pool",
    "Settings",
    "Step",
    "configure",
    "evidence",
    "leaf_ids",
    "learn",
    "load_state_dict",
    "new_pool",
    "path",
    "probabilities",
    "reset",
    "resize",
    "state_dict",
    "supports",
    "swap",
]
