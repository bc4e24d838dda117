"""The pool's arrays, as kernels see them.

A kernel gets the pool as one record of addresses and sizes (`layout.Pool.header`), and `at.nodes(pool)` is
the array that stands there. Twenty arrays in a tuple would be simpler, and cost too much: numba passes a
tuple's arrays by value to every function, two hundred words a call, and counts references at every use,
atomically (measured: four times slower). The Pool keeps its arrays alive;
a kernel never outlives it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core.extending import intrinsic
from numba.np.numpy_support import carray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.layout import (
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
    Row,
)


def _pointer(typingctx: Any, address: Any) -> Any:
    """An int64 address as a pointer."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), build


pointer: Any = intrinsic(_pointer)


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
def row(address: Row, n: int) -> Floats:
    """The n float64 that stand at an address.

    Events and scratch rows go from function to function as bare addresses: numba would count an array's
    references at every call (measured: a third of the time of an event).
    """
    return carray(pointer(address), (n,), np.float64)


@kernel
def columns(address: Row, n: int) -> Ints:
    """The n int32 that stand at an address."""
    return carray(pointer(address), (n,), np.int32)
