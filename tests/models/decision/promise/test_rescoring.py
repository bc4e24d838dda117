"""Events are scored anew just before their labels are learnt: against asking and teaching one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.model import ModelSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.feedback import FeedbackBatch

DELAY, POLL = 40, 10


def stream(events: int) -> tuple[Any, list[str]]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(events, 3))
    y = (X[:, 0] > 0) ^ (np.arange(events) > events // 2)
    return X, [("no", "yes")[k] for k in y.astype(int)]


def taught(poll: int, events: int = 300, posts: bool = False) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What `learn` said of each event just before its label, and what scoring it at that moment says."""
    settings = ModelSettings(classes=("no", "yes"), abstention=AbstentionSettings(controls="error", cold_start=5))
    model, (X, labels) = Classifier(settings), stream(events)
    model.widen(["a", "b", "c"], [False] * 3, ["no", "yes"])
    said: list[np.ndarray] = []
    plain: list[np.ndarray] = []
    judge, learn_late = model.mixture.judge, model.mixture.judge.learn_late

    def watch(*values: Any) -> None:
        said.extend(values[5])
        learn_late(*values)

    judge.learn_late = watch  # type: ignore[method-assign]
    seen = []
    for start in range(0, events, POLL):
        scores = model.score(Batch.of(X[start : start + POLL]))
        seen += [scores.context(i) for i in range(len(scores.batch))]
        due = range(max(start + POLL - DELAY - POLL, 0), max(start + POLL - DELAY, 0))
        for first in range(due.start, due.stop, poll):
            rows = slice(first, min(first + poll, due.stop))
            batch, n = Batch.of(X[rows]), rows.stop - rows.start
            if poll == 1:
                context = seen[first]
                past = replace(
                    batch,
                    history=np.array([context.history]).reshape(1, -1),
                    subject_label=np.array([context.subject_label]),
                )
                plain.append(model.score(past).betp[0])
            earlier = [("",)] * n if posts else [()] * n
            model.learn(FeedbackBatch(batch, labels[rows], np.ones(n), seen[rows], earlier))
    return said, plain


@pytest.mark.parametrize("posts", [False, True])
def test_it_is_what_scoring_says_at_that_moment(posts: bool) -> None:
    said, plain = taught(1, posts=posts)
    assert len(said) == len(plain) > 200
    np.testing.assert_allclose(np.stack(said), np.stack(plain), atol=1e-9)


def test_however_polls_are_cut_it_is_the_same_to_the_bit() -> None:
    assert np.array_equal(np.stack(taught(1)[0]), np.stack(taught(7)[0]))
