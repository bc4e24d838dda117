"""Hoeffding trees in flat arrays, a pool at a time; `layout` says how they lie in memory."""

from tocsin.kernels.hoeffding.answer import evidence, leaf_ids, probabilities
from tocsin.kernels.hoeffding.layout import Pool, Settings, configure, new_pool, resize
from tocsin.kernels.hoeffding.learning import learn

__all__ = ["Pool", "Settings", "configure", "evidence", "leaf_ids", "learn", "new_pool", "probabilities", "resize"]
