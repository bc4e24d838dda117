"""The bound on a tree's memory holds whatever events weigh, and leaves a tree that can grow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.trees.forest import ForestExpert
from tocsin.models.experts.trees.tree import TreeExpert
from tocsin.models.hoeffding_tree import HoeffdingTree

BOUND = 0.01
"""MiB"""
Events = tuple[NDArray[np.float64], NDArray[np.int64]]


def wavy(n: int) -> Events:
    """Events that a tree splits again and again."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 10))
    return X, (np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2] > 0).astype(np.int64)


@pytest.mark.parametrize("weight", [1.0, 0.3, math.pi / 3, 7.0])
def test_a_bound_on_memory_is_kept_whatever_events_weigh(weight: float) -> None:
    X, y = wavy(20_000)
    tree = HoeffdingTree(grace_period=50, delta=0.1, max_size=BOUND, memory_estimate_period=200)
    tree.learn_many(X, y, np.full(len(X), weight))
    observing = tree.state_dict()["observer_seen"].size * 140  # bytes of the moments of two classes
    assert tree.n_inactive_leaves > 0
    assert observing < BOUND * 2**20


def test_the_tree_expert_and_the_forest_keep_their_bounds() -> None:
    X, y = wavy(6_000)
    tree = TreeExpert(TreeSettings(delta=0.1, max_size=BOUND), [False] * 10)
    forest = ForestExpert(ForestSettings(trees=2, max_size=BOUND, adapts=False), [False] * 10)
    for expert in (tree, forest):
        expert.resize(10, 2)
        expert.learn(Batch.of(X), y, np.full(len(X), 0.7))
    assert tree._trees[0].trees["n_inactive"][0] > 0
    assert (forest._forest.pool.trees["n_inactive"][:2] > 0).all()


@pytest.mark.parametrize(("features", "classes"), [(20, 100), (2_000, 2)])
def test_a_tree_of_many_classes_or_features_goes_on_to_split(features: int, classes: int) -> None:
    """One leaf of these exceeds the bound. Without a leaf that observes, a tree would never split again."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(3_000, features))
    X[:, 0] = rng.uniform(0, 100, len(X))
    y = X[:, 0].astype(np.int64) % classes
    tree = HoeffdingTree(grace_period=50, tau=10.0, max_size=0.1, memory_estimate_period=200)
    early = 150  # before the first estimate
    tree.learn_many(X[:early], y[:early])
    before = tree.n_nodes
    tree.learn_many(X[early:], y[early:])
    assert tree.n_nodes > before + 4


def test_a_period_of_memory_estimates_is_above_0() -> None:
    for period in (0, -1):
        with pytest.raises(ValueError, match="memory_estimate_period"):
            HoeffdingTree(memory_estimate_period=period)
