"""The linear expert."""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.config.experts.linear import LinearSettings
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.features import category_code
from tocsin.models.experts.linear import LinearExpert

RNG = np.random.default_rng(0)
X = RNG.normal([0, 1e4, 5], [1, 100, 1e-3], (1500, 3))
Y = ((X[:, 0] + (X[:, 1] - 1e4) / 100) > 0).astype(np.int64)


def taught(
    X: Floats, y: Ints, classes: int = 2, nominal: tuple[bool, ...] | None = None, **settings: Any
) -> LinearExpert:
    made = LinearExpert(LinearSettings(**settings), nominal or (False,) * X.shape[1])
    made.resize(X.shape[1], classes)
    made.learn(Batch.of(X), y, np.ones(len(y)))
    return made


def accuracy(expert: LinearExpert, X: Floats, y: Ints) -> float:
    return float((expert.evidence(Batch.of(X)).argmax(axis=1) == y).mean())


def test_what_a_line_separates_is_learnt_whatever_the_scales() -> None:
    assert accuracy(taught(X[:1000], Y[:1000]), X[1000:], Y[1000:]) > 0.95


def test_three_classes_are_learnt() -> None:
    y = np.digitize(X[:, 0], [-0.5, 0.5]).astype(np.int64)
    assert accuracy(taught(X[:1000], y[:1000], classes=3), X[1000:], y[1000:]) > 0.85


def test_columns_that_are_constant_empty_or_half_empty_do_no_harm() -> None:
    holes = X[:, :1].copy()
    holes[::2] = np.nan
    wide = np.column_stack([X, np.full(len(X), 7.0), np.full(len(X), np.nan), holes])
    made = taught(wide[:1000], Y[:1000])
    assert accuracy(made, wide[1000:], Y[1000:]) > 0.95
    assert np.isfinite(made.coefficients()).all()
    assert not made.coefficients()[:, 4].any()


def test_categories_are_learnt_by_name_rather_than_by_size() -> None:
    names = [category_code(c) for c in "abcdef"]
    kind = RNG.integers(0, 6, 1000)
    x = np.array(names, float)[kind][:, None]
    y = (kind % 2).astype(np.int64)
    made = taught(x[:800], y[:800], nominal=(True,), buckets=64)
    assert accuracy(made, x[800:], y[800:]) == 1.0
    unknown = made.evidence(Batch.of(np.array([[np.nan]])))
    assert np.isfinite(unknown).all()


def test_evidence_grows_with_what_was_learnt_up_to_the_strength() -> None:
    sums = [taught(X[:n], Y[:n], strength=4.0).evidence(Batch.of(X[:1])).sum() for n in (0, 2, 1000)]
    assert sums == [0.0, 1.0, 4.0]


def test_numbers_of_any_size_leave_the_weights_finite() -> None:
    wild = np.array([[1.7e308, np.inf, -1e300], [-1.7e308, 1e-320, np.nan]] * 50)
    made = taught(wild, np.tile([0, 1], 50))
    assert np.isfinite(made.evidence(Batch.of(wild))).all()


def test_a_batch_is_learnt_as_its_events_one_by_one() -> None:
    one = taught(X[:200], Y[:200])
    other = LinearExpert(LinearSettings(), (False,) * 3)
    other.resize(3, 2)
    for i in range(200):
        other.learn(Batch.of(X[i : i + 1]), Y[i : i + 1], np.ones(1))
    assert all(
        np.array_equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )
    alone = np.concatenate([one.evidence(Batch.of(X[i : i + 1])) for i in range(50)])
    assert np.array_equal(alone, one.evidence(Batch.of(X[:50])))


def test_new_columns_and_classes_leave_what_was_learnt() -> None:
    kinds = np.array([[float(category_code(c))] for c in "ab"] * 750)
    mixed = np.column_stack([X[:, 0], kinds])
    made = taught(mixed, Y, nominal=(False, True), buckets=4)
    before = made.evidence(Batch.of(mixed))
    made.set_columns((), [False, True, False, True])
    made.resize(4, 2)
    more = np.column_stack([mixed, np.full((len(X), 2), np.nan)])
    np.testing.assert_allclose(made.evidence(Batch.of(more)), before, rtol=1e-12)
    made.resize(4, 3)
    assert (made.evidence(Batch.of(more))[:, :2].argmax(axis=1) == before.argmax(axis=1)).all()


def test_a_restored_expert_goes_on_alike() -> None:
    made, other = taught(X[:200], Y[:200]), LinearExpert(LinearSettings(), (False,) * 3)
    other.load_state_dict(made.state_dict())
    for expert in (made, other):
        expert.learn(Batch.of(X[200:300]), Y[200:300], np.ones(100))
    assert np.array_equal(made.evidence(Batch.of(X)), other.evidence(Batch.of(X)))
    assert np.array_equal(made.coefficients(), other.coefficients())
