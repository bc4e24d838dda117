"""What the trees of a pool predict: leaves, class probabilities, evidence."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tocsin.kernels.common.addresses import address_of
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES, N_FEATURES, Floats, Header, Ints, Pool
from tocsin.kernels.hoeffding.tree.leaves import class_weight, predict_leaf, support
from tocsin.kernels.hoeffding.tree.traversal import leaf_of


@kernel
def fill_leaf_ids(pool: Header, X: Floats, out: Ints) -> None:
    """The loop of `leaf_ids`, into `out` [B, E]."""
    for b in range(X.shape[0]):
        x = address_of(X) + 8 * b * X.shape[1]
        for e in range(pool.E):
            out[b, e] = leaf_of(pool, e, x)


@kernel
def fill_probabilities(pool: Header, X: Floats, scratch: Floats, out: Floats) -> None:
    """The loop of `probabilities`, into `out` [B, E, K]; `scratch` is [K]."""
    votes = address_of(scratch)
    for b in range(X.shape[0]):
        x = address_of(X) + 8 * b * X.shape[1]
        for e in range(pool.E):
            leaf = leaf_of(pool, e, x)
            if leaf >= 0:
                predict_leaf(pool, e, leaf, x, votes, address_of(out) + 8 * out.shape[2] * (b * pool.E + e))
            else:
                out[b, e] = 0.0


@kernel
def fill_supports(pool: Header, X: Floats, out: Floats) -> None:
    """The loop of `supports`, into `out` [B, E]."""
    for b in range(X.shape[0]):
        x = address_of(X) + 8 * b * X.shape[1]
        for e in range(pool.E):
            leaf = leaf_of(pool, e, x)
            out[b, e] = support(pool, e, leaf) if leaf >= 0 else 0.0


@kernel
def fill_counts(pool: Header, X: Floats, cap: float, out: Floats) -> None:
    """The loop of `evidence`, into `out` [B, E, K]."""
    K = out.shape[2]
    for b in range(X.shape[0]):
        x = address_of(X) + 8 * b * X.shape[1]
        for e in range(pool.E):
            leaf = leaf_of(pool, e, x)
            total = 0.0
            for k in range(K):
                weight = class_weight(pool, e, leaf, k) if leaf >= 0 else 0.0
                out[b, e, k] = weight
                total += weight
            if total > cap:
                for k in range(K):
                    out[b, e, k] *= cap / total


def checked(pool: Pool, X: Floats) -> Floats:
    """X [B, F] as the kernels take it. Raises ValueError where it does not fit the pool."""
    X = np.ascontiguousarray(X, np.float64)
    if X.ndim != 2 or X.shape[1] != pool.counters[N_FEATURES]:
        raise ValueError(f"X {X.shape} is not [B, {pool.counters[N_FEATURES]}]")
    return X


def leaf_ids(pool: Pool, X: Floats) -> Ints:
    """The leaf that answers for each event: int32 [B, E], a node number of the tree, or -1 in an empty tree."""
    X = checked(pool, X)
    out = np.empty((X.shape[0], pool.trees.size), np.int32)
    fill_leaf_ids(pool.header, X, out)
    return out


def probabilities(pool: Pool, X: Floats) -> Floats:
    """The class probabilities of every tree: float64 [B, E, K]; a row of zeros where a leaf has seen nothing."""
    X = checked(pool, X)
    out = np.empty((X.shape[0], pool.trees.size, int(pool.counters[N_CLASSES])))
    fill_probabilities(pool.header, X, np.empty(out.shape[2]), out)
    return out


def supports(pool: Pool, X: Floats) -> Floats:
    """The weight that each tree's answering leaf rests on: float64 [B, E]."""
    X = checked(pool, X)
    out = np.empty((X.shape[0], pool.trees.size))
    fill_supports(pool.header, X, out)
    return out


def evidence(pool: Pool, X: Floats, kind: Literal["counts", "probability"] = "counts", cap: float = np.inf) -> Floats:
    """Pseudo-counts, float64 [B, E, K], all >= 0, whose sum is at most `cap`.

    Kind "counts" gives the class weights of the leaf, faded where the pool fades: they say how much was seen as well
    as what. Kind "probability" spreads the sum of those weights by what the leaf predicts (naive Bayes or majority).

    Raises ValueError where `cap` is not above 0.
    """
    if not cap > 0.0:
        raise ValueError(f"cap {cap} is not above 0")
    X = checked(pool, X)
    out = np.empty((X.shape[0], pool.trees.size, int(pool.counters[N_CLASSES])))
    fill_counts(pool.header, X, float(cap), out)
    if kind == "probability":
        out = probabilities(pool, X) * out.sum(axis=2, keepdims=True)
    return out
