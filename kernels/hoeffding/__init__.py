"""Hoeffding trees in flat arrays, many trees at a time.

`pool` holds the trees' memory, `tree` predicts and learns, `splits` finds the best split of a leaf, and `forest` makes
an adaptive random forest of many trees.
"""

from tocsin.kernels.hoeffding.pool.capacity import new_pool, resize
from tocsin.kernels.hoeffding.pool.layout import Pool
from tocsin.kernels.hoeffding.pool.settings import HoeffdingSettings, configure
from tocsin.kernels.hoeffding.pool.snapshot import load_state_dict, state_dict
from tocsin.kernels.hoeffding.tree.decision_path import OPERATORS, Step, Steps, path, paths
from tocsin.kernels.hoeffding.tree.learning import learn
from tocsin.kernels.hoeffding.tree.prediction import evidence, leaf_ids, probabilities, supports

__all__ = [
    "OPERATORS",
    "HoeffdingSettings",
    "Pool",
    "Step",
    "Steps",
    "configure",
    "evidence",
    "leaf_ids",
    "learn",
    "load_state_dict",
    "new_pool",
    "path",
    "paths",
    "probabilities",
    "resize",
    "state_dict",
    "supports",
]
