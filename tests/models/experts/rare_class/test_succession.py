"""Which classes are rare stays with the expert on them, where a model goes on from another one's snapshot."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Batch, Classifier
from tocsin.models.succession import successor


def settings(*classes: str) -> ModelSettings:
    return ModelSettings(
        features=(FeatureSettings(name="amount"), FeatureSettings(name="age")),
        classes=classes,
        experts=(LinearSettings(), RareClassSettings()),
    )


def test_a_class_more_leaves_the_reading_and_its_expert_of_one_mind(tmp_path: Path) -> None:
    """The expert knew the rare class, and for two hundred labels nobody asked it."""
    rng = np.random.default_rng(5)
    y = (rng.random(2_000) < 0.02).astype(np.int64)
    X = rng.normal(size=(2_000, 2)) + 3.0 * y[:, None]
    before = Classifier(settings("good", "fraud"))
    before.learn_at_once(Batch.of(X), y, np.ones(2_000))
    before.save(tmp_path / "before")
    made, begun = successor(tmp_path / "before", settings("good", "fraud", "error"), "auto")
    assert begun == []
    assert made.mixture.rare.rare.tolist() == [False, True, False]
    frauds = Batch.of(X[y == 1][:20])
    scores = made.score(frauds)
    said = scores.answers[:, 1]
    np.testing.assert_allclose(scores.betp[:, 1], said[:, 1] / said.sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(scores.betp[:, 1], before.score(frauds).betp[:, 1], atol=0.02)


def test_answers_stay_corrected_for_what_was_not_learnt(tmp_path: Path) -> None:
    """A successor counted anew, and took what a tree that saw one in ten usual events said at its word."""
    rng = np.random.default_rng(5)
    y = (rng.random(2_000) < 0.02).astype(np.int64)
    X = rng.normal(size=(2_000, 2)) + 3.0 * y[:, None]
    undersampled = settings("good", "fraud").model_copy(update={"experts": (LinearSettings(undersample=0.2),)})
    before = Classifier(undersampled)
    before.learn_at_once(Batch.of(X), y, np.ones(2_000))
    before.save(tmp_path / "before")
    others = {"experts": (LinearSettings(undersample=0.2), LinearSettings(name="more", undersample=0.1))}
    made, begun = successor(tmp_path / "before", undersampled.model_copy(update=others), "auto")
    assert begun == ["more"]
    weights, former = made.mixture.pool.undersampling.weights(), before.mixture.pool.undersampling.weights()
    assert weights[1, 0] == former[0, 0] < 0.5
    # The new one learns of the frequent class what it would have learnt from the first: it asks for more of them.
    assert weights[0, 0] > weights[1, 0]
    asked = Batch.of(X[:50])
    np.testing.assert_array_equal(made.score(asked).answers[:, 0], before.score(asked).answers[:, 0])
