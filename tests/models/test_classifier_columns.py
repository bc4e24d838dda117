"""The classifier finds columns and classes by itself, and is what its config says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from river import checks

from tocsin.config import Settings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.river import RiverSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.feedback import FeedbackBatch

ROWS = 600


# River's manners


@pytest.mark.parametrize(
    "check", [*checks.yield_checks(Classifier())], ids=lambda check: getattr(check, "__name__", None)
)
def test_river_takes_it_for_a_classifier(check: Callable[[Any], None]) -> None:
    check(Classifier())


def test_columns_and_classes_are_discovered_as_they_come() -> None:
    model = Classifier()
    assert model.predict_one({"a": 1.0}) is None
    order = np.random.default_rng(0).integers(0, 2, 300).tolist()  # in turn, the last label would tell the next one
    for i, which in enumerate(order):
        kind = ("cat", "dog")[which]
        x: dict[Any, Any] = {"noise": float(i % 7)}
        if i >= 50:
            x["sound"] = ("miaow", "woof")[which]
        model.learn_one(x, kind)
    assert model.columns == ["noise", "sound"]
    assert model.nominal == [False, True]
    assert model.predict_one({"sound": "woof"}) == "dog"
    assert model.predict_one({"sound": "miaow", "unheard of": 3.0}) == "cat"


def test_a_column_first_met_without_a_value_waits_for_one_that_tells_its_kind() -> None:
    model = Classifier()
    model.learn_one({"a": None, "b": float("nan"), "c": 1}, "x")
    assert model.columns == ["c"]
    model.learn_one({"a": "red", "b": 2.0, "c": 1}, "y")
    assert dict(zip(model.columns, model.nominal, strict=True)) == {"c": False, "a": True, "b": False}
    model.learn_one({"a": float("nan")}, "x")
    assert set(model.category_names.values()) == {"red"}


def test_weight_counts() -> None:
    heavy, light = Classifier(), Classifier()
    for model, w in ((heavy, 5.0), (light, 0.2)):
        for i in range(30):
            model.learn_one({"a": float(i % 2)}, i % 2, w=w)
    assert heavy.predict_proba_one({"a": 1.0})[1] > light.predict_proba_one({"a": 1.0})[1]


# The settings


def test_a_config_makes_the_model_it_describes() -> None:
    config = Settings(schema={"features": [{"name": "a"}]}, classes=["x", "y"])
    model = Classifier.from_config(config)
    assert model.digest == config.model.digest()
    assert model.score(Batch.of(np.zeros((2, 1)))).classes == ("x", "y")


def test_each_subjects_memory_is_bounded() -> None:
    model = Classifier(
        ModelSettings(
            features=(FeatureSettings(name="a"),), experts=(PersistenceSettings(by="subject"),), max_subjects=3
        )
    )
    for i in range(10):
        batch = Batch.of(np.zeros((1, 1)), subjects=[f"s{i}"])
        model.learn(FeedbackBatch(batch, [str(i % 2)], np.ones(1), [None], [()]))
    assert list(model.mixture.history.subjects) == ["s7", "s8", "s9"]


def test_history_is_what_was_known_at_the_events_own_time() -> None:
    settings = ModelSettings(
        features=(FeatureSettings(name="a"),), experts=(PersistenceSettings(), RiverSettings(name="t", history=3))
    )
    model = Classifier(settings)
    batch = Batch.of(np.zeros((1, 1)))
    early = model.score(batch)
    for label in ("x", "y", "y"):
        model.learn(FeedbackBatch(batch, [label], np.ones(1), [None], [()]))
    assert early.batch.history.tolist() == [[-1, -1, -1]]
    assert model.score(batch).batch.history.tolist() == [[1, 1, 0]]
    told = replace(batch, history=np.array([[0, 0, 0]]))
    assert model.score(told).evidence[0, 0].tolist() == [10.0, 0.0]


def test_a_linear_expert_alone_is_a_pool() -> None:
    model = Classifier(ModelSettings(experts=(LinearSettings(),)))
    for i in range(200):
        model.learn_one({"a": float(i % 2)}, i % 2)
    assert model.predict_one({"a": 1.0}) == 1
