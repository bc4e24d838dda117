"""The expert on deviations from the last season: when it speaks, what it sees, and that it is a fold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.logistic import SeasonalSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.logistic.seasonal import SeasonalExpert

from ..fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn


def events(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    """A price with a season of 24 and a level that wanders; three classes by how far it is from its mean of late."""
    rng = np.random.default_rng(seed)
    hour = np.arange(n) % 24
    price = 5.0 * np.sin(2 * np.pi * hour / 24) + np.cumsum(0.5 * rng.normal(size=n)) + rng.normal(size=n)
    mean = np.array([price[max(t - 24, 0) : t].mean() if t else price[0] for t in range(n)])
    X = np.column_stack([price, hour, np.full(n, 7.0), rng.integers(0, 4, n) + 1_000.0])
    X[rng.random(X.shape) < 0.02] = np.nan
    return X, np.digitize(price - mean, [-2.0, 2.0]).astype(np.int64)


def new(**settings: Any) -> SeasonalExpert:
    expert = SeasonalExpert(SeasonalSettings(**settings), NOMINAL)
    expert.resize(F, K)
    return expert


class TestSeasonalFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)


def test_asking_then_learning_in_one_pass_gives_the_bits_of_one_after_the_other() -> None:
    X, y = events(500)
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


def test_what_hangs_on_the_season_is_learnt() -> None:
    X, y = events(4_000)
    expert = new()
    answers = expert.predict_then_learn(Batch.of(X), y, np.ones(len(y)))
    assert expert.season == 24
    assert not answers[:200].any()
    assert answers[210:].any(axis=1).all()
    assert (answers.argmax(axis=1) == y)[2_000:].mean() > 0.85


def test_without_a_season_it_is_silent_and_learns_nothing() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(2_500, F)), rng.integers(0, K, 2_500)
    X[:, 3] = 1_000.0
    expert = new()
    assert not expert.predict_then_learn(Batch.of(X), y, np.ones(len(y))).any()
    assert not expert.evidence(Batch.of(X)).any()
    assert expert.season == 0
    assert not expert.state_dict()["weights"].any()


def test_another_season_takes_the_place_of_the_first() -> None:
    X, y = events(2_000)
    expert = new()
    learn(expert, X, y)
    other = X.copy()
    slow = np.arange(len(X)) % 60
    other[:, 0], other[:, 1] = np.sin(2 * np.pi * slow / 60), slow
    learn(expert, other, y)
    assert expert.season == 60


def test_features_and_classes_grow_without_losing_what_was_learnt() -> None:
    X, y = events(2_000)
    expert = SeasonalExpert(SeasonalSettings(), NOMINAL[:2])
    expert.resize(2, 2)
    learn(expert, X[:1_000, :2], np.minimum(y[:1_000], 1))
    ask = np.full((50, F), np.nan)
    ask[:, :2] = X[1_000:1_050, :2]
    before = expert.evidence(Batch.of(ask[:, :2]))
    assert before.any()
    expert.set_columns((), NOMINAL)
    expert.resize(F, 2)
    assert expert.evidence(Batch.of(ask)) == pytest.approx(before, rel=1e-12)
    expert.resize(F, K)
    assert (expert.evidence(Batch.of(ask))[:, :2].argmax(axis=1) == before.argmax(axis=1)).all()
    answers = expert.predict_then_learn(Batch.of(X[1_000:]), y[1_000:], np.ones(1_000))
    assert (answers.argmax(axis=1) == y[1_000:])[300:].mean() > 0.7


def test_with_more_inputs_than_allowed_it_is_silent() -> None:
    X, y = events(400)
    expert = new(max_inputs=22)  # three numbers twice, 16 buckets, and the bias make 23
    learn(expert, X, y)
    assert not expert.evidence(Batch.of(X)).any()
    assert new(max_inputs=23).state_dict()["weights"].shape == (K, 23)


@pytest.mark.parametrize("value", [1.7e308, -1e300, np.inf, np.nan])
def test_no_value_breaks_it(value: float) -> None:
    X, y = events(500)
    expert = new()
    learn(expert, X, y)
    X[:, [0, 3]] = value
    assert np.isfinite(expert.evidence(Batch.of(X))).all()
    learn(expert, X, y)
    assert np.isfinite(expert.evidence(Batch.of(events(50, seed=3)[0]))).all()
    state = expert.state_dict()
    assert all(np.isfinite(array).all() for name, array in state.items() if name != "past.values")


@pytest.mark.parametrize("change", ["missing", "values", "season", "columns"])
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(change: str) -> None:
    X, y = events(300)
    expert = new()
    learn(expert, X, y)
    arrays = expert.state_dict()
    if change == "missing":
        del arrays["past.sums"]
    elif change == "values":
        arrays["past.values"] = arrays["past.values"][:, :-1]
    elif change == "season":
        arrays["past.state"] = np.array([5_000, 300])
    else:
        arrays["nominal"] = arrays["nominal"][:-1]
    before = bits(expert)
    with pytest.raises(SnapshotError):
        expert.load_state_dict(arrays)
    assert bits(expert) == before
