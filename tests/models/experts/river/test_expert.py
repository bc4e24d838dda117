"""Any river classifier as an expert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tocsin.config.experts.river import RiverSettings as Settings
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.features import category_code
from tocsin.models.experts.river.expert import LARGEST, RiverExpert

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 2))
Y = (X[:, 0] > 0).astype(np.int64)


def expert(model: str = "tree.HoeffdingTreeClassifier", classes: int = 2, **settings: Any) -> RiverExpert:
    made = RiverExpert(Settings(name="one", model=model, **settings), ["a", "b"], [False, False], seed=3)
    made.resize(2, classes)
    return made


def taught(made: RiverExpert, X: Floats = X[:400], y: Ints = Y[:400]) -> RiverExpert:
    made.learn(Batch.of(X), y, np.ones(len(y)))
    return made


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"model": "tree.Oak"}, "experts.one.model"),
        ({"model": "forestry.Tree"}, "experts.one.model"),
        ({"model": "linear_model.LinearRegression"}, "is no classifier"),
        ({"model": "datasets.base.os"}, "is no classifier"),
        ({"model": "stream.iter_csv"}, "is no classifier"),
        ({"parameters": {"grace": 3}}, "experts.one.parameters.*grace"),
        ({"model": "ensemble.BaggingClassifier"}, "experts.one.parameters.*model"),
        ({"model": "neighbors.KNNClassifier", "parameters": {"engine": "fast"}}, "experts.one.parameters"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        expert(**settings)


@pytest.mark.parametrize(
    "model",
    [
        "tree.HoeffdingTreeClassifier",
        "tree.HoeffdingAdaptiveTreeClassifier",
        "forest.ARFClassifier",
        "naive_bayes.GaussianNB",
        "linear_model.LogisticRegression",
        "linear_model.Perceptron",
    ],
)
def test_whatever_the_classifier_its_evidence_points_at_the_class(model: str) -> None:
    made = taught(expert(model))
    evidence = made.evidence(Batch.of(X[400:]))
    assert evidence.shape == (200, 2)
    assert (evidence >= 0).all()
    assert (evidence.argmax(axis=1) == Y[400:]).mean() > 0.8
    assert evidence.sum(axis=1).max() <= 10 + 1e-9


def test_a_classifier_for_two_classes_tells_three() -> None:
    y = np.digitize(X[:, 0], [-0.7, 0.7]).astype(np.int64)
    made = taught(expert("linear_model.LogisticRegression", classes=3), X, y)
    evidence = made.evidence(Batch.of(np.array([[-2.0, 0], [2.0, 0]])))
    assert evidence.argmax(axis=1).tolist() == [0, 2]


@pytest.mark.parametrize("model", ["forest.ARFClassifier", "tree.HoeffdingAdaptiveTreeClassifier"])
def test_two_workers_hold_the_same_model_even_where_it_draws_random_numbers(model: str) -> None:
    one, other = taught(expert(model)), taught(expert(model))
    assert np.array_equal(one.evidence(Batch.of(X)), other.evidence(Batch.of(X)))
    assert np.array_equal(one.state_dict()["model"], other.state_dict()["model"])
    assert expert(model, parameters={"seed": 9}).model.seed == 9
    assert one.model.seed == 3


def test_what_is_not_known_is_left_out_and_numbers_stay_within_what_river_can_square() -> None:
    made = RiverExpert(Settings(name="one", history=3), ["a", "c", "d"], [False, True, False])
    batch = Batch.of(
        np.array([[np.nan, category_code("red"), 1e300], [np.inf, np.nan, -0.5]]),
        history=np.array([[1, 0, -1, 1], [-1, -1, -1, -1]]),
    )
    assert made.rows(batch) == [
        {"c": category_code("red"), "d": LARGEST, "last_label_1": 1, "last_label_2": 0},
        {"d": -0.5},
    ]
    assert isinstance(made.row(batch, 0)["c"], int)


@pytest.mark.parametrize("model", ["tree.HoeffdingTreeClassifier", "naive_bayes.GaussianNB", "forest.ARFClassifier"])
def test_no_outsiders_number_ends_the_worker(model: str) -> None:
    extreme = [1.7e308, -1.7e308, 5e-324, np.inf, np.nan, 0.0, 1e300, -1e154]
    wild = np.array([[a, b] for a in extreme for b in extreme] * 5)
    made = taught(expert(model), wild, np.arange(len(wild)) % 2)
    assert np.isfinite(made.evidence(Batch.of(wild))).all()


def test_evidence_is_no_more_than_what_the_leaf_has_seen() -> None:
    made = expert(strength=10.0)
    assert made.evidence(Batch.of(X[:2])).sum() == 0.0
    assert taught(made, X[:3], Y[:3]).evidence(Batch.of(X[:1])).sum() == pytest.approx(3.0)
    assert taught(made, X[3:100], Y[3:100]).evidence(Batch.of(X[:1])).sum() == pytest.approx(10.0)


def test_categories_are_told_to_the_tree() -> None:
    made = RiverExpert(Settings(name="one", history=1), ["a", "c"], [False, True])
    assert set(made.model.nominal_attributes) == {"c", "last_label_1"}
    made.set_columns(["a", "c", "d"], [False, True, True])
    assert set(made.model.nominal_attributes) == {"c", "d", "last_label_1"}


def test_a_restored_expert_goes_on_alike() -> None:
    made, other = taught(expert("tree.HoeffdingAdaptiveTreeClassifier")), expert("tree.HoeffdingAdaptiveTreeClassifier")
    other.load_state_dict(made.state_dict())
    for each in (made, other):
        taught(each, X[400:], Y[400:])
    assert np.array_equal(made.evidence(Batch.of(X)), other.evidence(Batch.of(X)))
