"""The forest: the same bits however polls are cut and after a restore, drift recovery, and better than one tree."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river.datasets import synth

from tocsin.config.experts.forest import ForestSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.trees.forest import ForestExpert
from tocsin.models.experts.trees.tree import TreeExpert
from tocsin.models.hoeffding_tree import HoeffdingTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SMALL = {"trees": 5, "seed": 3}


def rows(stream: Any, n: int) -> tuple[Floats, Ints]:
    events = list(stream.take(n))
    return np.array([list(x.values()) for x, _ in events], np.float64), np.array([y for _, y in events], np.int64)


@cache
def sea(n: int = 20_000) -> tuple[Floats, Ints]:
    """Four concepts, each with examples of its own."""
    parts = [rows(synth.SEA(variant=v, seed=40 + i, noise=0.1), n // 4) for i, v in enumerate((0, 1, 3, 0))]
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


@cache
def turned(n: int = 8000) -> tuple[Floats, Ints]:
    """A SEA concept whose labels are exchanged half-way: as abrupt as a drift can be."""
    X, y = rows(synth.SEA(variant=0, seed=8, noise=0.05), n)
    return X, np.where(np.arange(n) < n // 2, y, 1 - y)


@cache
def rbf(n: int = 10_000) -> tuple[Floats, Ints]:
    stream = synth.RandomRBFDrift(
        seed_model=4, seed_sample=5, n_classes=5, n_features=10, n_centroids=50, change_speed=1e-3, n_drift_centroids=50
    )
    return rows(stream, n)


@cache
def mixed(n: int = 3000) -> tuple[Floats, Ints, Ints]:
    """Numbers, a category, unknown values, label history, and a change of concept."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n, 4))
    X[:, 3] = rng.integers(0, 6, n) * 1_000_003
    turn = np.where(np.arange(n) < n // 2, 1.0, -1.0)
    y = ((X[:, 0] + X[:, 1]) * turn > 0).astype(np.int64) + (X[:, 3] > 4_000_000)
    X[rng.random(X.shape) < 0.05] = np.nan
    history = np.full((n, 2), -1)
    history[1:, 0], history[2:, 1] = y[:-1], y[:-2]
    return X, y, history


def plant(features: int, classes: int, nominal: list[bool] | None = None, **settings: Any) -> ForestExpert:
    forest = ForestExpert(ForestSettings(**settings), nominal or [])
    forest.resize(features, classes)
    return forest


def learn(forest: ForestExpert, X: Floats, y: Ints, history: Ints | None = None, poll: int = 1000) -> None:
    for i in range(0, len(y), poll):
        part = slice(i, i + poll)
        seen = {} if history is None else {"history": history[part]}
        forest.learn(Batch.of(X[part], **seen), y[part], np.ones(len(y[part])))


def foretell(forest: ForestExpert, X: Floats, y: Ints) -> NDArray[np.bool_]:
    """Whether the forest was right about each event before it learnt it."""
    right = np.zeros(len(y), np.bool_)
    for i in range(len(y)):
        batch = Batch.of(X[i : i + 1])
        right[i] = forest.evidence(batch)[0].argmax() == y[i]
        forest.learn(batch, y[i : i + 1], np.ones(1))
    return right


def state(forest: ForestExpert) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in forest.state_dict().items()}


SHAPES = [
    {"history": 2},
    {"history": 1, "history_as": "number", "subspace_of": "tree", "subspace": 0.5},
    {"history": 2, "max_size": 0.03},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_polls_of_any_size_give_the_same_bits(shape: dict[str, Any]) -> None:
    X, y, history = mixed()
    states = []
    for poll in (1, 7, 1000):
        forest = plant(4, 3, [False, False, False, True], **SMALL, **shape)
        learn(forest, X, y, history, poll)
        states.append(state(forest))
    assert forest.drifts > 0
    assert forest.tree_sizes.max() > 1
    assert states[0] == states[1] == states[2]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_restored_forest_answers_and_goes_on_as_the_other(shape: dict[str, Any]) -> None:
    X, y, history = mixed()
    forest = plant(4, 3, [False, False, False, True], **SMALL, **shape)
    # Up to where trees grow in the background.
    cut = next(n for n in range(1600, 3000, 50) if _warned(forest, n, X, y, history))
    again = ForestExpert(ForestSettings(**SMALL, **shape))
    again.load_state_dict(forest.state_dict())
    assert state(again) == state(forest)
    everything = Batch.of(X, history=history)
    assert np.array_equal(again.evidence(everything), forest.evidence(everything))
    for one in (forest, again):
        learn(one, X[cut:], y[cut:], history[cut:], 100)
    assert state(again) == state(forest)


def _warned(forest: ForestExpert, n: int, X: Floats, y: Ints, history: Ints) -> bool:
    part = slice(0 if n == 1600 else n - 50, n)
    learn(forest, X[part], y[part], history[part])
    return forest.growing > 0 or n == 2950


def test_what_is_no_snapshot_of_this_forest_is_refused() -> None:
    forest = plant(3, 2, **SMALL)
    arrays = forest.state_dict()
    for wrong in ({}, {k: v for k, v in arrays.items() if k != "counters.learnt"}):
        with pytest.raises(SnapshotError, match="no snapshot"):
            plant(3, 2, **SMALL).load_state_dict(wrong)
    shared = {**arrays, "members.front": arrays["members.back"]}
    many = {**arrays, "windows.levels": arrays["windows.levels"] + 50}
    for wrong, why in ((shared, "share a tree"), (many, "more levels")):
        with pytest.raises(SnapshotError, match=why):
            plant(3, 2, **SMALL).load_state_dict(wrong)
    with pytest.raises(SnapshotError, match="5 trees, not 6"):
        ForestExpert(ForestSettings(trees=6)).load_state_dict(arrays)
    with pytest.raises(SnapshotError, match="a history of 0 labels, not 2"):
        ForestExpert(ForestSettings(history=2, **SMALL)).load_state_dict(arrays)


def test_trees_differ_and_seeds_do() -> None:
    X, y = rbf()
    forest, other = plant(10, 5, **SMALL), plant(10, 5, trees=5, seed=4)
    for one in (forest, other):
        learn(one, X[:2000], y[:2000])
    assert len(set(forest.tree_sizes.tolist())) > 1
    assert not np.array_equal(forest.evidence(Batch.of(X)), other.evidence(Batch.of(X)))


def test_it_recovers_from_a_drift_faster_than_without_adwin() -> None:
    X, y = turned()
    adaptive, fixed = plant(3, 2, trees=10), plant(3, 2, trees=10, adapts=False)
    after = slice(4000, 6000)
    right = {name: foretell(one, X, y) for name, one in (("on", adaptive), ("off", fixed))}
    assert adaptive.drifts >= 8
    assert fixed.drifts == fixed.warnings == 0
    assert right["on"][after].mean() > right["off"][after].mean() + 0.1
    assert right["on"][:4000].mean() == pytest.approx(right["off"][:4000].mean(), abs=0.01)


@pytest.mark.parametrize("stream", [sea, rbf])
def test_it_is_at_least_as_accurate_as_one_tree(stream: Any) -> None:
    X, y = stream()
    tree = HoeffdingTree(grace_period=50)
    answers = tree.predict_then_learn_many(X, y)
    alone = (np.array(tree.classes)[answers.argmax(axis=1)] == y).mean()
    forest = plant(X.shape[1], int(y.max()) + 1, trees=10)
    assert foretell(forest, X, y).mean() > alone


def test_evidence_is_the_vote_worth_the_records_behind_it() -> None:
    X, y = rbf()
    forest = plant(10, 5, trees=30, grace_period=200)
    assert not forest.evidence(Batch.of(X[:3])).any()
    learn(forest, X[:20], y[:20])
    # A Poisson weight of mean 6 makes of one record 6/7 of an independent one.
    assert forest.evidence(Batch.of(X[:1])).sum() == pytest.approx(20 * 6 / 7, rel=0.05)
    learn(forest, X[20:3000], y[20:3000])
    evidence = forest.evidence(Batch.of(X[:100]))
    assert (evidence >= 0).all()
    assert evidence.sum(axis=1).max() == pytest.approx(30.0)


def test_columns_and_classes_may_come_later() -> None:
    X, y = rbf()
    for of in ("leaf", "tree"):
        forest = plant(4, 2, trees=5, subspace_of=of)
        few = y[:2000] % 2
        learn(forest, X[:2000, :4], few)
        before = forest.evidence(Batch.of(X[:50, :4]))
        forest.resize(10, 5)
        # Chance, which tempers a short record, is another among five classes.
        assert np.allclose(forest.evidence(Batch.of(X[:50]))[:, :2], before, atol=0.5)
        learn(forest, X[2000:6000], y[2000:6000])
        # The stream drifts fast, so only what comes next is known.
        soon = slice(6000, 6300)
        right = forest.evidence(Batch.of(X[soon])).argmax(axis=1) == y[soon]
        assert right.mean() > np.bincount(y[soon]).max() / 300 + 0.15


def test_learning_a_weight_is_learning_so_much() -> None:
    X, y = sea()
    light, heavy = plant(3, 2, **SMALL), plant(3, 2, **SMALL)
    learn(light, X[:100], y[:100])
    heavy.learn(Batch.of(X[:100]), y[:100], np.full(100, 3.0))
    assert heavy.weight_seen == pytest.approx(3 * light.weight_seen)
    with pytest.raises(ValueError, match="weight"):
        light.learn(Batch.of(X[:1]), y[:1], np.array([np.nan]))


def test_memory_of_a_tree() -> None:
    X, y = rbf()
    forest = plant(10, 5, trees=10)
    learn(forest, X, y)
    assert forest.nbytes / 10 < 2 * 2**20
    saved = sum(array.nbytes for array in forest.state_dict().values())
    assert saved / (forest.n_nodes / 1000) < 2**20


def test_leaves_that_forget_follow_a_turn_that_no_detector_sees() -> None:
    X, y = turned(6000)
    batch, w = Batch.of(X), np.ones(len(y))
    accuracy = {}
    for forget in (1.0, 0.98):
        own = ForestSettings(adapts=False, leaf_prediction="mc", leaf_fading_factor=forget, **SMALL)
        forest = ForestExpert(own, [False] * 3)
        forest.resize(3, 2)
        said = forest.predict_then_learn(batch, y, w)
        accuracy[forget] = float((said.argmax(axis=1) == y)[3000:4000].mean())
        twin = ForestExpert(own, [False] * 3)
        twin.load_state_dict(forest.state_dict())
        np.testing.assert_array_equal(twin.evidence(batch), forest.evidence(batch))
    assert accuracy[0.98] > accuracy[1.0] + 0.1


def test_a_tree_that_forgets_answers_by_what_it_remembers() -> None:
    tree = TreeExpert(TreeSettings(leaf_prediction="mc", leaf_fading_factor=0.5))
    tree.resize(1, 2)
    batch, y = Batch.of(np.zeros((8, 1))), np.array([0, 0, 0, 0, 0, 0, 1, 1])
    tree.learn(batch, y, np.ones(8))
    expected = np.zeros(2)
    for label in y:
        expected = 0.5 * expected + np.eye(2)[label]
    np.testing.assert_allclose(tree.evidence(batch)[0], expected, rtol=1e-12)
