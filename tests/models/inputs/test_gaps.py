"""Gaps that tell something: what they save a linear expert, and that its bits are those of any cut."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.gaps import GapsSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Batch, Classifier
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.experts.linear import GAP_STEP, LinearExpert
from tocsin.models.inputs.gaps import InformativeGaps

ON, OFF = InputsSettings(), InputsSettings(gaps=GapsSettings(enabled=False))
POOL = (LinearSettings(name="slow", step=0.02), LinearSettings(name="fast", step=2.0 * GAP_STEP))


def model(inputs: InputsSettings = ON) -> Classifier:
    features = (FeatureSettings(name="a"), FeatureSettings(name="kind", kind="category"), FeatureSettings(name="b"))
    return Classifier(ModelSettings(features=features, classes=("no", "yes"), experts=POOL, inputs=inputs))


def stream(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The class is whether `a` is high, and what is high is mostly not known."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=n), rng.integers(0, 3, n), rng.normal(size=n)])
    y = (X[:, 0] > 0).astype(np.int64)
    X[:, 0] = np.where(rng.random(n) < np.where(y == 1, 0.8, 0.05), np.nan, X[:, 0])
    X[:, 2] = np.where(rng.random(n) < 0.1, np.nan, X[:, 2])
    return X, y


def right(classifier: Classifier, X: np.ndarray, y: np.ndarray, poll: int = 4_000) -> np.ndarray:
    betp = [
        classifier.learn_at_once(Batch.of(X[i : i + poll]), y[i : i + poll], np.ones(len(y[i : i + poll])))
        for i in range(0, len(y), poll)
    ]
    return np.concatenate(betp).argmax(axis=1) == y


def test_gaps_that_tell_something_save_a_linear_expert_what_they_cost() -> None:
    X, y = stream(3_000)
    classifier = model()
    assert right(classifier, X, y).mean() > right(model(OFF), X, y).mean() + 0.05
    assert classifier.mixture.inputs.gaps.open.tolist() == [True, False, False]


def test_how_polls_are_cut_changes_no_bit_where_gaps_begin_to_tell() -> None:
    X, y = stream(700)
    once, often = model(), model()
    right(once, X, y)
    right(often, X, y, poll=7)
    mine, other = once.state_dict(), often.state_dict()
    assert mine.keys() == other.keys()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
    slow, fast = once.experts
    assert isinstance(slow, LinearExpert)
    assert isinstance(fast, LinearExpert)
    numbers, rates, bias = 2, 1, 1
    assert slow.coefficients().shape == (2, numbers + 3 + rates + bias)
    assert fast.coefficients().shape == (2, numbers + rates + bias)


def test_a_snapshot_goes_on_alike_and_experts_of_either_sort_merge() -> None:
    X, y = stream(900)
    once, other = model(), model()
    right(once, X[:600], y[:600])
    other.load_state_dict(once.state_dict())
    np.testing.assert_array_equal(
        other.learn_at_once(Batch.of(X[600:]), y[600:], np.ones(300)),
        once.learn_at_once(Batch.of(X[600:]), y[600:], np.ones(300)),
    )
    slow, fast = once.experts
    fast.merge(slow, 0.5)
    assert np.isfinite(fast.evidence(once.score(Batch.of(X[:5])).batch)).all()


def test_features_that_come_later_move_no_weight_of_a_gap() -> None:
    rng = np.random.default_rng(1)
    classifier = Classifier(ModelSettings(experts=(LinearSettings(),)))
    for i in range(900):
        high = bool(rng.random() < 0.5)
        x = {"a": None if high and rng.random() < 0.8 else float(high) + 0.1 * rng.normal()}
        if i > 600:
            x |= {"b": rng.normal(), "kind": "pq"[i % 2]}
        classifier.learn_one(x, int(high))
    assert classifier.predict_proba_one({"a": None})[1] > 0.8
    assert classifier.predict_proba_one({"a": None, "b": 0.0, "kind": "p"})[1] > 0.8


def test_a_snapshot_brings_back_what_gaps_tell() -> None:
    gaps, other = InformativeGaps(GapsSettings()), InformativeGaps(GapsSettings())
    for one in (gaps, other):
        one.resize([False] * 3, 2)
    X, y = stream(500)
    gaps.learn(X, y)
    other.load_state_dict(gaps.state_dict())
    asked = np.full((1, 3), np.nan)
    assert gaps.apply(asked) is not None
    np.testing.assert_array_equal(other.apply(asked), gaps.apply(asked))
    narrow = InformativeGaps(GapsSettings())
    narrow.resize([False], 2)
    with pytest.raises(SnapshotError, match="gaps"):
        narrow.load_state_dict(gaps.state_dict())
