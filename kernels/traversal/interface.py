"""Walks down flat trees: the interface of every back end, and its checks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tocsin.kernels.common.backends import Registry
from tocsin.kernels.hoeffding.pool.layout import Floats, Ints
from tocsin.kernels.traversal.flat import Flat

Traverse = Registry[[Flat, Floats], Ints]
registry: Traverse = Registry("traversal")


def traverse(flat: Flat, X: ArrayLike, backend: str = "auto") -> Ints:
    """The leaf that answers for each event: int32 [B, E], as `tocsin.kernels.hoeffding.leaf_ids`.

    X [B, F] float64, NaN where a value is not known, with every column that a tree asks for. Raises ValueError where
    there are fewer.
    """
    rows = np.ascontiguousarray(X, np.float64)
    columns = int(flat.feature.max(initial=-1)) + 1
    if rows.ndim != 2 or rows.shape[1] < columns:
        raise ValueError(f"X: has shape {rows.shape}, expected [B, F] with F >= {columns}")
    return registry.get(backend)(flat, rows)


def backend(name: str = "auto") -> str:
    """The back end that `traverse` runs on. Raises UnknownBackendError."""
    return registry.choose(name)


def backends() -> tuple[str, ...]:
    """The back ends that `traverse` has here."""
    return registry.available()
