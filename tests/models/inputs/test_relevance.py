"""Columns that tell nothing: what leaving them out saves a model, and that its bits are those of any cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tocsin.config.experts import AnyExpert
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.relevance import RelevanceSettings
from tocsin.config.inputs.tails import TailsSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Batch, Classifier
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.inputs.relevance import Relevance

ON, OFF = InputsSettings(), InputsSettings(relevance=RelevanceSettings(enabled=False))
COLUMNS = 12
POOL = (NeighboursSettings(window=300), LinearSettings())


def model(inputs: InputsSettings = ON, experts: Sequence[AnyExpert] = POOL) -> Classifier:
    features = tuple(FeatureSettings(name=f"x{f}") for f in range(COLUMNS))
    return Classifier(ModelSettings(features=features, classes=("no", "yes"), experts=tuple(experts), inputs=inputs))


def stream(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two columns that tell the class, and ten of noise on scales of their own."""
    X = np.random.default_rng(0).normal(size=(n, COLUMNS)) * np.arange(1.0, COLUMNS + 1.0) + 1_000.0
    return X, (X[:, 0] + X[:, 1] / 2.0 > 1_500.0).astype(np.int64)


def right(classifier: Classifier, X: np.ndarray, y: np.ndarray, poll: int = 4_000) -> np.ndarray:
    betp = [
        classifier.learn_at_once(Batch.of(X[i : i + poll]), y[i : i + poll], np.ones(len(y[i : i + poll])))
        for i in range(0, len(y), poll)
    ]
    return np.concatenate(betp).argmax(axis=1) == y


def test_noise_costs_neighbours_a_fraction_of_what_it_did() -> None:
    X, y = stream(4_000)
    found = [right(model(inputs, POOL[:1]), X, y)[2_000:].mean() for inputs in (ON, OFF)]
    alone = X.copy()
    alone[:, 2:] = 0.0
    clean = right(model(OFF, POOL[:1]), alone, y)[2_000:].mean()
    assert clean - found[0] < 0.02
    assert clean - found[1] > 0.1


def test_how_polls_are_cut_changes_no_bit() -> None:
    X, y = stream(1_600)
    X[::7, 3] = np.nan
    once, often = model(), model()
    right(once, X, y)
    right(often, X, y, poll=7)
    mine, other = once.state_dict(), often.state_dict()
    assert mine["relevance/left_out"].any()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_decisions_show_columns_that_are_left_out_as_they_came() -> None:
    X, y = stream(2_000)
    classifier = model()
    right(classifier, X, y)
    scores = classifier.score(Batch.of(X[:5]))
    left_out = classifier.mixture.inputs.relevance.left_out
    assert left_out.sum() >= 9
    assert not left_out[:2].any()
    assert not scores.batch.ranked[:, left_out].any()
    np.testing.assert_array_equal(scores.batch.X, X[:5])
    np.testing.assert_array_equal(scores.batch.filled, X[:5])


def test_a_restored_model_goes_on_alike(tmp_path: Path) -> None:
    X, y = stream(2_000)
    once = model()
    right(once, X[:1_550], y[:1_550])
    once.save(tmp_path / "model")
    other = Classifier.load(tmp_path / "model")
    np.testing.assert_array_equal(right(once, X[1_550:], y[1_550:]), right(other, X[1_550:], y[1_550:]))
    mine, theirs = once.state_dict(), other.state_dict()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_it_rests_where_values_are_not_ranked() -> None:
    X, y = stream(1_500)
    classifier = model(InputsSettings(tails=TailsSettings(enabled=False)))
    right(classifier, X, y)
    assert not classifier.mixture.inputs.relevance.left_out.any()


def test_a_snapshot_of_other_columns_is_refused() -> None:
    relevance, narrow = Relevance(RelevanceSettings()), Relevance(RelevanceSettings())
    relevance.resize([False] * 2, 2)
    narrow.resize([False], 2)
    with pytest.raises(SnapshotError, match="relevance"):
        narrow.load_state_dict(relevance.state_dict())


def test_limits_that_are_not_in_order_are_refused() -> None:
    with pytest.raises(ValueError, match="out: 7"):
        RelevanceSettings(out=7.0)
