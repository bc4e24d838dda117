"""The expert of moving clusters: what it follows, what it leaves out, and that its state is a fold."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.moving_clusters import MovingClustersSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.moving_clusters import MovingClustersExpert

from .fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn


def events(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    """Six clouds of three classes that move in two numbers, a number that never varies, and a category."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 6, n)
    start, way = rng.random((6, F)), rng.normal(size=(6, F)) * 5e-4
    X = 1 - np.abs(1 - (start[which] + way[which] * np.arange(n)[:, None]) % 2)
    X += rng.normal(size=(n, F)) * 0.05
    X[:, 2] = 7.0
    X[:, 3] = rng.integers(0, 4, n)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, which % K


def new(nominal: list[bool] = NOMINAL, **settings: float) -> MovingClustersExpert:
    settings = {"clusters": 20, **settings}
    expert = MovingClustersExpert(MovingClustersSettings(**settings), nominal)  # type: ignore[arg-type]
    expert.resize(len(nominal), K)
    return expert


class TestMovingClustersFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)

    @pytest.mark.parametrize("poll", [1, 7, 1_000])
    def test_one_pass_answers_with_the_bits_of_asking_before_each_event(self, poll: int) -> None:
        X, y = self.events(600)
        weight = np.linspace(0.5, 2.0, len(X))
        once, twice = self.new(), self.new()
        answers, asked = [], []
        for start in range(0, len(X), poll):
            rows = slice(start, start + poll)
            answers.append(once.predict_then_learn(Batch.of(X[rows]), y[rows], weight[rows]))
        for i in range(len(X)):
            asked.append(twice.evidence(Batch.of(X[i : i + 1])))
            twice.learn(Batch.of(X[i : i + 1]), y[i : i + 1], weight[i : i + 1])
        assert np.concatenate(answers).tobytes() == np.concatenate(asked).tobytes()
        assert bits(once) == bits(twice)


def accuracy(expert: MovingClustersExpert, X: Floats, y: Ints) -> float:
    answers = expert.predict_then_learn(Batch.of(X), y, np.ones(len(X)))
    return float((answers.argmax(axis=1) == y)[len(X) // 2 :].mean())


def clouds(n: int, scale: float, shift: float) -> tuple[Floats, Ints]:
    """Two clouds that change places again and again."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, n)
    angle = np.arange(n) / 400 + np.pi * y
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(size=(n, 2)) * 0.3
    return X * scale + shift, y


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-6, 1.0), (1e6, -1e12)])
def test_it_follows_clouds_that_change_places_in_any_unit(scale: float, shift: float) -> None:
    X, y = clouds(6_000, scale, shift)
    assert accuracy(new([False, False]), X, y) > 0.98


def test_a_category_is_left_out() -> None:
    X, y = events(400)
    other = X.copy()
    other[:, 3] = np.arange(400) % 5
    one, two = new(), new()
    learn(one, X, y)
    learn(two, other, y)
    assert one.evidence(Batch.of(X)).tobytes() == two.evidence(Batch.of(other)).tobytes()


def test_an_event_of_which_nothing_is_known_has_no_evidence_and_moves_nothing() -> None:
    X, y = events(300)
    expert = new()
    learn(expert, X, y)
    before = expert.state_dict()["centre"].tobytes()
    nothing = np.full((3, F), np.nan)
    nothing[:, 2:] = [7.0, 1.0]  # neither a column that never varied nor a category counts
    assert not expert.evidence(Batch.of(nothing)).any()
    learn(expert, nothing, y[:3])
    assert expert.state_dict()["centre"].tobytes() == before


@pytest.mark.parametrize("value", [1e300, -1e300, np.inf, np.nan])
def test_no_value_breaks_it(value: float) -> None:
    X, y = events(900)
    expert = new()
    learn(expert, X[:300], y[:300])
    odd = X[300:310].copy()
    odd[:, 0] = value
    assert np.isfinite(expert.evidence(Batch.of(odd))).all()
    learn(expert, odd, y[300:310])
    learn(expert, X[310:], y[310:])
    evidence = expert.evidence(Batch.of(X))
    assert np.isfinite(evidence).all()
    assert np.array_equal(evidence.any(axis=1), np.isfinite(X[:, :2]).any(axis=1))
    assert all(np.isfinite(a).all() for n, a in expert.state_dict().items() if n not in ("logs", "recent.values"))


def test_events_that_are_all_equal_do_not_break_it() -> None:
    X, y = np.tile([[1.0, 2.0]], (3_000, 1)), np.zeros(3_000, np.int64)
    X[:2], y[:2] = [[0.0, 0.0], [3.0, 1.0]], 1
    expert = new([False, False])
    learn(expert, X, y)
    assert expert.evidence(Batch.of(X[5:6])).argmax() == 0
    assert np.isfinite(expert.state_dict()["centre"]).all()


def test_above_the_bound_on_inputs_it_is_silent_and_holds_nothing() -> None:
    X, y = clouds(500, 1.0, 0.0)
    wide = np.concatenate([X, X], axis=1)
    expert = new([False] * 4, max_inputs=3)
    learn(expert, wide, y)
    assert not expert.predict_then_learn(Batch.of(wide), y, np.ones(500)).any()
    assert not expert.evidence(Batch.of(wide)).any()
    assert expert.state_dict()["recent.values"].size == 0
    expert.set_columns((), [False, False, True, True])
    assert accuracy(expert, wide, y) > 0.9


def test_the_cap_holds() -> None:
    X, y = events(1_000)
    expert = new(strength=2.0)
    learn(expert, X, y)
    assert expert.evidence(Batch.of(X)).sum(axis=1).max() == pytest.approx(2.0)


def test_features_and_classes_grow_without_losing_what_was_learnt() -> None:
    X, y = clouds(4_000, 1.0, 0.0)
    expert = MovingClustersExpert(MovingClustersSettings(clusters=20))
    expert.resize(2, 2)
    learn(expert, X[:2_000], y[:2_000])
    wide = np.concatenate([np.random.default_rng(0).normal(size=(4_000, 1)) * 1e-3, X], axis=1)[:, [1, 2, 0]]
    before = expert.evidence(Batch.of(X[2_000:2_100]))
    expert.set_columns((), [False, False, False])
    expert.resize(3, K)
    # Not the same bits: what is summed over the columns is summed anew, with their scales of now.
    np.testing.assert_allclose(expert.evidence(Batch.of(wide[2_000:2_100]))[:, :2], before, rtol=0.05, atol=0.01)
    answers = expert.predict_then_learn(Batch.of(wide[2_000:]), y[2_000:], np.ones(2_000))
    assert (answers.argmax(axis=1) == y[2_000:]).mean() > 0.95


def test_a_number_that_becomes_a_category_is_left_out_from_then_on() -> None:
    X, y = clouds(3_000, 1.0, 0.0)
    wide = np.concatenate([X, X[:, :1]], axis=1)
    expert = new([False, False, False])
    learn(expert, wide[:1_500], y[:1_500])
    centre = expert.state_dict()["centre"]
    expert.set_columns((), [False, False, True])
    assert np.array_equal(expert.state_dict()["centre"], centre[:2])
    assert accuracy(expert, wide[1_500:], y[1_500:]) > 0.98


@pytest.mark.parametrize("change", ["missing", "columns", "clusters"])
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(change: str) -> None:
    X, y = events(150)
    expert, other = new(), new(clusters=10)
    learn(expert, X, y)
    learn(other, X, y)
    arrays = (other if change == "clusters" else expert).state_dict()
    if change == "missing":
        del arrays["velocity"]
    elif change == "columns":
        arrays["nominal"] = arrays["nominal"][:-2]
    before = bits(expert)
    with pytest.raises(SnapshotError):
        expert.load_state_dict(arrays)
    assert bits(expert) == before


def test_arrays_are_no_view_of_the_state() -> None:
    X, y = events(100)
    expert = new()
    learn(expert, X[:50], y[:50])
    taken = expert.state_dict()
    before = {name: array.tobytes() for name, array in taken.items()}
    learn(expert, X[50:], y[50:])
    assert {name: array.tobytes() for name, array in taken.items()} == before
