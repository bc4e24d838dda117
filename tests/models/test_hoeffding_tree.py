"""river 0.26.1's tree is the oracle: same splits, same predictions, event by event."""

from __future__ import annotations

import copy
import csv
import gzip
import itertools
import math
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river import checks
from river import tree as river_tree
from river.datasets import synth
from river.tree.nodes.branch import DTBranch, NominalMultiwayBranch, NumericBinaryBranch

from tocsin.models.experts.base import SnapshotError
from tocsin.models.hoeffding_tree import HoeffdingTree

ELECTRICITY = Path(__file__).parents[2] / "config" / "presets" / "data" / "electricity.csv.gz"
SHORT, LONG = 20_000, 100_000
AGRAWAL_NOMINAL = [3, 4, 5]


def rivers(**params: Any) -> Any:
    """river's tree, which has no types."""
    return river_tree.HoeffdingTreeClassifier(**params)


def electricity() -> Iterator[tuple[dict[str, float], int]]:
    with gzip.open(ELECTRICITY, "rt") as file:
        for row in csv.DictReader(file):
            y = int(row.pop("class"))
            yield {name: float(value) for name, value in row.items()}, y


STREAMS: dict[str, Callable[[], Any]] = {
    "sea": lambda: synth.SEA(seed=1, noise=0.1),
    "led": lambda: synth.LED(seed=2, noise_percentage=0.1),
    "rbf": lambda: synth.RandomRBF(seed_model=3, seed_sample=4, n_classes=5, n_features=10, n_centroids=50),
    "rbf24": lambda: synth.RandomRBF(seed_model=5, seed_sample=6, n_classes=24, n_features=4, n_centroids=60),
    "agrawal": lambda: synth.Agrawal(classification_function=4, seed=7, perturbation=0.05),
    "hyperplane": lambda: synth.Hyperplane(seed=8, n_features=10, mag_change=0.001, n_drift_features=3),
    "electricity": electricity,
}
Arrays = tuple[NDArray[np.float64], list[int]]
_events: dict[tuple[str, int], Arrays] = {}


def events(stream: str, n: int) -> Arrays:
    if (stream, n) not in _events:
        rows = list(itertools.islice(iter(STREAMS[stream]()), n))
        X = np.array([list(x.values()) for x, _ in rows], np.float64)
        _events[stream, n] = X, [int(y) for _, y in rows]
    return _events[stream, n]


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


def as_dict(row: list[float]) -> dict[int, float]:
    return {i: value for i, value in enumerate(row) if value == value}


def river_run(
    model: Any, X: NDArray[np.float64], y: list[int], w: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], list[Any]]:
    """What river said before each event, columns by label in sorted order."""
    classes = sorted(set(y))
    place = {label: i for i, label in enumerate(classes)}
    out = np.zeros((len(X), len(classes)))
    # Python's floats, not numpy's, which divide by zero otherwise than river's sources expect.
    weights = [1.0] * len(X) if w is None else w.tolist()
    for i, (row, label) in enumerate(zip(X.tolist(), y, strict=True)):
        x = as_dict(row)
        for k, p in model.predict_proba_one(x).items():
            out[i, place[k]] = p
        if weights[i] > 0:
            model.learn_one(x, label, w=weights[i])
    return out, classes


def river_splits(model: Any) -> list[tuple[str, Any, Any, int]]:
    node: Any
    out: list[tuple[str, Any, Any, int]] = []
    pending = [model._root]
    while pending:
        node = pending.pop()
        kind: Any = type(node)
        if not issubclass(kind, DTBranch):
            continue
        pending.extend(reversed(node.children))
        if issubclass(kind, NumericBinaryBranch):
            out.append(("numeric", node.feature, node.threshold, node.depth))
        elif issubclass(kind, NominalMultiwayBranch):
            out.append(("multiway", node.feature, list(node._mapping), node.depth))
        else:
            out.append(("binary", node.feature, node.value, node.depth))
    return out


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


# --- dicts


def test_passes_the_checks_of_river() -> None:
    model = HoeffdingTree()
    for check in checks.yield_checks(model):
        check(model.clone())


def colours(n: int) -> Iterator[tuple[dict[Any, Any], str]]:
    """Strings as categories and as labels, keys in changing order, features that come late."""
    rng = np.random.default_rng(10)
    for i in range(n):
        colour = ["red", "green", "blue", "amber"][rng.integers(4)]
        size, late = float(rng.normal(3 if colour == "red" else 0)), float(rng.random())
        y = "yes" if (colour in ("red", "blue")) ^ (size > 1) ^ (rng.random() < 0.1) else "no"
        x: dict[str, Any] = {"colour": colour, "size": size, "flag": bool(rng.random() < 0.5)}
        if i > n // 3:
            x["late"] = late
        yield shuffled(x, rng), y


def shuffled(x: dict[str, Any], rng: np.random.Generator) -> dict[Any, Any]:
    names = list(x)
    return {names[i]: x[names[i]] for i in rng.permutation(len(names))}


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


# --- batches, copies, snapshots


def same_arrays(a: HoeffdingTree, b: HoeffdingTree) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(
        left[k].dtype == right[k].dtype and left[k].tobytes() == right[k].tobytes() for k in left
    )


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


# --- memory


def test_forgets_the_leaves_that_river_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """river measures Python objects. Told our sizes instead, it deactivates and activates the same leaves."""
    from river.tree import hoeffding_tree

    from tocsin.kernels.hoeffding.layout import MOMENTS, NODE, TREE

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


# --- where river is at fault


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
