"""The nearest-neighbour expert: what it remembers, how it votes, and that its state is a fold."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.neighbours import NeighboursExpert

from .fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn


def events(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    """Three classes by two numbers and a category, with values missing and a column that never varies."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, F))
    X[:, 2] = 7.0
    X[:, 3] = rng.integers(0, 4, n)
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int64) + (X[:, 3] > 2)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def new(window: int = 200, k: int = 3, **settings: float) -> NeighboursExpert:
    expert = NeighboursExpert(NeighboursSettings(window=window, k=k, **settings), NOMINAL)  # type: ignore[arg-type]
    expert.resize(F, K)
    return expert


class TestNeighboursFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)


def by_hand(X: Floats, y: Ints, weight: Floats, x: Floats, k: int) -> Floats:
    """Shares [K] of a vote among X, numbers only, by plain numpy."""
    far = np.sqrt((((X - x) / X.std(axis=0)) ** 2).sum(axis=1))
    nearest = np.argsort(far)[:k]
    shares = np.bincount(y[nearest], weight[nearest] / far[nearest], K)
    return shares / shares.sum()


def test_votes_are_weighted_by_distance_and_by_the_labels_weight() -> None:
    rng = np.random.default_rng(3)
    X, y, weight = rng.normal(size=(60, 2)), rng.integers(0, K, 60), rng.random(60) + 0.1
    expert = NeighboursExpert(NeighboursSettings(window=100, k=5), [False, False])
    expert.resize(2, K)
    expert.learn(Batch.of(X), y, weight)
    ask = rng.normal(size=(20, 2))
    expected = np.array([by_hand(X, y, weight, x, 5) for x in ask])
    assert expert.votes(ask) == pytest.approx(expected, abs=1e-6)


def test_only_the_window_is_remembered() -> None:
    X, y = events(450)
    expert = new(window=100)
    learn(expert, X, y)
    values, came = expert.state_dict()["values"], X[-100:].T
    assert np.array_equal(values[~np.isnan(came)], came[~np.isnan(came)])
    assert expert.state_dict()["labels"].tolist() == y[-100:].tolist()


@pytest.mark.parametrize("window", [1, 2, 5])
def test_a_window_may_be_smaller_than_the_number_of_neighbours(window: int) -> None:
    X, y = events(40)
    expert = new(window=window, k=5)
    learn(expert, X, y)
    votes = expert.votes(X[:10])
    assert votes.sum(axis=1) == pytest.approx(np.ones(10))
    assert (votes[:, np.setdiff1d(np.arange(K), y[-window:])] == 0).all()


def test_distances_follow_the_scale_as_it_is_now() -> None:
    """A column that was narrow and becomes wide loses its say, also against what was remembered before."""
    expert = NeighboursExpert(NeighboursSettings(window=4_000, k=1), [False, False])
    expert.resize(2, 2)
    rng = np.random.default_rng(4)
    X = rng.normal(size=(1_000, 2)) * [1.0, 1e-3]
    X[0], X[1] = [8.0, 0.0], [8.5, 8e-3]
    y = np.zeros(1_000, np.int64)
    y[1] = 1
    expert.learn(Batch.of(X), y, np.ones(1_000))
    ask = np.array([[8.5, 1e-3]])
    assert expert.votes(ask).argmax() == 0
    expert.learn(Batch.of(rng.normal(size=(1_000, 2))), np.zeros(1_000, np.int64), np.ones(1_000))
    assert expert.votes(ask).argmax() == 1


def test_evidence_is_worth_what_the_answers_were() -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(3_000, 2))
    clear, noise = (X[:, 0] > 0).astype(np.int64), rng.integers(0, 2, 3_000)
    strengths = []
    for y in (clear, noise):
        expert = NeighboursExpert(NeighboursSettings(), [False, False])
        expert.resize(2, 2)
        expert.learn(Batch.of(X), y, np.ones(3_000))
        strengths.append(expert.strength)
        assert expert.evidence(Batch.of(X[:5])).sum(axis=1) == pytest.approx(np.full(5, expert.strength))
    assert strengths[0] > 10 > 0.8 > strengths[1]


def test_the_cap_holds() -> None:
    X, y = events(2_000)
    expert = new(strength=2.0)
    learn(expert, X, np.zeros_like(y))
    assert expert.evidence(Batch.of(X[:30])).sum(axis=1).max() == pytest.approx(2.0)


def test_what_a_remembered_event_lacks_is_filled_from_its_own_class() -> None:
    """Left open, a gap put an event at the same distance from all queries in its column."""
    X = np.array([[0.0, 1.0], [0.1, 1.2], [0.0, 9.0], [0.0, np.nan], [0.1, np.nan]])
    expert = NeighboursExpert(NeighboursSettings(window=10), [False, False])
    expert.resize(2, 2)
    expert.learn(Batch.of(X), np.array([0, 0, 1, 1, 0]), np.ones(5))
    assert expert.state_dict()["values"][1].tolist() == pytest.approx([1.0, 1.2, 9.0, 9.0, 1.1])


def test_features_and_classes_grow() -> None:
    X, y = events(300)
    expert = NeighboursExpert(NeighboursSettings(window=200), NOMINAL[:2])
    expert.resize(2, 1)
    learn(expert, X[:100, :2], np.zeros(100, np.int64))
    expert.set_columns((), NOMINAL)
    expert.resize(F, K)
    learn(expert, X[100:], y[100:])
    assert expert.evidence(Batch.of(X)).shape == (300, K)
    assert np.isnan(expert.state_dict()["values"][2:, 0]).all() == bool(np.isnan(X[100, 2:]).all())


def test_arrays_are_no_view_of_the_state() -> None:
    X, y = events(100)
    expert = new()
    learn(expert, X[:50], y[:50])
    taken = expert.state_dict()
    before = {name: array.tobytes() for name, array in taken.items()}
    learn(expert, X[50:], y[50:])
    assert {name: array.tobytes() for name, array in taken.items()} == before


@pytest.mark.parametrize("change", ["missing", "longer", "ragged", "columns"])
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(change: str) -> None:
    X, y = events(150)
    expert, other = new(window=100), new(window=200)
    learn(expert, X, y)
    learn(other, X, y)
    arrays = (other if change == "longer" else expert).state_dict()
    if change == "missing":
        del arrays["labels"]
    elif change == "ragged":
        arrays["labels"] = arrays["labels"][:-1]
    elif change == "columns":
        arrays["nominal"] = arrays["nominal"][:-1]
    before = bits(expert)
    with pytest.raises(SnapshotError):
        expert.load_state_dict(arrays)
    assert bits(expert) == before


def test_columns_that_come_one_by_one_are_seldom_copied() -> None:
    expert = NeighboursExpert(NeighboursSettings(window=10))
    expert.resize(1, 2)
    rooms = set()
    for features in range(1, 300):
        expert.resize(features, 2)
        expert.learn(Batch.of(np.full((1, features), float(features))), np.array([features % 2]), np.ones(1))
        rooms.add(len(expert._room))
    assert len(rooms) < 20
    twin = NeighboursExpert(NeighboursSettings(window=10))
    twin.load_state_dict(copy.deepcopy(expert).state_dict())
    X = np.full((1, 299), 298.0)
    np.testing.assert_array_equal(twin.votes(X), expert.votes(X))


def test_few_events_are_answered_as_many_are() -> None:
    X, y = events(450)
    expert = new()
    assert not expert.evidence(Batch.of(X[:3])).any()
    learn(expert, X, y)
    before = bits(expert)
    for few in (1, 3, 8):
        assert expert.evidence(Batch.of(X[:few])).tobytes() == expert.evidence(Batch.of(X[:40]))[:few].tobytes()
    assert bits(expert) == before
