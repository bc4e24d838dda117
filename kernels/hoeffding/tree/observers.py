"""What an active leaf observes of its events: per class and feature a Gaussian, or the categories seen.

This is river's `GaussianSplitter` (Welford's update in West's weighted form, and the range of every class) and its
`NominalSplitterClassif`. Wherever river keeps a dict, its order is kept: of features, of an observer's classes and of
a class's categories. Sums run in that order, and the first of equals wins.
"""

from __future__ import annotations

import math

from tocsin.kernels.common.addresses import Address, floats_at, ints_at
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    HIGHEST,
    LISTED,
    LOWEST,
    MEAN,
    MOST_VALUES,
    N_FEATURES,
    SQUARES,
    WEIGHT,
    Header,
)
from tocsin.kernels.hoeffding.pool.slots import append_entry, find_entry, release_list, update_density_terms


@kernel
def list_class(pool: Header, slot: int, f: int, k: int) -> None:
    """Give a class its place in the order of an observer's classes."""
    views.classes(pool)[slot, f, views.n_seen(pool)[slot, f]] = k
    views.n_seen(pool)[slot, f] += 1
    views.moments(pool)[slot, k, f, LISTED] = 1.0


@kernel
def observe_category(pool: Header, slot: int, f: int, y: int, value: float, w: float) -> None:
    """Count a category of class y with weight w."""
    c = views.nominal(pool)[f]
    if views.moments(pool)[slot, y, f, LISTED] == 0.0:
        list_class(pool, slot, f, y)
    entry = find_entry(pool, views.heads(pool)[slot, c, y + 1], value)
    if entry >= 0:
        views.entries(pool)[entry].weight += w
    else:
        append_entry(pool, slot, c, y + 1, value, w)
        if find_entry(pool, views.heads(pool)[slot, c, 0], value) < 0:
            append_entry(pool, slot, c, 0, value, 0.0)
            views.n_values(pool)[slot, c] += 1
            views.counters(pool)[MOST_VALUES] = max(views.counters(pool)[MOST_VALUES], views.n_values(pool)[slot, c])
    # River sums the class's weights anew rather than adding to their sum, and so rounds differently.
    total = 0.0
    entry = views.heads(pool)[slot, c, y + 1]
    while entry >= 0:
        total += views.entries(pool)[entry].weight
        entry = views.entries(pool)[entry].next
    views.moments(pool)[slot, y, f, WEIGHT] = total


@kernel
def observe(pool: Header, e: int, node: int, x: Address, y: int, w: float, columns: Address, bayes: bool) -> None:
    """Show one event to a leaf's observers; NaN is a value that is not known.

    `bayes` keeps the terms of the log densities up to date. The Gaussians are updated here rather than in a function of
    their own, because this is the innermost loop of learning.
    """
    n = views.counters(pool)[N_FEATURES]
    event = floats_at(x, n)
    order = ints_at(columns, n)
    slot = views.nodes(pool)[e, node].slot
    all_moments = views.moments(pool)[slot, y]
    n_seen = views.n_seen(pool)[slot]
    mask = views.mask(pool)[e]
    disabled = views.disabled(pool)[e, node]
    nominal = views.nominal(pool)
    for i in range(n):
        f = order[i]
        value = event[f]
        if math.isnan(value) or mask[f] == 0 or disabled[f] != 0:
            continue
        if n_seen[f] == 0:
            views.observed(pool)[slot, views.n_observed(pool)[slot]] = f
            views.n_observed(pool)[slot] += 1
        if nominal[f] >= 0:
            observe_category(pool, slot, f, y, value, w)
            continue
        moments = all_moments[f]
        if moments[LISTED] == 0.0:
            list_class(pool, slot, f, y)
            moments[LOWEST] = value
            moments[HIGHEST] = value
        elif value < moments[LOWEST]:
            moments[LOWEST] = value
        elif value > moments[HIGHEST]:
            moments[HIGHEST] = value
        weight = moments[WEIGHT] + w
        before = moments[MEAN]
        after = before + (w / weight) * (value - before)
        moments[WEIGHT] = weight
        moments[MEAN] = after
        moments[SQUARES] += w * (value - before) * (value - after)
        if bayes:
            update_density_terms(moments)


@kernel
def disable(pool: Header, e: int, node: int, f: int) -> None:
    """Let a leaf stop observing a feature."""
    slot = views.nodes(pool)[e, node].slot
    place = 0
    for i in range(views.n_observed(pool)[slot]):
        if views.observed(pool)[slot, i] != f:
            views.observed(pool)[slot, place] = views.observed(pool)[slot, i]
            place += 1
    views.n_observed(pool)[slot] = place
    views.n_seen(pool)[slot, f] = 0
    c = views.nominal(pool)[f]
    if c >= 0:
        for k in range(pool.K + 1):
            release_list(pool, views.heads(pool)[slot, c, k])
            views.heads(pool)[slot, c, k] = -1
        views.n_values(pool)[slot, c] = 0
    for k in range(pool.K):
        views.moments(pool)[slot, k, f] = 0.0
    views.disabled(pool)[e, node, f] = 1
