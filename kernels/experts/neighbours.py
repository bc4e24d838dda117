"""The nearest of a sliding window's events, by brute force, for many queries and several windows in one scan.

The window lies in memory by column, values [F, C], and holds events as they came; a query brings a factor for each
column, one over its standard deviation. So distances follow a drifting scale, the column's mean cancels out, and
nothing in the window is ever written again. float64, because amounts and times as they came do not fit float32.

The squared distance of two events is the sum over columns, in their order, of
- numbers: the squared difference in standard deviations, bounded by LIMIT squared, so that no outlier rules;
- categories: 0 where equal, 1 where not;
- 1 where the event in the window lacks the value (the heterogeneous metric of Wilson and Martinez 1997, JAIR 6: 1-34);
a column whose factor is 0 (it never varied) is left out, and so is one that is not known of the query. Of neighbours at
the same distance the later event is nearer.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.kernels.common.backends import Registry
from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LIMIT = 5.0
"""The most standard deviations by which two numbers differ."""
UNKNOWN = 1.0
"""What a value that an event in the window lacks adds to the squared distance."""
BLOCK = 128
"""Rows of the window whose distances are summed at once: their sums stay in the first cache."""
CHUNK = 1 << 24
"""Distances that a back end holds whole keeps in memory at once."""


class Nearest(NamedTuple):
    """The nearest events of B queries in H windows, nearest first."""

    age: Ints
    """[B, H, k]: 0 is the window's latest event; -1 where the window holds fewer than k."""
    distance: Floats
    """[B, H, k] squared distances, ascending; infinite where there is none."""


class Remembered(NamedTuple):
    """The events that are searched."""

    values: Floats
    """[F, C], one row a column of the events, the latest event last; NaN is not known."""
    start: int
    stop: int
    """The window is values[:, start:stop]."""


class Query(NamedTuple):
    """Which neighbours of B events are wanted."""

    X: Floats
    """[B, F]"""
    factor: Floats
    """[F], what differences of a numeric column are multiplied by; 0 leaves a column out, also one of categories."""
    nominal: Bools
    """[F], which columns hold category codes."""
    horizons: Ints
    """[H], window lengths >= 1, ascending."""
    k: int
    """Neighbours, >= 1."""


Search = Registry[[Remembered, Query], Nearest]
_registry: Search = Registry("neighbours")


def nearest(
    values: Floats,
    X: ArrayLike,
    factor: ArrayLike,
    nominal: ArrayLike,
    horizons: ArrayLike,
    k: int,
    span: tuple[int, int] | None = None,
    backend: str = "auto",
) -> Nearest:
    """The k nearest events of each query, in the latest h events for each h of `horizons`.

    Parameters
    ----------
    values
        [F, C] float64, one row a column of the events, the latest event last; NaN is not known.
    X
        [B, F] queries.
    factor
        [F], what differences of a numeric column are multiplied by; 0 leaves a column out, also one of categories.
    nominal
        bool [F]: which columns hold category codes.
    horizons
        [H] window lengths >= 1, ascending.
    k
        Neighbours, >= 1.
    span
        The window is values[:, start:stop]; all of it where None.
    backend
        "auto" or the name of one, see `tocsin.kernels.common.backends`.

    Raises
    ------
    ValueError
        Where shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> found = nearest(np.array([[0.0, 1.0, 4.0]]), [[1.5]], [1.0], [False], [1, 3], 2)
    >>> found.age.tolist(), found.distance.tolist()
    ([[[0, -1], [1, 2]]], [[[6.25, inf], [0.25, 2.25]]])
    """
    start, stop = span or (0, values.shape[1])
    rows, lengths = np.ascontiguousarray(X, np.float64), np.asarray(horizons, np.int64)
    query = Query(rows, np.asarray(factor, np.float64), np.asarray(nominal, np.bool_), lengths, k)
    _check_query(query, values.shape, (start, stop))
    return _registry.get(backend)(Remembered(np.ascontiguousarray(values, np.float64), start, stop), query)


def _check_query(query: Query, remembered: tuple[int, ...], span: tuple[int, int]) -> None:
    """Raises ValueError where shapes or values do not fit; `remembered` is the shape of the events' values."""
    columns, events = remembered
    X, lengths = query.X, query.horizons
    factors, categories = query.factor, query.nominal
    if X.ndim != 2 or X.shape[1] != columns:
        raise ValueError(f"X: has shape {X.shape}, expected [B, {columns}]")
    if factors.shape != (columns,) or categories.shape != (columns,):
        raise ValueError(f"factor and nominal: have shapes {factors.shape} and {categories.shape}, not {(columns,)}")
    if lengths.ndim != 1 or not len(lengths) or lengths[0] < 1 or (np.diff(lengths) < 0).any():
        raise ValueError(f"horizons: {lengths.tolist()} must be one or more lengths >= 1, ascending")
    if query.k < 1:
        raise ValueError(f"k: {query.k} must be at least 1")
    if not 0 <= span[0] <= span[1] <= events:
        raise ValueError(f"span: {span} does not lie within {events} events")


def backend(name: str = "auto") -> str:
    """The back end that `nearest` runs on. Raises UnknownBackendError."""
    return _registry.choose(name)


def backends() -> tuple[str, ...]:
    """The back ends that `nearest` has here."""
    return tuple(_registry.implementations)


# ------------------------------------------------------------ reference


@_registry.register("reference")
def reference(remembered: Remembered, query: Query) -> Nearest:
    """Plain numpy: every distance, sorted."""
    X, factor, nominal, horizons, k = query
    window = remembered.values[:, remembered.start : remembered.stop][:, ::-1]
    squared = np.zeros((len(X), window.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for f in np.flatnonzero(factor):
            asked = ~np.isnan(X[:, f, None])
            if nominal[f]:
                squared += np.where(asked & (X[:, f, None] != window[f]), UNKNOWN, 0.0)
            else:
                apart = np.abs(X[:, f, None] - window[f]) * factor[f]
                squared += np.where(asked, np.where(np.isnan(apart), UNKNOWN, np.minimum(apart, LIMIT) ** 2), 0.0)
    result = _none(len(X), len(horizons), k)
    for h, length in enumerate(horizons):
        order = np.argsort(squared[:, :length], axis=1, kind="stable")[:, :k]
        result.age[:, h, : order.shape[1]] = order
        result.distance[:, h, : order.shape[1]] = np.take_along_axis(squared, order, axis=1)
    return result


def _none(queries: int, horizons: int, k: int) -> Nearest:
    """What is found where there are no neighbours at all."""
    shape = (queries, horizons, k)
    return Nearest(np.full(shape, -1, np.int64), np.full(shape, np.inf))


# ------------------------------------------------------------ numba


@_registry.register("numba")
def compiled(remembered: Remembered, query: Query) -> Nearest:
    """One pass over the window from its latest event, without the GIL."""
    found = _none(len(query.X), len(query.horizons), query.k)
    search(remembered, query, found)
    return found


@kernel
def search(remembered: Remembered, query: Query, found: Nearest) -> None:
    """Fill `found`, which comes with ages of -1 and infinite distances; see `nearest`."""
    values, start, stop = remembered.values, remembered.start, remembered.stop
    age, distance = found.age, found.distance
    squared = np.empty(BLOCK)
    for b in range(len(query.X)):
        high = stop
        for h in range(len(query.horizons)):
            if h > 0:
                # The shorter window's neighbours are the best so far of the longer one.
                for i in range(query.k):
                    age[b, h, i] = age[b, h - 1, i]
                    distance[b, h, i] = distance[b, h - 1, i]
            low = max(start, stop - query.horizons[h])
            while high > low:
                block = max(low, high - BLOCK)
                squared_distances(values, block, high, query.X[b], query.factor, query.nominal, squared)
                _take_nearer(squared, high - block, stop - high, age[b, h], distance[b, h])
                high = block


@kernel
def none_found(queries: int, k: int) -> Nearest:
    """Room for the k neighbours of each query in one window, none of which is known yet."""
    age, distance = np.empty((queries, 1, k), np.int64), np.empty((queries, 1, k))
    for b in range(queries):
        for i in range(k):
            age[b, 0, i] = -1
            distance[b, 0, i] = np.inf
    return Nearest(age, distance)


@kernel
def squared_distances(
    values: Floats,
    low: int,
    high: int,
    x: Floats,
    factor: Floats,
    nominal: Bools,
    squared: Floats,
) -> None:
    """Squared distances of x to the events from low to high; over the rows, so that the loops become vectors."""
    n = high - low
    sums = squared[:n]
    sums[:] = 0.0
    for f in range(len(x)):
        if factor[f] == 0.0 or math.isnan(x[f]):
            continue
        value, scale, column = x[f], factor[f], values[f, low:high]
        if nominal[f]:
            for j in range(n):
                sums[j] += 0.0 if value == column[j] else UNKNOWN
        else:
            for j in range(n):
                apart = abs(value - column[j]) * scale
                apart = LIMIT if apart > LIMIT else apart
                square = apart * apart
                sums[j] += UNKNOWN if square != square else square


@kernel
def _take_nearer(squared: Floats, n: int, age: int, ages: Ints, distances: Floats) -> None:
    """Take those of a block that are nearer than the farthest kept; `age` is that of the block's latest event."""
    k = len(distances)
    worst = distances[k - 1]
    nearer = 0
    # Counting has no branch, and most blocks hold nobody.
    for j in range(n):
        nearer += squared[j] < worst
    if nearer == 0:
        return
    for j in range(n - 1, -1, -1):
        candidate = squared[j]
        if candidate < distances[k - 1]:
            i = k - 1
            while i > 0 and distances[i - 1] > candidate:
                distances[i], ages[i] = distances[i - 1], ages[i - 1]
                i -= 1
            distances[i], ages[i] = candidate, age + n - 1 - j


# ------------------------------------------------------------ torch


@_registry.register("torch")
def by_torch(remembered: Remembered, query: Query) -> Nearest:
    """All queries against all of the window at once, on the GPU where there is one."""
    import torch  # here, because it takes seconds to load and `auto` does without it

    X, factor, nominal, horizons, k = query
    values, start, stop = remembered
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    window = torch.from_numpy(values[:, start:stop][:, ::-1].copy()).to(device)
    result = _none(len(X), len(horizons), k)
    rows = max(1, CHUNK // max(1, stop - start))
    for first in range(0, len(X), rows):
        queries = torch.from_numpy(X[first : first + rows]).to(device)
        squared = torch_distances(queries, window, factor, nominal)
        for h, length in enumerate(horizons):
            # A stable sort, because topk promises no order among ties.
            distance, age = torch.sort(squared[:, :length], dim=1, stable=True)
            n = min(k, age.shape[1])
            result.age[first : first + rows, h, :n] = age[:, :n].cpu().numpy()
            result.distance[first : first + rows, h, :n] = distance[:, :n].cpu().numpy()
    return result


def torch_distances(queries: Any, window: Any, factor: Floats, nominal: Bools) -> Any:
    """Squared distances [B, W] of queries [B, F] to a window [F, W], tensors of one device."""
    import torch

    squared = torch.zeros((len(queries), window.shape[1]), dtype=torch.float64, device=queries.device)
    for f in np.flatnonzero(factor).tolist():
        x, column = queries[:, f, None], window[f]
        if nominal[f]:
            apart = (x != column) * UNKNOWN
        else:
            apart = ((x - column).abs() * float(factor[f])).clamp(max=LIMIT)
            apart = torch.nan_to_num(apart * apart, nan=UNKNOWN)
        squared += apart.masked_fill(x.isnan(), 0.0)
    return squared
