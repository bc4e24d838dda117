"""Heavy tails: what ranks save a model, who sees them, and what decisions say."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.tails import TailsSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Batch, Classifier
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.inputs.tails import HeavyTails

ON, OFF = InputsSettings(), InputsSettings(tails=TailsSettings(enabled=False))


def model(inputs: InputsSettings = ON) -> Classifier:
    return Classifier(
        ModelSettings(
            features=(FeatureSettings(name="amount"), FeatureSettings(name="age")),
            classes=("a", "b"),
            experts=(LinearSettings(), NeighboursSettings(window=200), TreeSettings()),
            inputs=inputs,
        )
    )


def stream(n: int) -> tuple[np.ndarray, np.ndarray]:
    z = np.random.default_rng(0).normal(size=(n, 2))
    return np.exp(2.0 * z), (z.sum(axis=1) > 0).astype(np.int64)


def right(classifier: Classifier, X: np.ndarray, y: np.ndarray, poll: int = 4_000) -> np.ndarray:
    betp = [
        classifier.learn_at_once(Batch.of(X[i : i + poll]), y[i : i + poll], np.ones(len(y[i : i + poll])))
        for i in range(0, len(y), poll)
    ]
    return np.concatenate(betp).argmax(axis=1) == y


def test_heavy_tails_cost_a_model_less_by_rank() -> None:
    X, y = stream(4_000)
    assert right(model(), X, y).mean() > right(model(OFF), X, y).mean() + 0.02


def test_how_polls_are_cut_changes_no_bit() -> None:
    X, y = stream(1_500)
    once, often = model(), model()
    right(once, X, y)
    right(often, X, y, poll=7)
    mine, other = once.state_dict(), often.state_dict()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_ranks_are_for_those_who_standardise_and_no_value_is_changed() -> None:
    classifier = model()
    X, y = stream(2_000)
    right(classifier, X, y)
    assert classifier.mixture.inputs.tails.by_rank.tolist() == [True, True]
    scores = classifier.score(Batch.of(X[:5]))
    np.testing.assert_array_equal(scores.given, X[:5])
    np.testing.assert_array_equal(scores.batch.X, X[:5])  # what trees and explanations see
    assert np.abs(scores.batch.ranked).max() < 3.0
    np.testing.assert_array_equal(scores.batch.take(np.array([3])).ranked, scores.batch.ranked[3:4])
    np.testing.assert_array_equal(scores.batch.rows(2, 4).ranked, scores.batch.ranked[2:4])


def test_a_snapshot_brings_back_the_tails() -> None:
    tails, other = HeavyTails(TailsSettings()), HeavyTails(TailsSettings())
    for one in (tails, other):
        one.resize([False, True])
    X, _ = stream(1_300)
    tails.learn(X)
    other.load_state_dict(tails.state_dict())
    np.testing.assert_array_equal(other.learn(X), tails.learn(X))
    narrow = HeavyTails(TailsSettings())
    narrow.resize([False])
    with pytest.raises(SnapshotError, match="tails"):
        narrow.load_state_dict(tails.state_dict())


def test_a_gate_that_closes_above_where_it_opens_is_refused() -> None:
    with pytest.raises(ValueError, match="light"):
        TailsSettings(heavy=3.0, light=4.0)
