"""The arrays of a pool, as kernels see them.

A kernel gets a pool as one record of addresses and sizes (`layout.Pool.header`), and `views.nodes(pool)` is the array
that stands at one of these addresses. A tuple of twenty arrays would be simpler, but numba passes a tuple's arrays by
value to every function, two hundred words per call, and counts their references atomically at every use: four times
slower when it was measured. The `Pool` keeps its arrays alive, and no kernel outlives the `Pool`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.np.numpy_support import carray

from tocsin.kernels.common.addresses import pointer
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool.layout import (
    COUNTERS,
    ENTRY,
    MOMENTS,
    NODE,
    TREE,
    Bytes,
    Floats,
    Header,
    Ints,
    Records,
)


@kernel
def trees(pool: Header) -> Records:
    """`Pool.trees`."""
    return carray(pointer(pool.trees), (pool.E,), TREE)


@kernel
def nodes(pool: Header) -> Records:
    """`Pool.nodes`."""
    return carray(pointer(pool.nodes), (pool.E, pool.N), NODE)


@kernel
def counts(pool: Header) -> Floats:
    """`Pool.counts`."""
    return carray(pointer(pool.counts), (pool.E, pool.N, pool.K), np.float64)


@kernel
def order(pool: Header) -> Ints:
    """`Pool.order`."""
    return carray(pointer(pool.order), (pool.E, pool.N, pool.K), np.int32)


@kernel
def faded(pool: Header) -> Floats:
    """`Pool.faded`."""
    return carray(pointer(pool.faded), (pool.E, pool.fading, pool.K), np.float64)


@kernel
def disabled(pool: Header) -> Bytes:
    """`Pool.disabled`."""
    return carray(pointer(pool.disabled), (pool.E, pool.N, pool.F), np.int8)


@kernel
def mask(pool: Header) -> Bytes:
    """`Pool.mask`."""
    return carray(pointer(pool.mask), (pool.E, pool.F), np.int8)


@kernel
def moments(pool: Header) -> Floats:
    """`Pool.moments`."""
    return carray(pointer(pool.moments), (pool.S, pool.K, pool.F, MOMENTS), np.float64)


@kernel
def observed(pool: Header) -> Ints:
    """`Pool.observed`."""
    return carray(pointer(pool.observed), (pool.S, pool.F), np.int32)


@kernel
def n_observed(pool: Header) -> Ints:
    """`Pool.n_observed`."""
    return carray(pointer(pool.n_observed), (pool.S,), np.int32)


@kernel
def classes(pool: Header) -> Ints:
    """`Pool.classes`."""
    return carray(pointer(pool.classes), (pool.S, pool.F, pool.K), np.int32)


@kernel
def n_seen(pool: Header) -> Ints:
    """`Pool.n_seen`."""
    return carray(pointer(pool.n_seen), (pool.S, pool.F), np.int32)


@kernel
def heads(pool: Header) -> Ints:
    """`Pool.heads`."""
    return carray(pointer(pool.heads), (pool.S, pool.C, pool.K + 1), np.int32)


@kernel
def n_values(pool: Header) -> Ints:
    """`Pool.n_values`."""
    return carray(pointer(pool.n_values), (pool.S, pool.C), np.int32)


@kernel
def entries(pool: Header) -> Records:
    """`Pool.entries`."""
    return carray(pointer(pool.entries), (pool.M,), ENTRY)


@kernel
def free_slots(pool: Header) -> Ints:
    """`Pool.free_slots`."""
    return carray(pointer(pool.free_slots), (pool.S,), np.int32)


@kernel
def counters(pool: Header) -> Any:
    """`Pool.counters`."""
    return carray(pointer(pool.counters), (COUNTERS,), np.int64)


@kernel
def nominal(pool: Header) -> Ints:
    """`Pool.nominal`."""
    return carray(pointer(pool.nominal), (pool.F,), np.int32)


@kernel
def class_key(pool: Header) -> Ints:
    """`Pool.class_key`."""
    return carray(pointer(pool.class_key), (pool.K,), np.int32)


@kernel
def coded(pool: Header) -> Bytes:
    """`Pool.coded`."""
    return carray(pointer(pool.coded), (pool.C,), np.int8)


@kernel
def value_key(pool: Header) -> Floats:
    """`Pool.value_key`."""
    return carray(pointer(pool.value_key), (pool.C, pool.V), np.float64)


@kernel
def taken(pool: Header) -> Any:
    """`Pool.taken`."""
    return carray(pointer(pool.taken), (pool.S,), np.int64)


@kernel
def taught(pool: Header) -> Ints:
    """`Pool.taught`."""
    return carray(pointer(pool.taught), (pool.lessons, 3), np.int32)
