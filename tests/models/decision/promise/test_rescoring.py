"""Events are scored anew just before their labels are learnt: against asking and teaching one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts.linear_text import LinearTextSettings
from tocsin.config.model import ModelSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch
from tocsin.models.data.feedback import FeedbackBatch

DELAY, POLL = 40, 10
Made = Callable[[int], tuple[Any, list[str]]]


def stream(events: int) -> tuple[Any, list[str]]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(events, 3))
    y = (X[:, 0] > 0) ^ (np.arange(events) > events // 2)
    return X, [("no", "yes")[k] for k in y.astype(int)]


def with_a_rare_class(events: int) -> tuple[Any, list[str]]:
    """One event in thirty is of a class that comes with extreme values, and of heavy tails."""
    rng = np.random.default_rng(4)
    rare = rng.random(events) < 1 / 30
    X = rng.normal(size=(events, 3))
    X[:, 1] = np.exp(3.0 * X[:, 1])
    X[rare, 0] += 3.0
    X[rare, 2] = 90.0
    return X, [("no", "yes")[k] for k in rare.astype(int)]


def taught(
    poll: int, events: int = 300, posts: bool = False, made: Made = stream
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What `learn` said of each event just before its label, and what scoring it at that moment says."""
    settings = ModelSettings(classes=("no", "yes"), abstention=AbstentionSettings(controls="error", cold_start=5))
    model, (X, labels) = Classifier(settings), made(events)
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
    if made is with_a_rare_class:  # or it would not be tried
        assert model.mixture.rare.rare.any()
        assert model.mixture.inputs.clipping.tells.any()
        assert model.mixture.pool.undersampling.weights()[0, 0] < 1.0
    return said, plain


@pytest.mark.parametrize("posts", [False, True])
def test_it_is_what_scoring_says_at_that_moment(posts: bool) -> None:
    said, plain = taught(1, posts=posts)
    assert len(said) == len(plain) > 200
    np.testing.assert_allclose(np.stack(said), np.stack(plain), atol=1e-9)


@pytest.mark.parametrize("posts", [False, True])
def test_it_is_what_scoring_says_where_a_class_is_rare(posts: bool) -> None:
    """Experts that learn few of the frequent events learnt all, and were asked with extremes cut off."""
    said, plain = taught(1, 900, posts, with_a_rare_class)
    assert len(said) == len(plain) > 800
    np.testing.assert_allclose(np.stack(said), np.stack(plain), atol=1e-9)


@pytest.mark.parametrize("made", [stream, with_a_rare_class])
def test_however_polls_are_cut_it_is_the_same_to_the_bit(made: Made) -> None:
    events = 300 if made is stream else 900
    assert np.array_equal(np.stack(taught(1, events, made=made)[0]), np.stack(taught(7, events, made=made)[0]))


def test_of_a_whole_subject_it_is_what_all_its_posts_say() -> None:
    """Asked about the last post alone, a neutral one, today's model knew nothing, and the gate shut for good."""
    experts = (LinearTextSettings(scope="subject"),)
    own = {"classes": ("good", "bad"), "experts": experts, "text": True}
    model = Classifier(ModelSettings(**own, abstention=AbstentionSettings(controls="error", cold_start=5)))
    said: list[np.ndarray] = []
    learn_late = model.mixture.judge.learn_late

    def watch(*values: Any) -> None:
        said.extend(values[5])
        learn_late(*values)

    model.mixture.judge.learn_late = watch  # type: ignore[method-assign]
    words = {"good": "sunny happy fine", "bad": "dark night sorrow"}
    for i in range(60):
        label = ("good", "bad")[i % 2]
        batch = Batch.of(np.zeros((1, 0)), texts=["see you later"], subjects=[f"s{i}"])
        context = model.score(batch).context(0)
        posts = (words[label], words[label], "see you later")
        model.learn(FeedbackBatch(batch, [label], np.ones(1), [context], [posts[:-1]]))
    late = np.stack(said[20:])
    assert (late.argmax(axis=1) == np.arange(20, 60) % 2).all()
    assert late.max(axis=1).min() > 0.55  # the last post alone says 0.5


def test_of_one_event_of_a_subject_it_is_what_was_said_then() -> None:
    """The subject's other posts are not there any more."""
    experts = (LinearTextSettings(scope="subject"),)
    own = {"classes": ("good", "bad"), "experts": experts, "text": True}
    model = Classifier(ModelSettings(**own, abstention=AbstentionSettings(controls="error", cold_start=5)))
    batch, none = Batch.of(np.zeros((1, 0)), texts=["see you later"], subjects=["s"]), [()]
    for label in ("good", "bad") * 10:
        model.learn(FeedbackBatch(batch, [label], np.ones(1), [model.score(batch).context(0)], none))
    pool, answers = model.mixture.pool, np.array([[[3.0, 1.0]]])
    said = pool.rescore_and_learn(batch, batch, np.zeros(1, np.int64), np.ones(1), none, np.ones(1, np.bool_), answers)
    np.testing.assert_array_equal(said, answers)
