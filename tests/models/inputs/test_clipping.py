"""The guard before all experts: what it spares a model, and that its decisions say what was clipped."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.rules.settings import RuleSettings, RulesSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.clipping import ClippingSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.config.service import ExplanationSettings
from tocsin.explain import Explainer
from tocsin.models import Batch, Classifier
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.inputs.clipping import Clipping

ON, OFF = InputsSettings(), InputsSettings(clipping=ClippingSettings(enabled=False))


def model(inputs: InputsSettings = ON) -> Classifier:
    return Classifier(
        ModelSettings(
            features=(FeatureSettings(name="amount"), FeatureSettings(name="age")),
            classes=("a", "b"),
            experts=(LinearSettings(), NeighboursSettings(window=200)),
            inputs=inputs,
        )
    )


def stream(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(seed).normal(size=(n, 2))
    return X, (X[:, 0] > 0).astype(np.int64)


def right(classifier: Classifier, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    betp = classifier.learn_at_once(Batch.of(X), y, np.ones(len(y)))
    return betp.argmax(axis=1) == y


@pytest.mark.parametrize("wrong", [1.7e308, -1e12])
def test_one_wrong_record_costs_a_model_a_fraction_of_what_it_did(wrong: float) -> None:
    X, y = stream(3_000)
    clean = right(model(), X, y)[1_002:].mean()
    lost = []
    for at in (1_000, 1_001):  # one of either class: what its label says of a value so far out is part of the cost
        spoilt = X.copy()
        spoilt[at] = wrong
        lost.append([clean - right(model(inputs), spoilt, y)[1_002:].mean() for inputs in (ON, OFF)])
    guarded, open_ = np.mean(lost, axis=0)
    assert {y[1_000], y[1_001]} == {0, 1}
    assert guarded <= 0.003
    assert open_ > 0.01


def test_a_decision_says_what_was_clipped_and_keeps_the_features_as_they_came() -> None:
    classifier = model()
    X, y = stream(500)
    right(classifier, X, y)
    scores = classifier.score(Batch.of(np.array([[1e9, 0.5], [0.1, 0.2]])))
    np.testing.assert_array_equal(scores.given, [[1e9, 0.5], [0.1, 0.2]])
    assert scores.clipped.tolist() == [[True, False], [False, False]]
    explainer = Explainer(classifier, ExplanationSettings())
    explained = [explainer.explain(scores, i) for i in range(2)]
    assert explained[0] is not None
    assert explained[1] is not None
    (one,) = explained[0].clipped or []
    assert (one.feature, one.value) == ("amount", 1e9)
    assert one.seen == scores.batch.X[0, 0]
    assert not explained[1].clipped


def test_a_snapshot_brings_back_what_is_usual() -> None:
    clipping, other = (Clipping(ClippingSettings()) for _ in range(2))
    for one in (clipping, other):
        one.resize([False, True])
    X, _ = stream(300)
    clipping.learn(X)
    other.load_state_dict(clipping.state_dict())
    odd = np.full((1, 2), 1e9)
    np.testing.assert_array_equal(other.apply(odd), clipping.apply(odd))
    narrow = Clipping(ClippingSettings())
    narrow.resize([False])
    with pytest.raises(SnapshotError, match="clipping"):
        narrow.load_state_dict(clipping.state_dict())


def test_a_declared_rule_on_extreme_amounts_fires_though_they_are_clipped() -> None:
    rule = RuleSettings.model_validate({"name": "large", "when": "amount > 10000", "class": "b"})
    experts = (RulesSettings(rules=(rule,)), LinearSettings())
    features = (FeatureSettings(name="amount"),)
    classifier = Classifier(ModelSettings(features=features, classes=("a", "b"), experts=experts))
    X = 50.0 + 10.0 * np.random.default_rng(1).normal(size=(400, 1))
    classifier.learn_at_once(Batch.of(X), (X[:, 0] > 50).astype(np.int64), np.ones(400))
    scores = classifier.score(Batch.of(np.array([[1e6], [60.0]])))
    assert scores.clipped[0, 0]
    assert scores.answers[:, 0].any(axis=1).tolist() == [True, False]
