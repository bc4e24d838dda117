"""river 0.26.1's tree is the oracle: same splits, same predictions, event by event."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river import tree as river_tree

from tocsin.models.hoeffding_tree import HoeffdingTree

from .oracle import AGRAWAL_NOMINAL, LONG, SHORT, STREAMS, colours, events, river_run, river_splits, rivers


@dataclass
class Run:
    stream: str
    params: dict[str, Any] = field(default_factory=dict)
    missing: float = 0.0
    weights: str = ""

    @property
    def name(self) -> str:
        parts = [self.stream, *(f"{k}={v}" for k, v in self.params.items())]
        parts += [f"missing={self.missing}"] * bool(self.missing) + [f"weights={self.weights}"] * bool(self.weights)
        return " ".join(parts)


RUNS = [
    *(Run(s, {"leaf_prediction": mode}) for s in STREAMS if s != "rbf24" for mode in ("mc", "nb", "nba")),
    *(Run("agrawal", {"leaf_prediction": m, "nominal_attributes": AGRAWAL_NOMINAL}) for m in ("mc", "nb", "nba")),
    *(
        Run("agrawal", {"leaf_prediction": m, "nominal_attributes": AGRAWAL_NOMINAL, "binary_split": True})
        for m in ("mc", "nb", "nba")
    ),
    *(Run(s, {"leaf_prediction": "nba", "grace_period": 100, "tau": 0.3}) for s in ("led", "rbf", "rbf24")),
    Run("led", {"nominal_attributes": list(range(7)), "tau": 0.3}),
    Run("led", {"nominal_attributes": list(range(7)), "tau": 0.3, "binary_split": True}),
    *(Run("agrawal", {"split_criterion": c, "nominal_attributes": AGRAWAL_NOMINAL}) for c in ("gini", "hellinger")),
    *(Run("sea", {"split_criterion": c}) for c in ("gini", "hellinger")),
    Run("rbf", {"split_criterion": "gini", "leaf_prediction": "mc"}),
    Run("sea", missing=0.1),
    Run("rbf", {"grace_period": 50, "leaf_prediction": "mc"}, missing=0.05),
    Run("agrawal", {"nominal_attributes": AGRAWAL_NOMINAL, "grace_period": 50}, missing=0.1),
    Run("agrawal", {"nominal_attributes": AGRAWAL_NOMINAL, "binary_split": True}, missing=0.1),
    Run("sea", weights="poisson"),
    Run("sea", {"grace_period": 50}, weights="real"),
    Run("agrawal", {"nominal_attributes": AGRAWAL_NOMINAL}, weights="real"),
    Run("rbf", {"leaf_prediction": "mc", "max_depth": 3, "grace_period": 50}),
    Run("rbf", {"leaf_prediction": "mc", "merit_preprune": False, "tau": 0.2, "max_share_to_split": 0.8}),
    Run("hyperplane", {"nb_threshold": 300, "leaf_prediction": "nb", "min_branch_fraction": 0.1, "tau": 0.2}),
    Run("sea", {"stop_mem_management": True, "max_depth": 2, "grace_period": 50}),
    Run("electricity", {"grace_period": 50, "delta": 0.01}),
]


def prepared(run: Run, n: int) -> tuple[NDArray[np.float64], list[int], NDArray[np.float64] | None]:
    X, y = events(run.stream, n)
    rng = np.random.default_rng(9)
    if run.missing:
        X = np.where(rng.random(X.shape) < run.missing, np.nan, X)
    w = {
        "": None,
        "poisson": rng.poisson(1.0, len(X)).astype(np.float64),
        "real": rng.uniform(0.1, 2.0, len(X)),
    }[run.weights]
    return X, y, w


def assert_same(run: Run, n: int) -> str:
    X, y, w = prepared(run, n)
    theirs = rivers(**run.params)
    expected, classes = river_run(theirs, X, y, w)
    ours = HoeffdingTree(**run.params)
    found = ours.predict_then_learn_many(X, y, w)
    assert ours.classes == classes
    wrong = np.flatnonzero(np.abs(found - expected).max(axis=1) > 1e-9)
    assert not wrong.size, f"{run.name}: first differs at event {wrong[0]}: {found[wrong[0]]} {expected[wrong[0]]}"
    assert ours.splits() == river_splits(theirs)
    assert ours.n_nodes == theirs.n_nodes
    assert ours.n_leaves == theirs.n_leaves
    assert ours.n_active_leaves == theirs.n_active_leaves
    assert ours.n_inactive_leaves == theirs.n_inactive_leaves
    assert ours.height == theirs.height
    # Where probabilities tie to the last bit, rounding may choose; nowhere else.
    top = np.sort(expected, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-12
    assert np.array_equal(found[clear].argmax(1), expected[clear].argmax(1))
    exact = float((found == expected).all(axis=1).mean())
    return f"{run.name}: {len(y)} events, {ours.n_nodes} nodes, predictions equal bit for bit {exact:.4f}"


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_grows_and_predicts_as_river_does(run: Run) -> None:
    assert_same(run, SHORT)


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_grows_and_predicts_as_river_does_for_long(run: Run) -> None:
    print(assert_same(run, LONG))


@pytest.mark.parametrize("mode", ["mc", "nb", "nba"])
def test_dicts_of_mixed_features_give_what_river_gives(mode: str) -> None:
    ours = HoeffdingTree(leaf_prediction=mode, grace_period=50)
    theirs = rivers(leaf_prediction=mode, grace_period=50)
    for x, y in colours(4000):
        a, b = ours.predict_proba_one(x), theirs.predict_proba_one(x)
        assert list(a) == list(b)
        assert all(math.isclose(a[k], b[k], rel_tol=0, abs_tol=1e-9) for k in b)
        assert ours.predict_one(x) == theirs.predict_one(x)
        ours.learn_one(x, y)
        theirs.learn_one(x, y)
    assert ours.splits() == river_splits(theirs)
    assert ours.n_nodes > 5
    assert ours.summary == theirs.summary


def test_forgets_the_leaves_that_river_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """river measures Python objects. Told our sizes instead, it deactivates and activates the same leaves."""
    from river.tree import hoeffding_tree

    from tocsin.kernels.hoeffding.pool.layout import MOMENTS, NODE, TREE

    X, y = events("rbf", 8000)
    node: int = NODE.itemsize + 12 * len(set(y)) + X.shape[1]

    def size(thing: Any) -> int:
        if isinstance(thing, river_tree.HoeffdingTreeClassifier):
            branches: int = thing.n_branches
            return TREE.itemsize + branches * node + sum(size(leaf) for leaf in thing._find_leaves())
        if thing.splitters is None:
            return node
        seen = [len(splitter._att_dist_per_class) for splitter in thing.splitters.values()]
        return node + 4 + sum(8 + n * (8 * MOMENTS + 4) for n in seen)

    monkeypatch.setattr(hoeffding_tree, "calculate_object_size", size)
    for mode in ("mc", "nba"):
        params: dict[str, Any] = {
            "leaf_prediction": mode,
            "grace_period": 50,
            "tau": 0.4,
            "max_size": 0.03,
            "memory_estimate_period": 500,
        }
        theirs = rivers(**params)
        expected, _ = river_run(theirs, X, y, None)
        ours = HoeffdingTree(**params)
        found = ours.predict_then_learn_many(X, y)
        assert ours.n_inactive_leaves == theirs.n_inactive_leaves > 0
        assert ours.splits() == river_splits(theirs)
        assert np.abs(found - expected).max() < 1e-9
