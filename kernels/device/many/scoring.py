"""Scoring of events of many models: the call and its checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.kernels.device.many import layout
from tocsin.kernels.device.many.packed import ManyModels
from tocsin.kernels.device.many.results import ManyScored
from tocsin.kernels.device.many.torch_tensors import score_tensors
from tocsin.kernels.fusion.interface import Floats, numbers

Ints = NDArray[np.int64]


def score_many(many: ManyModels, rows: ArrayLike, of_pool: ArrayLike) -> ManyScored:
    """Decide B events, each by its own model, in one call.

    Parameters
    ----------
    many
        The models, on a device. Where Triton runs there it is one launch, else PyTorch's functions.
    rows
        float64 [B, W], the features of each event, NaN where one is not known. W is at least the number of features of
        every model that is named; what stands beyond a model's own is not read. A block, not a ragged array: launches
        take rows of one width (`tocsin.kernels.device.launches`), so that a batch is one copy whose shape alone says
        which captured graph serves it, and no offsets travel.
    of_pool
        Integers [B]: the number of each event's model, in any order.

    The result of an event does not depend on the other events of the batch, to the bit. To 1e-9 it is that of
    `tocsin.kernels.score.score` of its model alone. Raises ValueError, which names the argument, where shapes do not
    fit or a number is none of a model.
    """
    pools = checked_pools(of_pool, len(many))
    X = checked_rows(rows, pools, many.table)
    if many.place.triton:
        from tocsin.kernels.device.many.triton_launch import launch  # here, because it imports Triton

        found = launch(many, X, pools)
    else:
        found = score_tensors(many, X, pools)
    return ManyScored(*(part.cpu().numpy() for part in found))


def checked_pools(of_pool: Any, models: int) -> Ints:
    """The numbers of the events' models."""
    pools = np.asarray(of_pool)
    if pools.ndim != 1 or (pools.dtype.kind not in "iu" and pools.size):
        raise ValueError(f"of_pool: must be integers of shape [B], not {pools.dtype} of shape {pools.shape}")
    unknown = np.flatnonzero((pools < 0) | (pools >= models))
    if len(unknown):
        first = unknown[0]
        raise ValueError(f"of_pool: event {first} names pool {pools[first]}, which is none of {models}")
    return np.ascontiguousarray(pools, np.int64)


def checked_rows(rows: Any, pools: Ints, table: Ints) -> Floats:
    """The features of the events."""
    X: Floats = numbers("rows", rows)
    widest = int(table[pools, layout.FEATURES].max(initial=0))
    if X.ndim != 2 or len(X) != len(pools) or X.shape[1] < widest:
        raise ValueError(f"rows: has shape {X.shape}, expected [B, W] with B = {len(pools)} and W >= {widest}")
    return X
