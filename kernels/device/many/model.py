"""One model of many: a pool of trees, the router over them and its terms, and the arrays that are packed of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.device.many import layout
from tocsin.kernels.fusion.interface import Floats, Rule, checked_prior, checked_rule
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.fusion.reference import HUGE, LEAST
from tocsin.kernels.hoeffding.pool.layout import LEAF, N_CLASSES, N_FEATURES, Pool
from tocsin.kernels.routing.reliability import Router, Sizes, unpacked
from tocsin.kernels.score.interface import checked_inverse_temperature
from tocsin.kernels.traversal.flat import Flat, flatten


class PooledModel(NamedTuple):
    """A pool and its router, and on which terms its events are decided; see `tocsin.kernels.score.score`."""

    pool: Pool
    """E trees, each an expert."""
    router: Router
    """The network over them, for the pool's F features."""
    hidden: int
    """Hidden units H of the router's network."""
    cap: float = np.inf
    """The most that a leaf's weights add up to."""
    rule: Rule = "dempster"
    prior: float | None = None
    """The prior weight; K where None."""
    least: float = 0.0
    inverse_temperature: float = 1.0


class Arrays(NamedTuple):
    """What is packed of one model."""

    table: NDArray[np.int64]
    """[TABLE]; where the parts begin is 0."""
    terms: Floats
    """[2]"""
    arrays: dict[str, NDArray[Any]]
    """By the names of `layout.ARRAYS`."""

    @property
    def needs(self) -> dict[str, int]:
        """How many rows of each kind it has."""
        return {kind: len(self.arrays[name]) for name, (kind, _, _) in layout.ARRAYS.items()}


def arrays_of(model: PooledModel) -> Arrays:
    """A copy of what scoring needs of a model.

    Raises ValueError, which names the field, where one is out of its range.
    """
    pool, router, H = model.pool, model.router, model.hidden
    F, K, E = int(pool.counters[N_FEATURES]), int(pool.counters[N_CLASSES]), len(pool.trees)
    if not (E and K):
        raise ValueError(f"pool: has {E} trees and {K} classes, and needs one of each at least")
    if H < 1 or router.mean.size != F or router.skill.size != E or router.weights.size != Sizes(F, E, H).weights:
        raise ValueError(f"router: is not one of {E} experts, {F} features and {H} hidden units")
    if not (np.isfinite(router.weights).all() and np.isfinite(router.skill).all()):
        raise ValueError("router: must be finite")
    if not model.cap > 0.0:
        raise ValueError(f"cap: {model.cap} must be above 0")
    if not 0.0 <= model.least <= 1.0:
        raise ValueError(f"least: {model.least!r} must lie in [0, 1]")
    power = checked_inverse_temperature(model.inverse_temperature)
    prior, rule = checked_prior(model.prior, K), CODES[checked_rule(model.rule)]
    trees = flatten(pool)
    used = np.maximum(pool.trees["n_nodes"], 1)
    inside = np.arange(trees.kind.shape[1]) < used[:, None]
    links, is_leaf = links_of(trees, inside)
    weights = (pool.faded if pool.faded.shape[1] else pool.counts)[:, : inside.shape[1], :K]
    found = weights[inside][is_leaf] * (links[is_leaf, layout.BUSIEST] >= 0)[:, None]
    table = np.zeros(len(layout.TABLE), np.int64)
    table[layout.FEATURES :] = F, E, K, H, rule
    arrays = {
        "links": links,
        "values": np.stack([trees.value[inside], trees.edge[inside]], axis=1),
        "roots": (np.cumsum(used) - used).astype(np.int32),
        "skill": router.skill.copy(),
        "leaves": leaves_of(found, model.cap, prior).reshape(-1),
        "router": network_of(router, F, E, H),
        "scales": scales_of(router),
    }
    return Arrays(table, np.array([model.least, power]), arrays)


def links_of(trees: Flat, inside: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The links of all nodes in use, tree by tree, and which of these nodes are leaves.

    The root of an empty tree is a leaf whose busiest child is -1.
    """
    links = np.empty((int(inside.sum()), layout.LINKS), np.int32)
    columns = (trees.kind, trees.feature, trees.first, trees.last, trees.next, trees.busiest)
    for place, column in enumerate(columns):
        links[:, place] = column[inside]
    empty = links[:, layout.BUSIEST] < 0
    links[empty, layout.KIND] = LEAF
    is_leaf = links[:, layout.KIND] == LEAF
    links[is_leaf, layout.FIRST] = np.arange(is_leaf.sum())
    return links, is_leaf


def leaves_of(weights: Floats, cap: float, prior: float) -> Floats:
    """The numbers of leaves [n, 3 + K] from class weights [n, K]; see `layout.EVIDENCE`.

    Sums run class by class, as those of `tocsin.kernels.score` do. Where evidence is so large that sums of it could
    overflow, all numbers of a leaf are scaled by one power of two: only their ratios are read.
    """
    if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        raise ValueError("pool: class weights must be finite and not negative")
    large = np.maximum(weights.max(axis=1, initial=0.0), prior) > HUGE
    scale = np.where(large, 2.0**-200, 1.0)
    out = np.empty((len(weights), layout.EVIDENCE + weights.shape[1]))
    evidence = out[:, layout.EVIDENCE :]
    evidence[...] = weights * scale[:, None]
    total, most = summed(evidence), cap * scale
    over = total > most
    evidence[over] *= (most[over] / total[over])[:, None]
    out[:, layout.TOTAL] = summed(evidence)
    out[:, layout.SUPPORT] = out[:, layout.TOTAL] + prior * scale
    out[:, layout.DOUBT] = np.maximum(prior * scale / out[:, layout.SUPPORT], LEAST)
    return out


def summed(values: Floats) -> Floats:
    """The sums of rows, column by column."""
    total = np.zeros(len(values))
    for column in values.T:
        total = total + column
    return total


def network_of(router: Router, F: int, E: int, H: int) -> Floats:
    """The numbers of the network in the order of `layout.ROUTER`."""
    inner, bias, outer, outer_bias = unpacked(router.weights, F, E, H)
    hidden = bias.copy()
    for weight, skill in zip(inner[:E], router.skill, strict=True):
        hidden += 2.0 * (skill - 0.5) * weight
    return np.concatenate([hidden, inner[E:].ravel(), outer_bias, outer.ravel()])


def scales_of(router: Router) -> Floats:
    """Mean and one over the standard deviation of each feature [F, 2]; 0 for one that never varied."""
    scale = np.sqrt(router.square)
    usable = (scale > 1e-12) & (router.rows > 1)
    inverse = np.where(usable, 1.0 / np.where(usable, scale, 1.0), 0.0)
    return np.stack([router.mean, inverse], axis=1)
