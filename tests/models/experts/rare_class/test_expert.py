"""The expert on rare classes: when it speaks, whom it trusts, and that its state is a fold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.rare_class.expert import RareClassExpert

from ..fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn

HEARD = 2


def events(n: int, seed: int = 0, share: float = 0.04) -> tuple[Floats, Ints]:
    """Three classes of which the last is rare, and lies apart in two numbers; a category, and values missing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K - 1, n)
    y[rng.random(n) < share] = K - 1
    X = rng.normal(size=(n, F))
    X[y == K - 1, :2] += 3.0
    X[:, 2] = np.exp(X[:, 2])
    X[:, 3] = rng.integers(0, 4, n)
    X[rng.random(X.shape) < 0.03] = np.nan
    return X, y


def new(nominal: list[bool] = NOMINAL, heard: int = 0, **settings: Any) -> RareClassExpert:
    expert = RareClassExpert(RareClassSettings(**settings), nominal, heard)
    expert.resize(len(nominal), K)
    return expert


def heard(n: int, y: Ints, seed: int = 1) -> Floats:
    """What two experts say: the first knows the rare class in part, the second says anything."""
    rng = np.random.default_rng(seed)
    said = rng.gamma(1.0, 1.0, (n, HEARD, K))
    said[:, 0] = 0.1
    said[np.arange(n), 0, np.where(rng.random(n) < 0.8, y, 0)] += 9.0
    return said


class TestRareClassFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)

    @pytest.mark.parametrize("poll", [1, 7, 1_000])
    def test_one_pass_answers_with_the_bits_of_asking_before_each_event(self, poll: int) -> None:
        X, y = self.events(900)
        batch, weight = replace(Batch.of(X), said=heard(len(X), y)), np.linspace(0.5, 2.0, len(X))
        once, twice = new(heard=HEARD), new(heard=HEARD)
        answers, asked = [], []
        for start in range(0, len(X), poll):
            stop = min(start + poll, len(X))
            answers.append(once.predict_then_learn(batch.rows(start, stop), y[start:stop], weight[start:stop]))
        for i in range(len(X)):
            asked.append(twice.evidence(batch.rows(i, i + 1)))
            twice.learn(batch.rows(i, i + 1), y[i : i + 1], weight[i : i + 1])
        assert np.concatenate(answers).tobytes() == np.concatenate(asked).tobytes()
        assert np.concatenate(answers).any()
        assert bits(once) == bits(twice)


def test_a_lagged_pass_gives_the_bits_of_turns() -> None:
    X, y = events(900)
    batch = replace(Batch.of(X), said=heard(len(X), y))
    ahead = np.maximum(np.arange(900) - 37, 0)
    lagged, plain = new(heard=HEARD), new(heard=HEARD)
    answers = lagged.ask_and_learn(batch, ahead, batch, y, np.ones(900))
    expected = super(RareClassExpert, plain).ask_and_learn(batch, ahead, batch, y, np.ones(900))
    assert expected.any()
    assert answers.tobytes() == expected.tobytes()
    assert bits(lagged) == bits(plain)


def test_it_is_silent_while_no_class_is_rare() -> None:
    X, y = events(2_000, share=0.33)
    expert = new()
    learn(expert, X, y)
    assert not expert.rare.any()
    assert not expert.evidence(Batch.of(X)).any()


def test_a_rare_class_is_found_where_gaussians_know_it() -> None:
    X, y = events(4_000)
    answers = new().predict_then_learn(Batch.of(X), y, np.ones(len(X)))[2_000:]
    p = answers[:, K - 1] / answers.sum(axis=1)
    rare = y[2_000:] == K - 1
    assert np.median(p[rare]) > 0.5
    assert np.median(p[~rare]) < 0.01
    assert abs(p.mean() - rare.mean()) < 0.01  # calibrated


def test_without_numbers_the_vote_of_the_others_is_left() -> None:
    _, y = events(4_000)
    batch = replace(Batch.of(np.zeros((len(y), 0))), said=heard(len(y), y))
    expert = RareClassExpert(RareClassSettings(), [], HEARD)
    expert.resize(0, K)
    answers = expert.predict_then_learn(batch, y, np.ones(len(y)))[2_000:]
    p, rare = answers[:, K - 1] / answers.sum(axis=1), y[2_000:] == K - 1
    assert np.median(p[rare]) > 20.0 * np.median(p[~rare])


def test_too_many_inputs_leave_the_vote_alone() -> None:
    X, y = events(2_000)
    expert = new(max_inputs=2)
    learn(expert, X, y)
    assert expert.state_dict()["common.mean"].shape[1] == 0
    answers = expert.evidence(Batch.of(X))
    assert np.ptp(answers[:, K - 1]) == 0.0  # nobody to vote: the share of the class
    assert answers[0, K - 1] / answers[0].sum() == pytest.approx((y == K - 1).mean(), abs=0.02)


def test_memory_does_not_grow_with_classes_without_a_bound() -> None:
    """A thousand classes of 64 inputs took 350 MB."""
    expert = RareClassExpert(RareClassSettings(), [False] * 64)
    for classes in (2, 24, 25, 1_000):
        expert.resize(64, classes)
        assert sum(array.nbytes for array in expert.state_dict().values()) < 12_000_000
    X, y = np.random.default_rng(0).normal(size=(300, 64)), np.arange(300) % 1_000
    assert np.isfinite(expert.predict_then_learn(Batch.of(X), y, np.ones(300))).all()


def test_a_class_that_comes_later_keeps_what_is_known() -> None:
    X, y = events(2_000)
    expert, other = new(), new()
    for one in (expert, other):
        learn(one, X, y)
    expert.resize(F, K + 1)
    np.testing.assert_array_equal(expert.rare, [*other.rare, False])
    np.testing.assert_array_equal(expert.state_dict()["examples.mean"][:K], other.state_dict()["examples.mean"])


def test_a_column_that_comes_later_begins_the_gaussians_anew_and_keeps_the_shares() -> None:
    X, y = events(2_000)
    expert = new()
    learn(expert, X, y)
    rare = expert.rare
    expert.set_columns([], [*NOMINAL, False])
    assert expert.rare.tolist() == rare.tolist()
    assert not expert.state_dict()["examples.seen"].any()
    learn(expert, np.column_stack([X, X[:, 0]]), y)
    assert np.isfinite(expert.evidence(Batch.of(np.column_stack([X, X[:, 0]])))).all()


@pytest.mark.parametrize("kind", ["constant", "huge", "same"])
def test_odd_columns_give_numbers(kind: str) -> None:
    """A covariance that cannot be factorised made every answer NaN."""
    X, y = events(2_000)
    X[:, 2] = {"constant": np.full(len(X), 7.0), "huge": X[:, 0] * 1e140, "same": X[:, 0]}[kind]
    expert = new()
    learn(expert, X, y)
    answers = expert.evidence(Batch.of(X))
    assert np.isfinite(answers).all()
    assert (answers >= 0.0).all()
    assert answers.any()


@pytest.mark.parametrize("begins", [0, 60, 3_000])
def test_a_flag_that_comes_late_is_heard(begins: int) -> None:
    """A column that had not varied by label 50 was clipped to 0 for good."""
    rng = np.random.default_rng(3)
    y = np.where(rng.random(8_000) < 0.02, 2, rng.integers(0, 2, 8_000))
    flag = rng.random(8_000) < np.where(y == 2, 0.9, 0.01)
    X = np.column_stack([rng.normal(size=(8_000, 2)), np.where(np.arange(8_000) < begins, 0.0, flag)])
    expert = new([False] * 3)
    learn(expert, X, y)
    with_it, without = expert.evidence(Batch.of(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])))
    assert with_it[2] / with_it.sum() > 0.2
    assert without[2] / without.sum() < 0.01


def test_a_flag_of_one_event_in_a_thousand_keeps_its_variance() -> None:
    """It was clipped at ten standard deviations, and its variance went to 0."""
    X = np.zeros((30_000, 1))
    X[::1_000] = 1.0
    expert = new([False])
    learn(expert, X, np.arange(30_000) % 2)
    assert expert.state_dict()["common.covariance"][0, 0, 0] == pytest.approx(0.001, rel=0.2)


@pytest.mark.parametrize("place", [0, 3, 10, 30, 500])
def test_one_enormous_value_leaves_numbers(place: int) -> None:
    """Its square was infinite before anything was clipped, and no feedback could be learnt from then on."""
    X, y = events(1_500)
    X[place, 0] = 1e200
    expert = new()
    answers = expert.predict_then_learn(Batch.of(X), y, np.ones(len(X)))
    assert np.isfinite(answers).all()
    assert all(np.isfinite(array).all() for array in expert.state_dict().values())


def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = new().state_dict()
    arrays["heads.slope"] = arrays["heads.slope"][:1]
    with pytest.raises(SnapshotError, match=r"heads\.slope"):
        new().load_state_dict(arrays)
    with pytest.raises(SnapshotError, match=r"vote\.loss"):
        new(heard=HEARD).load_state_dict(new().state_dict())
