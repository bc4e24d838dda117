"""Models that have learnt something, and batches for them, for tests of devices."""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.feedback import FeedbackBatch


def stream(rows: int, seed: int = 0, features: int = 4, classes: int = 3) -> tuple[Floats, Ints]:
    """Events X [B, F] and labels y [B]: two numbers tell the class, the third has gaps, the last is a category."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features))
    y = ((X[:, 0] + 0.5 * X[:, 1] > 0).astype(np.int64) + (X[:, 1] > 1.0)).clip(max=classes - 1)
    flipped = rng.random(rows) < 0.1
    y[flipped] = rng.integers(0, classes, int(flipped.sum()))
    X[rng.random(rows) < 0.1, 2] = np.nan
    X[:, -1] = rng.integers(0, 5, rows)
    return X, y


def settings(features: int = 4, classes: int = 3, **more: Any) -> ModelSettings:
    """Settings of a model for `stream`."""
    numbers = [FeatureSettings(name=f"x{f}") for f in range(features - 1)]
    columns = (*numbers, FeatureSettings(name="colour", kind="category"))
    return ModelSettings.model_validate({"features": columns, "classes": tuple(str(k) for k in range(classes)), **more})


def batch(X: Floats, start: int = 0) -> Batch:
    """Events with ids and times of their own."""
    rows = len(X)
    texts = [f"word{int(min(abs(x[0]), 9.0))} {'win' if x[0] > 0 else 'keep'} {len(X)}" for x in np.nan_to_num(X)]
    return Batch.of(X, texts, ids=[f"e{start + i}" for i in range(rows)], times=np.arange(start, start + rows))


def learn(model: Classifier, X: Floats, y: Ints, late: bool = False) -> None:
    """Teach labels that came with their events, or that came after they were scored."""
    events, names = batch(X, model.learnt), [str(k) for k in y.tolist()]
    scores = model.score(events) if late else None
    contexts = [None if scores is None else scores.context(i) for i in range(len(X))]
    model.learn(FeedbackBatch(events, names, np.ones(len(X)), contexts, [()] * len(X)))
    model.feedback_offset += len(X)
