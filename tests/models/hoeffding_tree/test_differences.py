"""Where river's tree is at fault, and what ours does instead."""

from __future__ import annotations

import copy
import math
import pickle
import sys
from typing import Any

import numpy as np
import pytest
from river.tree.nodes.branch import NumericBinaryBranch

from tocsin.models.hoeffding_tree import HoeffdingTree

from .oracle import as_dict, events, rivers, same_arrays


def test_river_cannot_copy_a_deep_tree_and_we_can() -> None:
    rng = np.random.default_rng(13)
    X = np.exp2(-rng.uniform(0, 900, 30_000))[:, None]
    y = (np.floor(np.log2(X[:, 0])) % 2).astype(int).tolist()
    params: dict[str, Any] = {
        "grace_period": 20,
        "tau": 10.0,
        "leaf_prediction": "mc",
        "min_branch_fraction": 1e-9,
    }
    tree = HoeffdingTree(**params)
    tree.learn_many(X, y)
    theirs = rivers(**params)
    theirs._root = chain = theirs._new_leaf({0: 1.0, 1: 1.0})
    branch: Any = NumericBinaryBranch
    for depth in range(sys.getrecursionlimit()):
        chain = branch({}, 0, 1.0, depth, theirs._new_leaf({0: 1.0}), chain)
    theirs._root = chain
    with pytest.raises(RecursionError):
        copy.deepcopy(theirs)
    with pytest.raises(RecursionError):
        pickle.dumps(theirs)
    with pytest.raises(RecursionError):
        theirs.n_nodes  # noqa: B018
    twin = pickle.loads(pickle.dumps(copy.deepcopy(tree)))
    assert twin.height == tree.height > 30
    assert same_arrays(twin, tree)


def test_river_changes_when_it_is_asked_and_we_do_not() -> None:
    """A category observer's class order is a defaultdict, to which a prediction adds."""
    theirs = rivers(nominal_attributes=["a"], leaf_prediction="nb")
    theirs.learn_one({"a": 1}, "x")
    theirs.learn_one({"b": 1.0}, "y")
    before = len(theirs._root.splitters["a"]._att_dist_per_class)
    theirs.predict_proba_one({"a": 1})
    assert len(theirs._root.splitters["a"]._att_dist_per_class) == before + 1
    ours = HoeffdingTree(nominal_attributes=["a"], leaf_prediction="nb")
    ours.learn_one({"a": 1}, "x")
    ours.learn_one({"b": 1.0}, "y")
    state = pickle.dumps(ours)
    ours.predict_proba_one({"a": 1})
    assert pickle.dumps(ours) == state


def test_river_takes_a_missing_number_for_a_category() -> None:
    theirs = rivers()
    theirs.learn_one({"a": None}, 0)
    theirs.learn_one({"a": 1.5}, 1)
    assert not theirs._root.splitters["a"].is_numeric
    with_none, without = HoeffdingTree(), HoeffdingTree()
    with_none.learn_one({"a": None}, 0)
    without.learn_one({}, 0)
    for tree in (with_none, without):
        tree.learn_one({"a": 1.5}, 1)
    assert same_arrays(with_none, without)


def test_a_feature_first_met_as_nan_waits_for_a_value_that_tells_its_kind() -> None:
    """River takes NaN for a number, and then a category for one as well."""
    ours, other = HoeffdingTree(), HoeffdingTree()
    for x in ({"a": float("nan")}, {"a": "red"}, {"a": float("nan")}, {"a": "blue"}):
        ours.learn_one(x, 0)
        other.learn_one({name: value for name, value in x.items() if value == value}, 0)
    assert same_arrays(ours, other)
    assert ours.state_dict()["categories"].tolist() == ["red", "blue"]


def test_river_lets_nan_spoil_its_moments() -> None:
    theirs = rivers()
    for value in (1.0, float("nan"), 2.0):
        theirs.learn_one({"a": value}, 0)
    assert math.isnan(theirs._root.splitters["a"]._att_dist_per_class[0].mu)
    X, y = events("sea", 500)
    holes, gone = HoeffdingTree(), HoeffdingTree()
    X = X.copy()
    X[::3, 1] = np.nan
    holes.learn_many(X, y)
    for row, label in zip(X.tolist(), y, strict=True):
        gone.learn_one(as_dict(row), label)
    for row in X.tolist():
        assert holes.predict_proba_one(dict(enumerate(row))) == gone.predict_proba_one(as_dict(row))


def test_river_never_drops_a_poor_feature_named_0() -> None:
    """Its check is `if suggestion.feature`. With other names both drop the same."""
    params: dict[str, Any] = {"remove_poor_attrs": True, "leaf_prediction": "mc", "tau": 1e-9}
    named = rivers(**params)
    numbered = rivers(**params)
    ours_named, ours_numbered = HoeffdingTree(**params), HoeffdingTree(**params)
    rng = np.random.default_rng(14)
    for _ in range(1000):
        # Two features that are equally good, so that nothing is split, and a poor one.
        good, poor = float(rng.normal()), float(rng.normal())
        x, y = {0: poor, 1: good, 2: good}, good > 0
        for tree in (numbered, ours_numbered):
            tree.learn_one(x, y)
        for tree in (named, ours_named):
            tree.learn_one({f"f{k}": v for k, v in x.items()}, y)
    assert named.n_nodes == ours_named.n_nodes == 1
    assert list(named._root.splitters) == ["f1", "f2"]
    assert list(numbered._root.splitters) == [0, 1, 2]
    for ours in (ours_named, ours_numbered):
        assert ours.state_dict()["observer_feature"].tolist() == [1, 2]


def test_river_gives_a_class_of_no_weight_every_vote() -> None:
    """Its log vote is 0, the log of 1: kept, for predictions are to be river's."""
    theirs = rivers(leaf_prediction="nb")
    theirs._root = theirs._new_leaf({"none": 0.0, "all": 10.0})
    theirs.classes = {"none", "all"}
    for value in (1.0, 2.0, 40.0):
        theirs.learn_one({"a": value}, "all")
    p = theirs.predict_proba_one({"a": 2.0})
    assert p["none"] > p["all"]


def test_hellinger_knows_only_the_labels_0_and_1() -> None:
    from river.tree.split_criterion import HellingerDistanceCriterion

    criterion: Any = HellingerDistanceCriterion(0.01)  # type: ignore[no-untyped-call]
    halves = [{"a": 9.0, "b": 1.0}, {"a": 1.0, "b": 9.0}]
    assert criterion.merit_of_split({}, halves) == 0
    assert criterion.merit_of_split({}, [{ord(k) - 97: v for k, v in h.items()} for h in halves]) > 0.5
