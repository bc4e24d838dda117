"""A tree by itself: labels, dictionaries and arrays, polls, copies and snapshots."""

from __future__ import annotations

import copy
import pickle
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.hoeffding_tree import HoeffdingTree

from ..face_behaviour import FeatureBehaviour
from .oracle import AGRAWAL_NOMINAL, SHORT, as_dict, colours, events, same_arrays


class TestHoeffdingTree(FeatureBehaviour):
    def make(self) -> Any:
        return HoeffdingTree(grace_period=30)


def test_dicts_and_arrays_are_one_tree() -> None:
    X, y = events("sea", 3000)
    one, many = HoeffdingTree(grace_period=50), HoeffdingTree(grace_period=50)
    for row, label in zip(X.tolist(), y, strict=True):
        one.learn_one(as_dict(row), label)
    many.learn_many(X, y)
    assert same_arrays(one, many)
    assert many.predict_proba_many(X[:3]).tolist() == [
        list(one.predict_proba_one(as_dict(r)).values()) for r in X[:3].tolist()
    ]


def test_labels_of_any_kind_come_back_as_they_came() -> None:
    X = np.zeros((4, 1))
    kinds: list[list[Any]] = [
        ["b", "a", "b", "c"],
        [True, False, True, True],
        [-7, 70_000, 3, 3],
        [0.5, 1.5, 0.5, 0.5],
    ]
    for labels in kinds:
        tree = HoeffdingTree()
        tree.learn_many(X, labels)
        assert tree.classes == sorted(set(labels))
        assert [type(label) for label in tree.classes] == [type(labels[0])] * len(tree.classes)
        assert tree.predict_one({0: 0.0}) == max(tree.classes, key=labels.count)


PARAMS: list[dict[str, Any]] = [
    {"leaf_prediction": "nba", "grace_period": 50, "nominal_attributes": AGRAWAL_NOMINAL, "tau": 0.2},
    {
        "leaf_prediction": "mc",
        "grace_period": 50,
        "memory_estimate_period": 500,
        "max_size": 0.02,
        "tau": 0.3,
    },
]


@pytest.mark.parametrize("params", PARAMS, ids=["nominal", "bounded"])
def test_the_size_of_polls_leaves_no_trace(params: dict[str, Any]) -> None:
    X, y = events("agrawal", 5000)
    X = np.where(np.random.default_rng(11).random(X.shape) < 0.02, np.nan, X)
    trees = []
    for poll in (1, 7, 1000):
        tree = HoeffdingTree(**params)
        for start in range(0, len(X), poll):
            tree.learn_many(X[start : start + poll], y[start : start + poll])
        trees.append(tree)
    assert trees[0].n_nodes > 20
    assert same_arrays(trees[0], trees[1])
    assert same_arrays(trees[0], trees[2])


@pytest.mark.parametrize("params", PARAMS, ids=["nominal", "bounded"])
@pytest.mark.parametrize("way", ["snapshot", "pickle", "deepcopy"])
def test_a_copy_goes_on_as_the_tree_does(way: str, params: dict[str, Any]) -> None:
    X, y = events("agrawal", 6000)
    X = np.where(np.random.default_rng(12).random(X.shape) < 0.02, np.nan, X)
    tree = HoeffdingTree(**params)
    tree.learn_many(X[:4000], y[:4000])
    if way == "snapshot":
        twin = HoeffdingTree(**params)
        twin.load_state_dict(tree.state_dict())
    else:
        twin = copy.deepcopy(tree) if way == "deepcopy" else pickle.loads(pickle.dumps(tree))
    assert same_arrays(tree, twin)
    assert np.array_equal(twin.predict_proba_many(X), tree.predict_proba_many(X))
    for one in (tree, twin):
        one.learn_many(X[4000:], y[4000:])
    assert same_arrays(tree, twin)
    assert np.array_equal(twin.predict_proba_many(X), tree.predict_proba_many(X))


def test_a_snapshot_keeps_categories_that_are_words() -> None:
    tree, twin = HoeffdingTree(grace_period=50), HoeffdingTree(grace_period=50)
    rows = list(colours(3000))
    for x, y in rows[:2000]:
        tree.learn_one(x, y)
    twin.load_state_dict(tree.state_dict())
    for x, y in rows[2000:]:
        assert twin.predict_proba_one(x) == tree.predict_proba_one(x)
        tree.learn_one(x, y)
        twin.learn_one(x, y)
    assert twin.splits() == tree.splits()


def test_what_is_no_snapshot_is_refused() -> None:
    tree = HoeffdingTree()
    tree.learn_one({"a": 1.0}, "yes")
    arrays = tree.state_dict()
    with pytest.raises(SnapshotError):
        HoeffdingTree().load_state_dict({})
    with pytest.raises(SnapshotError):
        HoeffdingTree(leaf_prediction="mc").load_state_dict(arrays)
    with pytest.raises(SnapshotError):
        HoeffdingTree().load_state_dict(arrays | {"labels": np.array(["yes", "no"])})
    tree.learn_one({"a": 1.0}, 3)
    with pytest.raises(SnapshotError):
        tree.state_dict()


def test_a_snapshot_of_a_thousand_nodes_is_small_and_quick() -> None:
    X, y = events("rbf", SHORT)
    tree = HoeffdingTree(grace_period=25, tau=0.9)
    while tree.n_nodes < 1000:
        tree.learn_many(X, y)
    twin = HoeffdingTree(grace_period=25, tau=0.9)
    twin.load_state_dict(tree.state_dict())
    took = []
    for _ in range(5):
        start = perf_counter()
        arrays = tree.state_dict()
        saved = perf_counter()
        twin.load_state_dict(arrays)
        took.append((saved - start, perf_counter() - saved))
    size = sum(array.nbytes for array in arrays.values())
    written, read = (min(t[i] for t in took) for i in (0, 1))
    print(f"{tree.n_nodes} nodes: {size} bytes, written in {written:.4f} s, read in {read:.4f} s")
    assert size < 1_000_000 * tree.n_nodes / 1000
    assert written < 0.05
    assert read < 0.05
    assert np.array_equal(twin.predict_proba_many(X), tree.predict_proba_many(X))


def test_wrong_parameters_are_refused() -> None:
    for params in ({"split_criterion": "luck"}, {"leaf_prediction": "best"}, {"delta": 0.0}):
        with pytest.raises(ValueError, match=r"luck|best|delta"):
            HoeffdingTree(**params)
    from river.tree.splitter import HistogramSplitter

    with pytest.raises(ValueError, match="GaussianSplitter"):
        HoeffdingTree(splitter=HistogramSplitter())
    tree = HoeffdingTree()
    with pytest.raises(ValueError, match="delta"):
        tree.mutate({"delta": 2.0})
    assert tree.delta == 1e-7
    with pytest.raises(ValueError, match="B, F"):
        tree.learn_many(np.zeros(3), [0, 1, 0])


@pytest.mark.parametrize("y", [[0, 1], [0, 1, 1, 0], [[0, 1, 1]]])
def test_labels_that_do_not_match_their_rows_teach_nothing(y: Any) -> None:
    tree = HoeffdingTree()
    with pytest.raises(ValueError, match="y: has shape"):
        tree.learn_many(np.zeros((3, 2)), y)
    assert list(tree.classes) == []
