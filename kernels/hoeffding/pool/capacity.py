"""New pools, and pools with more room: for classes, features, nodes and observers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.hoeffding.pool.layout import (
    COUNTERS,
    ENTRY,
    FREE_ENTRY,
    FREE_SLOTS,
    MOMENTS,
    N_CLASSES,
    N_FEATURES,
    N_FREE_ENTRIES,
    N_NOMINAL,
    NEGATIVE,
    NODE,
    POSITIVE,
    TREE,
    Pool,
)
from tocsin.kernels.hoeffding.pool.settings import HoeffdingSettings, clear_state, configure


def new_pool(
    settings: list[HoeffdingSettings],
    features: int,
    classes: int,
    nominal: NDArray[np.bool_] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Pool:
    """A pool of empty trees.

    Parameters
    ----------
    settings
        One for each of the E trees.
    features, classes
        How many columns F and classes K there are to begin with; see `resize`.
    nominal
        bool [F], which columns hold categories. None: none of them.
    mask
        bool [E, F], which columns a tree may use. None: all of them.
    """
    kinds = np.zeros(features, np.bool_) if nominal is None else np.asarray(nominal, np.bool_)
    allowed = np.ones((len(settings), features), np.int8)
    if mask is not None:
        allowed[:] = mask
    n_nominal, fading = int(kinds.sum()), any(one.leaf_fading_factor < 1.0 for one in settings)
    E, N, S = len(settings), 4, 2
    pool = Pool(
        trees=np.zeros(E, TREE),
        nodes=np.zeros((E, N), NODE),
        counts=np.zeros((E, N, classes)),
        order=np.zeros((E, N, classes), np.int32),
        faded=np.zeros((E, N if fading else 0, classes)),
        disabled=np.zeros((E, N, features), np.int8),
        mask=allowed,
        entries=np.zeros(0, ENTRY),
        free_slots=np.arange(S - 1, -1, -1, dtype=np.int32),
        counters=first_counters(features, classes, n_nominal, S),
        nominal=np.where(kinds, np.cumsum(kinds) - 1, -1).astype(np.int32),
        class_key=np.arange(classes, dtype=np.int32),
        coded=np.zeros(n_nominal, np.int8),
        value_key=np.zeros((n_nominal, 0)),
        taught=np.zeros((0, 3), np.int32),
        **empty_observers(S, features, classes, n_nominal),
    )
    for e, one in enumerate(settings):
        clear_state(pool.trees[e])
        configure(pool, e, one)
    return pool


def first_counters(features: int, classes: int, nominal: int, slots: int) -> NDArray[np.int64]:
    """The counters of a pool in which nothing has been learnt."""
    counters = np.zeros(COUNTERS, np.int64)
    counters[[N_CLASSES, N_FEATURES, N_NOMINAL, FREE_SLOTS]] = classes, features, nominal, slots
    counters[[FREE_ENTRY, NEGATIVE, POSITIVE]] = -1
    return counters


def empty_observers(slots: int, features: int, classes: int, nominal: int) -> dict[str, NDArray[Any]]:
    """The arrays of a pool that stand by slot, for observers that have seen nothing."""
    S, F, K, C = slots, features, classes, nominal
    return {
        "moments": np.zeros((S, K, F, MOMENTS)),
        "observed": np.zeros((S, F), np.int32),
        "n_observed": np.zeros(S, np.int32),
        "classes": np.zeros((S, F, K), np.int32),
        "n_seen": np.zeros((S, F), np.int32),
        "heads": np.full((S, C, K + 1), -1, np.int32),
        "n_values": np.zeros((S, C), np.int32),
        "taken": np.zeros(S, np.int64),
    }


def widened(array: NDArray[Any], axis: int, size: int, fill: float = 0) -> NDArray[Any]:
    """The array with at least `size` places along an axis, the new ones filled."""
    if array.shape[axis] >= size:
        return array
    shape = list(array.shape)
    shape[axis] = size
    wide = np.zeros(shape, array.dtype) if fill == 0 else np.full(shape, fill, array.dtype)
    wide[tuple(slice(n) for n in array.shape)] = array
    return wide


def room(have: int, need: int) -> int:
    """A capacity of at least `need`. It grows by half or more, so that copying stays a constant share of the work."""
    return have if have >= need else max(need, have + have // 2 + 1)


def resize(
    pool: Pool,
    features: int,
    classes: int,
    nominal: NDArray[np.bool_] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Pool:
    """A pool with room for F columns and K classes; what was learnt stays.

    Parameters
    ----------
    features, classes
        The new F and K, never below the old ones.
    nominal
        bool [F'], which of the F' new columns hold categories. None: none of them.
    mask
        bool [E, F'], which trees may use the new columns. None: all of them.

    Raises ValueError where F or K would shrink.
    """
    counters = pool.counters.copy()
    old = int(counters[N_FEATURES])
    if features < old or classes < counters[N_CLASSES]:
        raise ValueError(f"a pool of {old} features and {counters[N_CLASSES]} classes cannot shrink")
    kinds = np.zeros(features - old, np.bool_) if nominal is None else np.asarray(nominal, np.bool_)
    first = int(counters[N_NOMINAL])
    counters[[N_CLASSES, N_FEATURES, N_NOMINAL]] = classes, features, first + int(kinds.sum())
    K, F, C = room(pool.counts.shape[2], classes), room(pool.mask.shape[1], features), int(counters[N_NOMINAL])
    allowed = widened(pool.mask, 1, F, 1)
    if mask is not None:
        allowed[:, old:features] = mask
    numbers = widened(pool.nominal, 0, F, -1)
    numbers[old:features] = np.where(kinds, first + np.cumsum(kinds) - 1, -1)
    return with_room_for(pool, F, K, C).replaced(mask=allowed, nominal=numbers, counters=counters)


def with_room_for(pool: Pool, features: int, classes: int, nominal: int) -> Pool:
    """The pool with capacities F, K and C in every array but `mask` and `nominal`."""
    F, K, C = features, classes, nominal
    keys = widened(pool.class_key, 0, K)
    keys[pool.class_key.size :] = np.arange(pool.class_key.size, K)
    return pool.replaced(
        counts=widened(pool.counts, 2, K),
        order=widened(pool.order, 2, K),
        faded=widened(pool.faded, 2, K),
        disabled=widened(pool.disabled, 2, F),
        moments=widened(widened(pool.moments, 1, K), 2, F),
        observed=widened(pool.observed, 1, F),
        classes=widened(widened(pool.classes, 1, F), 2, K),
        n_seen=widened(pool.n_seen, 1, F),
        heads=widened(widened(pool.heads, 1, C, -1), 2, K + 1, -1),
        n_values=widened(pool.n_values, 1, C),
        class_key=keys,
        coded=widened(pool.coded, 0, C),
        value_key=widened(pool.value_key, 0, C),
    )


def grown(pool: Pool, nodes: int, slots: int, entries: int) -> Pool:
    """The pool with room for so many nodes per tree, and with so many free slots and free entries at least."""
    counters = pool.counters
    N = room(pool.nodes.shape[1], nodes)
    have = pool.free_slots.size
    S = room(have, have + max(0, slots - int(counters[FREE_SLOTS])))
    stack = widened(pool.free_slots, 0, S)
    free = int(counters[FREE_SLOTS])
    stack[free : free + S - have] = np.arange(S - 1, have - 1, -1)
    counters[FREE_SLOTS] = free + S - have
    return pool.replaced(
        nodes=widened(pool.nodes, 1, N),
        counts=widened(pool.counts, 1, N),
        order=widened(pool.order, 1, N),
        faded=widened(pool.faded, 1, N) if pool.faded.shape[1] else pool.faded,
        disabled=widened(pool.disabled, 1, N),
        moments=widened(pool.moments, 0, S),
        observed=widened(pool.observed, 0, S),
        n_observed=widened(pool.n_observed, 0, S),
        classes=widened(pool.classes, 0, S),
        n_seen=widened(pool.n_seen, 0, S),
        heads=widened(pool.heads, 0, S, -1),
        n_values=widened(pool.n_values, 0, S),
        taken=widened(pool.taken, 0, S),
        entries=with_free_entries(pool, entries),
        free_slots=stack,
    )


def with_free_entries(pool: Pool, entries: int) -> NDArray[Any]:
    """The entries of a pool, of which at least so many are free; its counters change in place."""
    counters, used = pool.counters, pool.entries.size
    M = room(used, used + max(0, entries - int(counters[N_FREE_ENTRIES])))
    linked = widened(pool.entries, 0, M)
    if used < M:
        linked["next"][used:] = np.arange(used + 1, M + 1)
        linked["next"][M - 1] = counters[FREE_ENTRY]
        counters[FREE_ENTRY] = used
        counters[N_FREE_ENTRIES] += M - used
    return linked
