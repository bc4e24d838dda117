"""What is not known of an event: what guesses save a model, who sees them, and that nobody is told them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tocsin.config.experts import AnyExpert
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.inputs import InputsSettings
from tocsin.config.inputs.imputation import ImputationSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Batch, Classifier
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.inputs.imputation import Imputation

ON, OFF = InputsSettings(), InputsSettings(imputation=ImputationSettings(enabled=False))
POOL = (LinearSettings(), NeighboursSettings(window=200), TreeSettings(grace_period=50))
NAMES = ("a", "b", "c")


def model(inputs: InputsSettings = ON, experts: Sequence[AnyExpert] = POOL) -> Classifier:
    features = tuple(FeatureSettings(name=name) for name in NAMES)
    return Classifier(ModelSettings(features=features, classes=("no", "yes"), experts=tuple(experts), inputs=inputs))


def stream(n: int, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Three columns that say nearly the same, and gaps."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=n)
    X = z[:, None] + 0.2 * rng.normal(size=(n, 3))
    y = (X[:, 0] > 0).astype(np.int64)
    return np.where(rng.random(X.shape) < share, np.nan, X), y


def wandering(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Three columns that each hang on the row before, the first of which is the class, and gaps."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 3))
    for t in range(1, n):
        X[t] += 0.95 * X[t - 1]
    return np.where(rng.random(X.shape) < 0.3, np.nan, X), (X[:, 0] > 0).astype(np.int64)


def right(classifier: Classifier, X: np.ndarray, y: np.ndarray, poll: int = 4_000) -> np.ndarray:
    betp = [
        classifier.learn_at_once(Batch.of(X[i : i + poll]), y[i : i + poll], np.ones(len(y[i : i + poll])))
        for i in range(0, len(y), poll)
    ]
    return np.concatenate(betp).argmax(axis=1) == y


@pytest.mark.parametrize("kind", [LinearSettings(), TreeSettings(grace_period=50)], ids=["linear", "tree"])
def test_guesses_save_an_expert_most_of_what_gaps_cost(kind: AnyExpert) -> None:
    X, y = wandering(4_000)
    assert right(model(ON, (kind,)), X, y).mean() > right(model(OFF, (kind,)), X, y).mean() + 0.05


def test_how_polls_are_cut_changes_no_bit() -> None:
    X, y = stream(600)
    once, often = model(), model()
    right(once, X, y)
    right(often, X, y, poll=7)
    mine, other = once.state_dict(), often.state_dict()
    for name, array in mine.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_late_labels_are_learnt_alike_however_they_are_cut() -> None:
    X, y = stream(400)

    def late(poll: int) -> dict[str, np.ndarray]:
        classifier, seen = model(), []
        right(classifier, X[:200], y[:200])
        scores = classifier.score(Batch.of(X[200:300]))
        seen = [scores.context(i) for i in range(100)]
        for i in range(0, 100, poll):
            rows = slice(200 + i, 200 + min(i + poll, 100))
            n = rows.stop - rows.start
            labels = [("no", "yes")[k] for k in y[rows]]
            classifier.learn(FeedbackBatch(Batch.of(X[rows]), labels, np.ones(n), seen[i : i + n], [()] * n))
        return classifier.state_dict()

    once, often = late(100), late(9)
    for name, array in once.items():
        np.testing.assert_array_equal(array, often[name], err_msg=name)


def test_each_sees_what_suits_it_and_nobody_is_told_a_guess() -> None:
    classifier = model()
    X, y = stream(2_000)
    right(classifier, X, y)
    asked = np.array([[np.nan, 1.0, 1.0], [0.5, np.nan, np.nan]])
    scores = classifier.score(Batch.of(asked))
    batch, unknown = scores.batch, np.isnan(asked)
    np.testing.assert_array_equal(scores.given, asked)
    np.testing.assert_array_equal(batch.X, asked)
    assert not scores.clipped.any()
    assert batch.filled[unknown] == pytest.approx([1.0, 0.5, 0.5], abs=0.3)
    assert np.isfinite(batch.ranked).all()
    np.testing.assert_array_equal(np.isnan(batch.ranked_where_known), unknown)
    told = [(step.feature, step.actual) for i in range(2) for step in classifier.experts[2].explain(batch, i, 0)]
    paths = classifier.experts[2].paths(batch, np.arange(2), np.zeros(2, np.int64))
    assert told
    assert paths is not None
    whole = [float(v) for i in range(2) for v in paths.actual[i, : paths.length[i]]]
    assert [None if np.isnan(v) else v for v in whole] == [actual for _, actual in told]
    for feature, actual in told:
        assert actual is None or actual in asked[:, NAMES.index(feature)]


def test_a_snapshot_brings_back_what_is_guessed_from() -> None:
    imputation, other = Imputation(ImputationSettings()), Imputation(ImputationSettings())
    for one in (imputation, other):
        one.resize([False, False, True])
    X, _ = stream(300)
    X[:, 2] = 1.0
    late = np.zeros(300, np.int64)
    imputation.learn(X, late)
    other.load_state_dict(imputation.state_dict())
    np.testing.assert_array_equal(other.learn(X, late), imputation.learn(X, late))
    narrow = Imputation(ImputationSettings())
    narrow.resize([False])
    with pytest.raises(SnapshotError, match="imputation"):
        narrow.load_state_dict(imputation.state_dict())


def test_features_that_are_found_later_are_guessed_too() -> None:
    classifier = Classifier(ModelSettings(experts=POOL))
    X, y = stream(600, 0.0)
    for i in range(600):
        x = {"a": X[i, 0], "b": None if i % 3 == 0 else X[i, 1]}
        if i >= 300 and i % 2:
            x["c"] = X[i, 2]
        classifier.learn_one(x, int(y[i]))
    assert classifier.columns == ["a", "b", "c"]
    filled = classifier.score(Batch.of(np.array([[1.0, np.nan, np.nan]]))).batch.filled
    assert filled[0] == pytest.approx([1.0, 1.0, 1.0], abs=0.4)


def test_many_columns_are_remembered_for_fewer_events() -> None:
    imputation = Imputation(ImputationSettings(numbers=1_000, columns=4))
    imputation.resize([False] * 8)
    arrays = imputation.state_dict()
    assert arrays["values"].shape == (8, 125)
    assert arrays["spread"].shape == (8, 8)
    imputation.resize([False] * 500)
    assert imputation.state_dict()["values"].shape == (500, 100)
