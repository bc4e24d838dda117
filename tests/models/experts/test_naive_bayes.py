"""The naive Bayes expert: its formulae in plain Python, its forgetting, and that its state is a fold."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.kernels.experts.naive_bayes import MOST
from tocsin.models.data.batch import Batch
from tocsin.models.experts.base import SnapshotError
from tocsin.models.experts.naive_bayes import NaiveBayesExpert

from .fold_behaviour import NOMINAL, F, Floats, FoldBehaviour, Ints, K, bits, learn


def events(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, K, n)
    X = rng.normal(size=(n, F)) + y[:, None]
    X[:, 2] = 7.0
    X[:, 3] = (y + (rng.random(n) < 0.3)) % 4
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def new(**settings: float) -> NaiveBayesExpert:
    expert = NaiveBayesExpert(NaiveBayesSettings(**settings), NOMINAL)  # type: ignore[arg-type]
    expert.resize(F, K)
    return expert


class TestNaiveBayesFold(FoldBehaviour):
    new = staticmethod(new)
    events = staticmethod(events)


def moments(x: Floats, w: Floats) -> tuple[float, float, float]:
    known = np.isfinite(x)
    n = w[known].sum()
    mean = np.average(x[known], weights=w[known])
    return float(n), float(mean), float(np.average((x[known] - mean) ** 2, weights=w[known]))


def by_definition(X: Floats, y: Ints, w: Floats, x: Floats) -> Floats:
    """Probabilities [K] from all events at once, w holding how much of each is left."""
    logs = np.array([np.log((w[y == k].sum() + 1) / (w.sum() + K)) for k in range(K)])
    for f in np.flatnonzero(np.isfinite(x)):
        column = np.empty(K)
        kinds = len(np.unique(X[np.isfinite(X[:, f]), f])) + 1
        _, centre, spread = moments(X[:, f], w)
        if not NOMINAL[f] and spread == 0:
            continue
        for k in range(K):
            mine = y == k
            n, mean, square = moments(X[mine, f], w[mine])
            if NOMINAL[f]:
                column[k] = np.log((w[mine][X[mine, f] == x[f]].sum() + 1 / kinds) / (n + 1))
                continue
            mixed = (n * mean + centre) / (n + 1)
            variance = (n * square + spread + n / (n + 1) * (mean - centre) ** 2) / (n + 1)
            column[k] = -0.5 * ((x[f] - mixed) ** 2 / variance + np.log(variance))
        logs += np.maximum(column, column.max() - MOST)
    p: Floats = np.exp(logs - logs.max())
    return p / p.sum()


@pytest.mark.parametrize("fade", [1.0, 0.99, 0.6])
def test_probabilities_are_those_of_the_definition(fade: float) -> None:
    # At 0.6 the unit passes its bound within the run, and all counts are scaled.
    X, y = events(600, seed=1)
    expert = new(fading_factor=fade)
    learn(expert, X, y)
    left = np.linspace(0.5, 2.0, len(X)) * fade ** np.arange(len(X) - 1, -1, -1.0)
    ask, _ = events(40, seed=2)
    ask[0, 0] = 1e4
    expected = np.array([by_definition(X, y, left, x) for x in ask])
    assert expert.probabilities(ask) == pytest.approx(expected, abs=1e-6)


def test_it_learns_and_forgets() -> None:
    X, y = events(2_000)
    expert = new(fading_factor=0.99)
    learn(expert, X, y)
    assert (expert.evidence(Batch.of(X)).argmax(axis=1) == y).mean() > 0.8
    learn(expert, X, (y + 1) % K)
    assert (expert.evidence(Batch.of(X)).argmax(axis=1) == (y + 1) % K).mean() > 0.8


@pytest.mark.parametrize("value", [1e300, -1e300, np.inf, np.nan])
def test_no_value_breaks_it(value: float) -> None:
    X, y = events(300)
    expert = new()
    learn(expert, X, y)
    X[:, 0] = value
    assert np.isfinite(expert.evidence(Batch.of(X))).all()
    learn(expert, X, y)
    assert np.isfinite(expert.evidence(Batch.of(events(50, seed=3)[0]))).all()


def test_the_cap_holds() -> None:
    X, y = events(2_000)
    expert = new(strength=2.0)
    learn(expert, X, y)
    assert expert.evidence(Batch.of(X[:30])).sum(axis=1).max() <= 2.0 + 1e-12


def test_features_and_classes_grow_without_losing_what_was_learnt() -> None:
    X, y = events(300)
    expert = NaiveBayesExpert(NaiveBayesSettings(), NOMINAL[:2])
    expert.resize(2, 2)
    learn(expert, X[:100, :2], np.minimum(y[:100], 1))
    ask = np.full((100, F), np.nan)
    ask[:, :2] = X[:100, :2]
    before = expert.probabilities(ask[:, :2])
    expert.set_columns((), NOMINAL)
    expert.resize(F, 2)
    assert np.array_equal(expert.probabilities(ask), before)
    expert.resize(F, K)
    learn(expert, X[100:], y[100:])
    assert (expert.evidence(Batch.of(X[100:])).argmax(axis=1) == y[100:]).mean() > 0.6


def test_a_column_that_becomes_a_category_leaves_the_others_tables() -> None:
    X, y = events(200)
    expert = new()
    learn(expert, X, y)
    table = expert.state_dict()["tables"][0]
    expert.set_columns((), [False, True, False, True])
    assert np.array_equal(expert.state_dict()["tables"][1], table)
    assert not expert.state_dict()["tables"][0].any()


@pytest.mark.parametrize("change", ["missing", "columns", "buckets"])
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(change: str) -> None:
    X, y = events(150)
    expert = new()
    learn(expert, X, y)
    arrays = expert.state_dict()
    if change == "missing":
        del arrays["mean"]
    elif change == "columns":
        arrays["nominal"] = arrays["nominal"][:-1]
    else:
        arrays["tables"] = arrays["tables"][:, :, :-1]
    before = bits(expert)
    with pytest.raises(SnapshotError):
        expert.load_state_dict(arrays)
    assert bits(expert) == before
