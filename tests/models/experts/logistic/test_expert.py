"""The second-order logistic expert: what it learns, how it grows, what it costs at most, and that it is a fold."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.logistic import LogisticSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.logistic.expert import LogisticExpert

from ..fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn


def events(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    """Three classes by two numbers and a category, with values missing and a column that never varies."""
    rng = np.random.default_rng(seed)
    X = rng.normal([0.0, 1e4, 7.0, 0.0], [1.0, 100.0, 0.0, 0.0], (n, F))
    X[:, 3] = rng.integers(0, 4, n) + 1_000
    y = (X[:, 0] + (X[:, 1] - 1e4) / 100 > 0).astype(np.int64) + (X[:, 3] > 1_002)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def new(**settings: Any) -> LogisticExpert:
    expert = LogisticExpert(LogisticSettings(**settings), NOMINAL)
    expert.resize(F, K)
    return expert


def accuracy(expert: LogisticExpert, X: Floats, y: Ints) -> float:
    return float((expert.evidence(Batch.of(X)).argmax(axis=1) == y).mean())


class TestLogisticFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)


class TestSharedFold(FoldBehaviour):
    @staticmethod
    def new() -> LogisticExpert:
        return new(max_own=0)

    events = staticmethod(events)


def test_asking_then_learning_in_one_pass_gives_the_bits_of_one_after_the_other() -> None:
    X, y = events(400)
    one, other = new(), new()
    weight = np.linspace(0.5, 2.0, len(X))
    together = one.predict_then_learn(Batch.of(X), y, weight)
    alone = []
    for i in range(len(X)):
        row = slice(i, i + 1)
        alone.append(other.evidence(Batch.of(X[row])))
        other.learn(Batch.of(X[row]), y[row], weight[row])
    assert together.tobytes() == np.concatenate(alone).tobytes()
    assert bits(one) == bits(other)


@pytest.mark.parametrize("max_own", [0, 1_000_000])
def test_what_lines_separate_is_learnt_whatever_the_scales(max_own: int) -> None:
    X, y = events(3_000)
    expert = new(max_own=max_own)
    learn(expert, X[:2_000], y[:2_000])
    assert accuracy(expert, X[2_000:], y[2_000:]) > 0.75
    sure = ~np.isnan(X).any(axis=1) & (np.arange(len(X)) >= 2_000)
    assert accuracy(expert, X[sure], y[sure]) > 0.85


def two_classes(n: int, seed: int, noise: float = 0.0) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.0, 10.0, (n, 3))
    return X, (X[:, 0] + X[:, 1] > 8.0).astype(np.int64) ^ (rng.random(n) < noise)


def expert_of(columns: int, classes: int = 2, **settings: Any) -> LogisticExpert:
    expert = LogisticExpert(LogisticSettings(**settings), [False] * columns)
    expert.resize(columns, classes)
    return expert


def test_a_boundary_is_found_exactly_although_labels_are_wrong() -> None:
    X, y = two_classes(20_000, 0, noise=0.1)
    expert = expert_of(3)
    learn(expert, X, y)
    ask, truth = two_classes(5_000, 1)
    assert accuracy(expert, ask, truth) > 0.99


def test_after_a_drift_it_learns_as_fast_as_at_first() -> None:
    X, y = two_classes(20_000, 2, noise=0.05)
    ask, truth = two_classes(5_000, 3)
    found = {}
    for threshold in (3.5, 1_000.0):
        expert = expert_of(3, fading_factor=1.0, restart_threshold=threshold)
        learn(expert, X, y)
        learn(expert, 10.0 - X[:1_500], y[:1_500])
        found[threshold] = accuracy(expert, 10.0 - ask, truth)
    assert found[3.5] > 0.95 > found[1_000.0] + 0.02


@pytest.mark.parametrize("value", [1.7e308, -1e300, np.inf, np.nan, 1e-320])
def test_no_value_breaks_it(value: float) -> None:
    X, y = events(300)
    expert = new()
    learn(expert, X, y)
    X[:, [0, 3]] = value
    assert np.isfinite(expert.evidence(Batch.of(X))).all()
    learn(expert, X, y)
    assert np.isfinite(expert.evidence(Batch.of(events(50, seed=3)[0]))).all()
    assert all(np.isfinite(array).all() for array in expert.state_dict().values())


@pytest.mark.parametrize("weight", [1e-9, 1e9])
def test_no_weight_breaks_it(weight: float) -> None:
    X, y = events(500)
    expert = new()
    expert.learn(Batch.of(X), y, np.full(len(X), weight))
    assert np.isfinite(expert.evidence(Batch.of(X))).all()
    assert all(np.isfinite(array).all() for array in expert.state_dict().values())


def test_the_cap_holds() -> None:
    X, y = two_classes(3_000, 4)
    expert = expert_of(3, strength=2.0)
    learn(expert, X, y)
    assert expert.evidence(Batch.of(X[:30])).sum(axis=1).max() <= 2.0 + 1e-12


def test_with_more_inputs_than_allowed_it_is_silent_and_keeps_nothing() -> None:
    X, y = events(100)
    expert = new(max_inputs=19)  # three numbers, 16 buckets, and the bias
    before = bits(expert)
    assert not expert.predict_then_learn(Batch.of(X), y, np.ones(len(X))).any()
    learn(expert, X, y)
    assert bits(expert) == before
    assert not expert.evidence(Batch.of(X)).any()
    assert new(max_inputs=20).state_dict()["weights"].shape == (K, 20)


def test_classes_share_one_covariance_where_their_own_would_cost_too_much() -> None:
    assert new(max_own=1_200).state_dict()["factors"].shape == (K, 20, 20)
    assert new(max_own=1_199).state_dict()["factors"].shape == (1, 20, 20)
    assert expert_of(30, classes=2, max_own=1_000).state_dict()["factors"].shape == (1, 31, 31)


def test_features_and_classes_grow_without_losing_what_was_learnt() -> None:
    X, y = events(600)
    expert = LogisticExpert(LogisticSettings(), NOMINAL[:2])
    expert.resize(2, 2)
    learn(expert, X[:300, :2], np.minimum(y[:300], 1))
    ask = np.full((300, F), np.nan)
    ask[:, :2] = X[:300, :2]
    before = expert.evidence(Batch.of(ask[:, :2]))
    expert.set_columns((), NOMINAL)
    expert.resize(F, 2)
    assert expert.evidence(Batch.of(ask)) == pytest.approx(before, rel=1e-12)
    expert.resize(F, K)
    grown = expert.evidence(Batch.of(ask))
    assert (grown[:, :2].argmax(axis=1) == before.argmax(axis=1)).all()
    learn(expert, X[300:], y[300:])
    assert accuracy(expert, X[300:], y[300:]) > 0.6


def test_a_third_class_keeps_what_was_known_of_two() -> None:
    X, y = two_classes(2_000, 5)
    expert = expert_of(3)
    learn(expert, X, y)
    two = expert.state_dict()
    expert.resize(3, 3)
    three = expert.state_dict()
    assert np.array_equal(three["weights"], [-two["weights"][0], two["weights"][0], np.zeros(4)])
    assert np.array_equal(three["factors"][:2], np.repeat(two["factors"], 2, axis=0))
    learn(expert, X, np.where(X[:, 2] > 7.0, 2, y))
    assert accuracy(expert, X, np.where(X[:, 2] > 7.0, 2, y)) > 0.9


def test_a_column_that_becomes_a_category_keeps_the_weights_of_the_others() -> None:
    X, y = events(400)
    expert = new()
    learn(expert, X, y)
    before = expert.state_dict()["weights"]
    expert.set_columns((), [False, True, False, True])
    after = expert.state_dict()["weights"]
    assert np.array_equal(after[:, [0, *range(17, 35)]], before[:, [0, *range(2, 20)]])
    assert not after[:, 1:17].any()
    learn(expert, X, y)
    assert np.isfinite(expert.evidence(Batch.of(X))).all()


@pytest.mark.parametrize("change", ["missing", "columns", "weights", "classes", "scaler"])
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(change: str) -> None:
    X, y = events(150)
    expert = new()
    learn(expert, X, y)
    arrays = expert.state_dict()
    if change == "missing":
        del arrays["factors"]
    elif change == "columns":
        arrays["nominal"] = arrays["nominal"][:-1]
    elif change == "weights":
        arrays["weights"] = arrays["weights"][:, :-1]
    elif change == "classes":
        arrays["classes"] = np.array(2)
    else:
        arrays["scaler.mean"] = arrays["scaler.mean"][:-1]
    before = bits(expert)
    with pytest.raises(SnapshotError):
        expert.load_state_dict(arrays)
    assert bits(expert) == before


def test_a_copy_learns_by_itself() -> None:
    X, y = events(300)
    expert = new()
    learn(expert, X, y)
    before = bits(expert)
    other = copy.deepcopy(expert)
    learn(other, X, y)
    assert bits(expert) == before != bits(other)
