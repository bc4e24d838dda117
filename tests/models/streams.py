"""Streams that the tests of the models share."""

from __future__ import annotations

import numpy as np

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.river import RiverSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.features import category_code
from tocsin.models.data.feedback import FeedbackBatch

COLOURS = ("red", "green", "blue")
FEATURES = (
    FeatureSettings(name="size"),
    FeatureSettings(name="colour", kind="category"),
    FeatureSettings(name="new", kind="boolean"),
    FeatureSettings(name="noise"),
)
EXPERTS = (
    RiverSettings(name="tree", parameters={"grace_period": 20, "delta": 0.01, "tau": 0.2}),
    RiverSettings(
        name="drifting",
        model="tree.HoeffdingAdaptiveTreeClassifier",
        history=2,
        parameters={"grace_period": 20, "delta": 0.01, "tau": 0.2},
    ),
    LinearSettings(buckets=4),
    PersistenceSettings(by="subject"),
)
MODEL = ModelSettings(features=FEATURES, experts=EXPERTS, seed=3)


def events(rows: int, seed: int = 0) -> tuple[Batch, list[str]]:
    """Mixed events with holes, and labels that size and colour tell; a third class begins after two thirds."""
    rng = np.random.default_rng(seed)
    colour = rng.integers(0, len(COLOURS), rows)
    codes = np.array([category_code(c) for c in COLOURS], float)[colour]
    X = np.column_stack([rng.normal(5, 3, rows), codes, rng.integers(0, 2, rows), rng.normal(0, 1e4, rows)])
    y = np.where(X[:, 0] > 5, "high", "low").astype(object)
    y[colour == 2] = "blue"
    y[: 2 * rows // 3][y[: 2 * rows // 3] == "blue"] = "low"
    X[rng.random(X.shape) < 0.05] = np.nan
    categories = [{int(code): COLOURS[c]} for code, c in zip(codes, colour, strict=True)]
    batch = Batch.of(X, subjects=[f"s{i}" for i in rng.integers(0, 20, rows)], categories=categories)
    return batch, y.tolist()


def rows(batch: Batch, start: int, stop: int) -> Batch:
    """A stretch of a batch."""
    return Batch(
        ids=batch.ids[start:stop],
        subjects=batch.subjects[start:stop],
        times=batch.times[start:stop],
        X=batch.X[start:stop],
        texts=batch.texts[start:stop],
        history=batch.history[start:stop],
        subject_label=batch.subject_label[start:stop],
        categories=batch.categories[start:stop],
    )


def feedback_of(batch: Batch, labels: list[str], model: Classifier, delay: int = 5, blind: int = 11) -> FeedbackBatch:
    """The feedback that a service would write: what was seen at each event's time, labels `delay` events late.

    Every `blind`th record was seen by nobody. The model is taught in passing.
    """
    seen = []
    for i in range(len(batch)):
        event = rows(batch, i, i + 1)
        seen.append(None if i % blind == blind - 1 else model.score(event).context(0))
        if i >= delay:
            j = i - delay
            model.learn(cut(FeedbackBatch(batch, labels, np.ones(len(batch)), [*seen], [()] * len(batch)), j, j + 1))
    weight = np.where(np.arange(len(batch)) % 7 == 0, 0.5, 1.0)
    return FeedbackBatch(batch, labels, weight, seen, [()] * len(batch))


def cut(feedback: FeedbackBatch, start: int, stop: int) -> FeedbackBatch:
    """A stretch of feedback, as a poll would bring it."""
    return FeedbackBatch(
        rows(feedback.batch, start, stop),
        feedback.labels[start:stop],
        feedback.weight[start:stop],
        feedback.contexts[start:stop],
        feedback.posts[start:stop],
    )


def teach(model: Classifier, feedback: FeedbackBatch, poll: int) -> Classifier:
    """Learn feedback in polls of a size."""
    for start in range(0, len(feedback.labels), poll):
        model.learn(cut(feedback, start, start + poll))
    return model
