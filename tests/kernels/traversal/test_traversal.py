"""Walks on a device against the numba walk, on trees that grew on SEA and RBF, with categories and unknown values."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np
import pytest
from river.datasets import synth

from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding import HoeffdingSettings, Pool
from tocsin.kernels.hoeffding.pool.layout import (
    LEAF,
    NOMINAL_BINARY,
    NOMINAL_MULTIWAY,
    NUMERIC,
)
from tocsin.kernels.traversal import backend, flatten, traverse

STREAMS = {
    "SEA": lambda: synth.SEA(seed=1, noise=0.1),
    "RBF": lambda: synth.RandomRBF(seed_model=1, seed_sample=2, n_classes=5, n_features=6, n_centroids=20),
}
SETTINGS = [
    HoeffdingSettings(grace_period=30, tau=0.3),
    HoeffdingSettings(grace_period=40, tau=0.3, binary_split=True),
    HoeffdingSettings(grace_period=50, tau=0.2, max_depth=3, subspace=0.6),
    HoeffdingSettings(grace_period=1_000_000),
]


@cache
def grown(stream: str) -> tuple[Pool, Any]:
    """Four trees after 3,000 events, and 700 others to walk: one more column of categories, some values unknown."""
    rows = list(STREAMS[stream]().take(3_700))
    rng = np.random.default_rng(5)
    y = np.array([label for _, label in rows]).astype(np.int64)
    category = (y + rng.integers(0, 3, len(y))) % 7
    X = np.column_stack([np.array([list(x.values()) for x, _ in rows], np.float64), category])
    X[rng.random(X.shape) < 0.05] = np.nan
    F, K = X.shape[1], int(y.max()) + 1
    pool = hoeffding.new_pool(SETTINGS, F, K, np.arange(F) == F - 1)
    pool = hoeffding.learn(pool, X[:3_000], y[:3_000])
    X[3_000:3_010, F - 1] = 99.0  # a category that no branch has seen
    return pool, X[3_000:]


def behaviour(name: str, events: int = 700) -> type:
    """The suite of one back end."""

    class Behaviour:
        @pytest.mark.parametrize("stream", STREAMS)
        def test_it_ends_where_the_pools_own_walk_ends(self, stream: str) -> None:
            pool, X = grown(stream)
            found = traverse(flatten(pool), X[:events], backend=name)
            assert found.dtype == np.int32
            assert np.array_equal(found, hoeffding.leaf_ids(pool, X[:events]))

        def test_an_empty_tree_has_no_leaf(self) -> None:
            pool = hoeffding.new_pool(SETTINGS, 2, 2)
            assert (traverse(flatten(pool), np.zeros((3, 2)), backend=name) == -1).all()

        def test_one_event_and_none(self) -> None:
            pool, X = grown("SEA")
            assert np.array_equal(traverse(flatten(pool), X[:1], backend=name), hoeffding.leaf_ids(pool, X[:1]))
            assert traverse(flatten(pool), X[:0], backend=name).shape == (0, len(SETTINGS))

    return Behaviour


TestReference = behaviour("reference", events=60)
TestTorch = behaviour("torch")


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
class TestTriton(behaviour("triton")):  # type: ignore[misc]
    """By the interpreter, unless there is a device."""


def test_the_trees_have_branches_of_every_kind() -> None:
    kinds = {int(kind) for stream in STREAMS for kind in np.unique(flatten(grown(stream)[0]).kind)}
    assert kinds == {LEAF, NUMERIC, NOMINAL_BINARY, NOMINAL_MULTIWAY}


def test_too_few_columns_are_refused() -> None:
    pool, X = grown("SEA")
    with pytest.raises(ValueError, match=r"^X: "):
        traverse(flatten(pool), X[:, :1])
    assert backend("reference") == "reference"
