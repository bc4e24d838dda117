"""What a pool says of events: leaves, probabilities, evidence."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    N_CLASSES,
    N_FEATURES,
    Floats,
    Header,
    Ints,
    Pool,
)
from tocsin.kernels.hoeffding.leaves import predict_leaf, support
from tocsin.kernels.hoeffding.walk import leaf_of


@kernel
def leaf_rows(pool: Header, X: Floats, out: Ints) -> None:
    """See `leaf_ids`."""
    for b in range(X.shape[0]):
        x = X.ctypes.data + 8 * b * X.shape[1]
        for e in range(pool.E):
            out[b, e] = leaf_of(pool, e, x)


@kernel
def probability_rows(pool: Header, X: Floats, votes: Floats, out: Floats) -> None:
    """See `probabilities`."""
    scratch = votes.ctypes.data
    for b in range(X.shape[0]):
        x = X.ctypes.data + 8 * b * X.shape[1]
        for e in range(pool.E):
            leaf = leaf_of(pool, e, x)
            if leaf >= 0:
                predict_leaf(pool, e, leaf, x, scratch, out.ctypes.data + 8 * out.shape[2] * (b * pool.E + e))
            else:
                out[b, e] = 0.0


@kernel
def support_rows(pool: Header, X: Floats, out: Floats) -> None:
    """See `supports`."""
    for b in range(X.shape[0]):
        x = X.ctypes.data + 8 * b * X.shape[1]
        for e in range(pool.E):
            leaf = leaf_of(pool, e, x)
            out[b, e] = support(pool, e, leaf) if leaf >= 0 else 0.0


@kernel
def count_rows(pool: Header, X: Floats, cap: float, out: Floats) -> None:
    """See `evidence`."""
    K = out.shape[2]
    for b in range(X.shape[0]):
        x = X.ctypes.data + 8 * b * X.shape[1]
        for e in range(pool.E):
            leaf = leaf_of(pool, e, x)
            total = 0.0
            for k in range(K):
                weight = 0.0
                if leaf >= 0:
                    weight = at.faded(pool)[e, leaf, k] if pool.fading > 0 else at.counts(pool)[e, leaf, k]
                out[b, e, k] = weight
                total += weight
            if total > cap:
                for k in range(K):
                    out[b, e, k] *= cap / total


def checked(pool: Pool, X: Floats) -> Floats:
    """X [B, F] as the kernels want it."""
    X = np.ascontiguousarray(X, np.float64)
    if X.ndim != 2 or X.shape[1] != pool.counters[N_FEATURES]:
        raise ValueError(f"X {X.shape} is not [B, {pool.counters[N_FEATURES]}]")
    return X


def leaf_ids(pool: Pool, X: Floats) -> Ints:
    """The leaf that answers for each event: int32 [B, E], a node number of the tree, -1 in an empty tree."""
    X = checked(pool, X)
    out = np.empty((X.shape[0], pool.trees.size), np.int32)
    leaf_rows(pool.header, X, out)
    return out


def probabilities(pool: Pool, X: Floats) -> Floats:
    """Every tree's class probabilities [B, E, K] by its leaf mode; a row of zeros where a leaf saw
    nothing.
    """
    X = checked(pool, X)
    out = np.empty((X.shape[0], pool.trees.size, int(pool.counters[N_CLASSES])))
    probability_rows(pool.header, X, np.empty(out.shape[2]), out)
    return out


def supports(pool: Pool, X: Floats) -> Floats:
    """The weight that each tree's answering leaf rests on: [B, E]."""
    X = checked(pool, X)
    out = np.empty((X.shape[0], pool.trees.size))
    support_rows(pool.header, X, out)
    return out


def evidence(pool: Pool, X: Floats, kind: Literal["counts", "probability"] = "counts", cap: float = np.inf) -> Floats:
    """Pseudo-counts [B, E, K], all >= 0, whose sum is at most `cap`.

    "counts" are the leaf's class weights, faded where the pool fades: they say how much was seen as well as
    what. "probability" spreads the sum of those counts by what the leaf says (Naive Bayes or majority).
    """
    if not cap > 0.0:
        raise ValueError(f"cap {cap} is not above 0")
    X = checked(pool, X)
    out = np.empty((X.shape[0], pool.trees.size, int(pool.counters[N_CLASSES])))
    count_rows(pool.header, X, cap, out)
    if kind == "probability":
        out = probabilities(pool, X) * out.sum(axis=2, keepdims=True)
    return out
