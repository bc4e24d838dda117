"""DriftMoE: river's manners, arrays, polls of any length, and what it must beat."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river.datasets import synth

from tocsin.models import DriftMoE
from tocsin.models.driftmoe import Pool
from tocsin.models.routing.published import Published

from .face_behaviour import FeatureBehaviour

PRESETS = [(preset, variant) for preset in ("tocsin", "paper") for variant in ("data", "task")]
Rows = tuple[NDArray[np.float64], NDArray[Any]]


def rbf(n: int, seed: int = 5) -> Rows:
    stream = synth.RandomRBFDrift(
        seed_model=seed,
        seed_sample=seed,
        n_classes=4,
        n_features=5,
        n_centroids=20,
        change_speed=1e-3,
        n_drift_centroids=20,
    )
    events = list(stream.take(n))
    return np.array([list(x.values()) for x, _ in events]), np.array([y for _, y in events])


def sea(n: int, seed: int = 5) -> Rows:
    events = list(synth.SEA(seed=seed, noise=0.1).take(n))
    return np.array([list(x.values()) for x, _ in events]), np.array([y for _, y in events])


def bits(model: DriftMoE) -> dict[str, bytes]:
    engine = model.engine
    if isinstance(engine, Published):
        return {name: array.tobytes() for name, array in engine.state_dict().items()}
    assert isinstance(engine, Pool)
    classifier = engine.classifier
    parts = {"router": classifier.router.state_dict(), "lifecycle": classifier.lifecycle.state_dict()}
    parts |= {e.name: e.state_dict() for e in classifier.experts}
    return {f"{p}/{n}": array.tobytes() for p, arrays in parts.items() for n, array in arrays.items()}


class TestDriftMoE(FeatureBehaviour):
    def make(self) -> Any:
        return DriftMoE(seed=1)


class TestDriftMoEAsPublished(FeatureBehaviour):
    def make(self) -> Any:
        return DriftMoE(preset="paper")


@pytest.mark.parametrize(("preset", "variant"), PRESETS)
def test_polls_of_1_7_and_1000_make_the_same_bits(preset: Any, variant: Any) -> None:
    X, y = rbf(1_200 if preset == "paper" else 2_400)  # of ours, past the end of a window of its lifecycle
    models, said = [], []
    for size in (1, 7, 1_000):
        model = DriftMoE(preset, variant)
        parts = [model.predict_then_learn_many(X[i : i + size], y[i : i + size]) for i in range(0, len(X), size)]
        models.append(bits(model))
        said.append(parts[-1][-1])
    assert models[0] == models[1] == models[2]
    assert said[0].tolist() == said[1].tolist() == said[2].tolist()


@pytest.mark.parametrize(("preset", "variant"), PRESETS)
def test_what_is_said_in_one_pass_is_what_would_be_said_before_each_event(preset: Any, variant: Any) -> None:
    X, y = rbf(700)
    one, many = DriftMoE(preset, variant), DriftMoE(preset, variant)
    one.learn_many(X[:500], y[:500])
    many.learn_many(X[:500], y[:500])
    said = many.predict_then_learn_many(X[500:], y[500:])
    for i in range(500, 700):
        np.testing.assert_allclose(one.predict_proba_many(X[i : i + 1])[0], said[i - 500], rtol=1e-9, atol=1e-12)
        one.learn_many(X[i : i + 1], y[i : i + 1])
    assert bits(one) == bits(many)


@pytest.mark.parametrize("preset", ["tocsin", "paper"])
def test_dictionaries_and_arrays_are_the_same_events(preset: Any) -> None:
    X, y = sea(300)
    rows, arrays = DriftMoE(preset), DriftMoE(preset)
    # Dictionaries bring their columns with the first event, and so do arrays.
    for x, label in zip(X, y, strict=True):
        rows.learn_one(dict(enumerate(x.tolist())), label)
    arrays.learn_many(X, y)
    assert bits(rows) == bits(arrays)
    assert rows.predict_proba_one(dict(enumerate(X[0].tolist()))) == pytest.approx(
        dict(zip(arrays.classes, arrays.predict_proba_many(X[:1])[0].tolist(), strict=True))
    )


def test_classes_are_sorted_and_of_any_type() -> None:
    X, y = rbf(400)
    names = np.array(["d", "c", "b", "a"])
    model = DriftMoE()
    model.learn_many(X, names[y])
    assert model.classes == ["a", "b", "c", "d"]
    p = model.predict_proba_many(X)
    assert p.shape == (400, 4)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    numbers = DriftMoE()
    numbers.learn_many(X, y)
    np.testing.assert_allclose(numbers.predict_proba_many(X), p[:, ::-1])


def test_a_copy_and_a_pickle_go_on_alike() -> None:
    X, y = sea(600)
    model = DriftMoE()
    model.learn_many(X[:400], y[:400])
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for twin in (model, *twins):
        twin.learn_many(X[400:], y[400:])
    assert bits(model) == bits(twins[0]) == bits(twins[1])


def test_missing_values_categories_and_nothing_at_all() -> None:
    model = DriftMoE()
    assert model.predict_proba_one({"a": 1.0}) == {}
    assert model.predict_proba_many(np.zeros((2, 3))).shape == (2, 0)
    for i in range(200):
        x = {"a": None if i % 3 == 0 else float(i % 7), "colour": "red" if i % 2 else "blue"}
        model.learn_one(x, i % 2 == 1)
    assert model.predict_one({"colour": "red"}) is True
    assert model.predict_one({"colour": "blue", "never seen": 3}) is False


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="preset"):
        DriftMoE(preset="other")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="variant"):
        DriftMoE(variant="other")  # type: ignore[arg-type]
    model = DriftMoE()
    model.learn_many(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ValueError, match="is not"):
        model.learn_many(np.zeros((2, 4)), [0, 1])
    with pytest.raises(ValueError, match="is not"):
        model.learn_many(np.zeros((2, 3)), [0])


def accuracy(model: DriftMoE, events: Rows) -> float:
    X, y = events
    p = model.predict_then_learn_many(X, y)
    return float((np.array(model.classes)[p.argmax(axis=1)] == y)[500:].mean())


def test_it_is_better_than_as_published() -> None:
    events = rbf(4_000)
    assert accuracy(DriftMoE(), events) > accuracy(DriftMoE("paper"), events) + 0.1


@pytest.mark.parametrize("variant", ["data", "task"])
def test_the_published_trees_drive_the_output(variant: Any) -> None:
    """As published, the task variant is an MLP whose trees are never heard."""
    X, y = rbf(2_000)
    model = DriftMoE("paper", variant)
    model.learn_many(X, y)
    engine = model.engine
    assert isinstance(engine, Published)
    before = model.predict_proba_many(X)
    engine._answers = lambda X: np.full((len(X), 4, 1) if variant == "task" else (len(X), 12, 4), 0.25)  # type: ignore[method-assign]
    assert (model.predict_proba_many(X).argmax(axis=1) != before.argmax(axis=1)).mean() > 0.1


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_none_teaches_nobody(weight: float) -> None:
    model = DriftMoE()
    model.learn_many(np.zeros((4, 2)), [0, 1, 0, 1])
    before = model.predict_proba_many(np.ones((1, 2)))
    with pytest.raises(ValueError, match="w: a weight is negative or not finite"):
        model.learn_many(np.ones((2, 2)), [0, 1], [1.0, weight])
    with pytest.raises(ValueError, match="w: a weight is negative or not finite"):
        model.learn_one({"0": 1.0, "1": 1.0}, 1, weight)
    np.testing.assert_array_equal(model.predict_proba_many(np.ones((1, 2))), before)


@pytest.mark.parametrize(("preset", "variant"), PRESETS)
def test_events_without_features_are_no_error(preset: Any, variant: Any) -> None:
    model = DriftMoE(preset, variant)
    for i in range(300):  # past a step of the published router
        model.learn_one({}, "rare" if i % 3 == 0 else "common")
    assert set(model.predict_proba_one({})) == {"rare", "common"}
    model.learn_one({"a": 1.0}, "rare")
    assert sum(model.predict_proba_one({"a": 1.0}).values()) == pytest.approx(1.0)


def test_the_published_router_that_trusts_no_tree_leaves_all_classes_equal() -> None:
    model = DriftMoE("paper", "task")
    model.learn_many(np.zeros((3, 2)), ["a", "b", "c"])
    engine = model.engine
    assert isinstance(engine, Published)
    engine._trust = lambda X: np.zeros((len(X), 3))  # type: ignore[method-assign]
    assert model.predict_proba_one({"0": 1e300}) == {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
