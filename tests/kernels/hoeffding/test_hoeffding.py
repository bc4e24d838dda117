"""The pool against single trees, and the small parts against Python's own. (River itself is the oracle of the
tree: tests/models/hoeffding_tree.)"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from river.tree.split_criterion import GiniSplitCriterion, InfoGainSplitCriterion

from tocsin.kernels import hoeffding
from tocsin.kernels.hoeffding import HoeffdingSettings, Pool
from tocsin.kernels.hoeffding.pool.layout import FREE_SLOTS
from tocsin.kernels.hoeffding.pool.reset import reset_tree
from tocsin.kernels.hoeffding.splits.criteria import entropy, gini_impurity
from tocsin.kernels.hoeffding.splits.order import python_set_order

E, F, K = 4, 5, 3
SETTINGS = [
    HoeffdingSettings(leaf_prediction="mc", grace_period=30, tau=0.3),
    HoeffdingSettings(leaf_prediction="nb", grace_period=50, delta=0.01),
    HoeffdingSettings(leaf_prediction="nba", grace_period=40, split_criterion="gini"),
    HoeffdingSettings(leaf_prediction="nba", grace_period=25, max_depth=2, n_splits=5, tau=0.2),
]
GAIN: Any = InfoGainSplitCriterion(0.01)  # type: ignore[no-untyped-call]
GINI: Any = GiniSplitCriterion
Arrays = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]


def events(n: int, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, F))
    X[:, 4] = rng.integers(0, 6, n)
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 4] > 3)
    X[rng.random(X.shape) < 0.03] = np.nan
    return X, y, rng.poisson(1.0, (n, E)).astype(np.float64)


def new(settings: list[HoeffdingSettings] = SETTINGS, mask: NDArray[np.bool_] | None = None) -> Pool:
    return hoeffding.new_pool(settings, F, K, np.arange(F) == 4, mask)


def same(a: Pool, b: Pool) -> bool:
    left, right = hoeffding.state_dict(a), hoeffding.state_dict(b)
    return left.keys() == right.keys() and all(left[k].tobytes() == right[k].tobytes() for k in left)


def test_trees_of_a_pool_do_not_know_of_each_other() -> None:
    X, y, w = events(4000)
    together = hoeffding.learn(new(), X, y, w)
    ids, p = hoeffding.leaf_ids(together, X), hoeffding.probabilities(together, X)
    assert together.trees["n_nodes"].min() > 1
    for e, one in enumerate(SETTINGS):
        alone = hoeffding.learn(new([one]), X, y, w[:, [e]])
        assert np.array_equal(hoeffding.leaf_ids(alone, X)[:, 0], ids[:, e])
        assert np.array_equal(hoeffding.probabilities(alone, X)[:, 0], p[:, e])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(0, 3))
def test_any_cut_of_the_events_gives_the_same_bits(cuts: list[int], seed: int) -> None:
    X, y, w = events(1500, seed)
    whole = hoeffding.learn(new(), X, y, w)
    parts, start = new(), 0
    for size in [*cuts, len(X)]:
        rows = slice(start, start + size)
        parts = hoeffding.learn(parts, X[rows], y[rows], w[rows])
        start += size
    assert same(whole, parts)
    assert np.array_equal(hoeffding.leaf_ids(whole, X), hoeffding.leaf_ids(parts, X))


def test_predictions_made_on_the_way_are_those_of_before() -> None:
    X, y, w = events(800)
    ahead = np.empty((len(X), E, K))
    fused = hoeffding.learn(new(), X, y, w, predicted=ahead)
    pool = new()
    for b in range(len(X)):
        assert np.array_equal(hoeffding.probabilities(pool, X[[b]])[0], ahead[b])
        pool = hoeffding.learn(pool, X[[b]], y[[b]], w[[b]])
    assert same(fused, pool)


def test_a_weight_of_two_is_an_event_twice_for_the_counts_and_none_is_no_event() -> None:
    X, y, _ = events(600)
    twice = hoeffding.learn(new(), X, y, np.full((len(X), E), 2.0))
    assert np.allclose(twice.trees["weight_seen"], 2 * len(X))
    nothing = hoeffding.learn(new(), X, y, np.zeros((len(X), E)))
    assert not nothing.trees["n_nodes"].any()
    assert (hoeffding.leaf_ids(nothing, X) == -1).all()
    assert not hoeffding.probabilities(nothing, X).any()


def test_a_tree_never_looks_beyond_its_mask() -> None:
    X, y, w = events(3000)
    mask = np.random.default_rng(1).random((E, F)) < 0.6
    pool = hoeffding.learn(new(mask=mask), X, y, w)
    for e in range(E):
        nodes = pool.nodes[e, : pool.trees["n_nodes"][e]]
        used = nodes["feature"][nodes["kind"] > 0]
        assert mask[e, used].all()
    noise = np.where(np.broadcast_to(mask[2], X.shape), X, 1e9)
    assert np.array_equal(hoeffding.probabilities(pool, noise)[:, 2], hoeffding.probabilities(pool, X)[:, 2])


def test_slots_come_back_when_a_tree_goes() -> None:
    X, y, w = events(3000)
    pool = hoeffding.learn(new(), X, y, w)
    in_use = len(pool.free_slots) - pool.counters[FREE_SLOTS]
    assert in_use == pool.trees["n_active"].sum()
    reset_tree(pool.header, 0, 0)
    assert len(pool.free_slots) - pool.counters[FREE_SLOTS] == pool.trees["n_active"].sum() < in_use
    fresh = hoeffding.learn(pool, X, y, w)
    again = hoeffding.learn(new(), X, y, w)
    assert np.array_equal(hoeffding.probabilities(fresh, X)[:, 0], hoeffding.probabilities(again, X)[:, 0])


def test_room_for_more_features_and_classes_changes_nothing() -> None:
    X, y, w = events(2000)
    wide = np.concatenate([X, np.full((len(X), 3), np.nan)], axis=1)
    small = hoeffding.learn(new(), X, y, w)
    pool = hoeffding.learn(new(), X[:1000], y[:1000], w[:1000])
    pool = hoeffding.resize(pool, F + 3, K + 4, np.array([True, False, True]))
    pool = hoeffding.learn(pool, wide[1000:], y[1000:], w[1000:])
    assert np.array_equal(hoeffding.probabilities(pool, wide)[..., :K], hoeffding.probabilities(small, X))
    with pytest.raises(ValueError, match="shrink"):
        hoeffding.resize(pool, F, K)


def test_a_snapshot_of_a_pool_goes_on() -> None:
    X, y, w = events(3000)
    pool = hoeffding.learn(new(), X[:2000], y[:2000], w[:2000])
    twin = hoeffding.load_state_dict(hoeffding.state_dict(pool))
    assert same(pool, twin)
    pool, twin = (hoeffding.learn(one, X[2000:], y[2000:], w[2000:]) for one in (pool, twin))
    assert same(pool, twin)
    assert np.array_equal(hoeffding.leaf_ids(pool, X), hoeffding.leaf_ids(twin, X))


def test_evidence_is_what_the_leaf_counted_capped_and_faded() -> None:
    X, y, _ = events(2000)
    pool = hoeffding.learn(new([HoeffdingSettings(grace_period=100)]), X, y)
    leaves = hoeffding.leaf_ids(pool, X)[:, 0]
    counts = hoeffding.evidence(pool, X)
    assert np.array_equal(counts[:, 0], pool.counts[0, leaves, :K])
    capped = hoeffding.evidence(pool, X, cap=20.0)
    assert capped.sum(axis=2).max() <= 20.0 + 1e-9
    assert np.allclose(capped / capped.sum(axis=2, keepdims=True), counts / counts.sum(axis=2, keepdims=True))
    spread = hoeffding.evidence(pool, X, "probability", cap=20.0)
    assert np.allclose(spread, hoeffding.probabilities(pool, X) * capped.sum(axis=2, keepdims=True))
    fading = hoeffding.learn(new([HoeffdingSettings(grace_period=100, leaf_fading_factor=0.9)]), X, y)
    assert np.array_equal(hoeffding.leaf_ids(fading, X), hoeffding.leaf_ids(pool, X))
    faded = hoeffding.evidence(fading, X)
    assert (faded <= counts + 1e-9).all()
    assert same(fading, hoeffding.load_state_dict(hoeffding.state_dict(fading)))
    with pytest.raises(ValueError, match="cap"):
        hoeffding.evidence(pool, X, cap=0.0)


def test_what_does_not_fit_is_refused() -> None:
    X, y, w = events(10)
    pool = new()
    for bad in (
        (X[:, 1:], y, w),
        (X, y[1:], w),
        (X, y + K, w),
        (X, y - 3, w),
        (X, y, w[:, 1:]),
        (X, y, -w - 1),
    ):
        with pytest.raises(ValueError, match="is not"):
            hoeffding.learn(pool, *bad)
    with pytest.raises(ValueError, match="predicted"):
        hoeffding.learn(pool, X, y, w, predicted=np.empty((10, E, K + 1)))
    with pytest.raises(ValueError, match="columns"):
        hoeffding.learn(pool, X, y, w, np.arange(3, dtype=np.int32))
    with pytest.raises(ValueError, match="B, 5"):
        hoeffding.leaf_ids(pool, X[:, 1:])
    for one in (
        HoeffdingSettings(leaf_fading_factor=0.0),
        HoeffdingSettings(n_splits=0),
        HoeffdingSettings(split_criterion="x"),
        HoeffdingSettings(delta=0.0),
    ):
        with pytest.raises(ValueError, match=r"fading|n_splits|split_criterion|delta"):
            new([one])


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.integers(-(2**40), 2**40) | st.integers(-5, 40), unique=True, max_size=200))
def test_numbers_iterate_as_in_a_set_of_python(numbers: list[int]) -> None:
    # One by one, for a set made from a list is sized at once.
    python: set[int] = set()
    for number in numbers:
        python.add(number)
    assert python_set_order(np.array(numbers, np.float64)).tolist() == list(python)


weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=24)


@settings(deadline=None)
@given(weights)
def test_entropy_and_impurity_are_those_of_river_to_the_bit(values: list[float]) -> None:
    numbers = dict(enumerate(values))
    array = np.array(values)
    ours, theirs = entropy(array, len(values)), GAIN.compute_entropy(numbers)
    assert ours == theirs or math.isnan(theirs)
    total = sum(values)
    assert gini_impurity(array, len(values), total) == GINI.compute_gini(numbers, total)
