"""The expert on deviations from running means: what it sees, what it costs at most, and that it is a fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.logistic import MovingAveragesSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.logistic.moving_averages import MovingAveragesExpert

from ..fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn


def events(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    """A number that wanders, and three classes by how far it is from where it was; noise, a constant, a category."""
    rng = np.random.default_rng(seed)
    step = rng.normal(size=n)
    X = np.column_stack([np.cumsum(step), rng.normal(size=n), np.full(n, 7.0), rng.integers(0, 4, n) + 1_000.0])
    X[rng.random(X.shape) < 0.02] = np.nan
    return X, np.digitize(step, [-0.5, 0.5]).astype(np.int64)


def new(**settings: Any) -> MovingAveragesExpert:
    expert = MovingAveragesExpert(MovingAveragesSettings(**settings), NOMINAL)
    expert.resize(F, K)
    return expert


class TestMovingAveragesFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)


def with_history(X: Floats, y: Ints) -> Batch:
    return Batch.of(X, history=np.append(-1, y[:-1])[:, None])


def test_asking_then_learning_in_one_pass_gives_the_bits_of_one_after_the_other() -> None:
    X, y = events(400)
    one, other = new(), new()
    weight, batch = np.linspace(0.5, 2.0, len(X)), with_history(X, y)
    together = one.predict_then_learn(batch, y, weight)
    alone = []
    for i in range(len(X)):
        alone.append(other.evidence(batch.rows(i, i + 1)))
        other.learn(batch.rows(i, i + 1), y[i : i + 1], weight[i : i + 1])
    assert together.tobytes() == np.concatenate(alone).tobytes()
    assert bits(one) == bits(other)


def right(expert: MovingAveragesExpert, batch: Batch, y: Ints) -> float:
    answers = expert.predict_then_learn(batch, y, np.ones(len(y)))
    return float((answers.argmax(axis=1) == y)[len(y) // 2 :].mean())


def test_a_change_is_seen_whatever_the_level() -> None:
    X, y = events(3_000)
    assert right(new(), Batch.of(X), y) > 0.8


def test_the_last_label_is_seen_unless_it_is_left_out() -> None:
    rng = np.random.default_rng(1)
    y = (np.cumsum(rng.random(2_000) < 0.1) % K).astype(np.int64)
    batch = with_history(rng.normal(size=(2_000, F)), y)
    assert right(new(), batch, y) > 0.85
    assert right(new(history=0), batch, y) < 0.6


def means_used(**settings: Any) -> int:
    """For how many horizons an expert of three numbers and a category has inputs."""
    inputs = new(**settings).state_dict()["weights"].shape[1]
    return (inputs - 3 - 16 - K - 1) // 3 if inputs else 0


@pytest.mark.parametrize(("max_inputs", "used"), [(128, 8), (47, 8), (46, 7), (29, 2), (26, 1), (25, 0)])
def test_as_many_means_are_taken_as_inputs_are_allowed(max_inputs: int, used: int) -> None:
    assert means_used(max_inputs=max_inputs) == used


def test_without_room_or_without_numbers_it_is_silent() -> None:
    X, y = events(200)
    categories = MovingAveragesExpert(MovingAveragesSettings(), [True] * F)
    categories.resize(F, K)
    for expert in (new(max_inputs=25), categories):
        learn(expert, X, y)
        assert not expert.evidence(Batch.of(X)).any()
        assert not expert.state_dict()["weights"].size


def test_features_and_classes_grow_without_losing_what_was_learnt() -> None:
    X, y = events(2_000)
    expert = MovingAveragesExpert(MovingAveragesSettings(), NOMINAL[:1])
    expert.resize(1, 2)
    learn(expert, X[:1_000, :1], np.minimum(y[:1_000], 1))
    ask = np.full((50, F), np.nan)
    ask[:, 0] = X[1_000:1_050, 0]
    before = expert.evidence(Batch.of(ask[:, :1]))
    expert.set_columns((), NOMINAL)
    expert.resize(F, 2)
    assert expert.evidence(Batch.of(ask)) == pytest.approx(before, rel=1e-12)
    expert.resize(F, K)
    assert (expert.evidence(Batch.of(ask))[:, :2].argmax(axis=1) == before.argmax(axis=1)).all()
    assert right(expert, Batch.of(X[1_000:]), y[1_000:]) > 0.7


@pytest.mark.parametrize("value", [1.7e308, -1e300, np.inf, np.nan])
def test_no_value_breaks_it(value: float) -> None:
    X, y = events(300)
    expert = new()
    learn(expert, X, y)
    X[:, [0, 3]] = value
    assert np.isfinite(expert.evidence(Batch.of(X))).all()
    learn(expert, X, y)
    assert np.isfinite(expert.evidence(Batch.of(events(50, seed=3)[0]))).all()
    assert all(np.isfinite(array).all() for array in expert.state_dict().values())


@pytest.mark.parametrize("change", ["missing", "means", "columns"])
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(change: str) -> None:
    X, y = events(150)
    expert = new()
    learn(expert, X, y)
    arrays = expert.state_dict()
    if change == "missing":
        del arrays["known"]
    elif change == "means":
        arrays["means"] = arrays["means"][:, :-1]
    else:
        arrays["nominal"] = arrays["nominal"][:-1]
    before = bits(expert)
    with pytest.raises(SnapshotError):
        expert.load_state_dict(arrays)
    assert bits(expert) == before
