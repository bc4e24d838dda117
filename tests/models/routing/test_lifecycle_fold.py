"""The lifecycle is a function of the feedback alone, and its health is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.config.presets.driftmoe import tocsin
from tocsin.models import (
    Batch,
    Classifier,
    FeedbackBatch,
    SnapshotError,
)
from tocsin.models.experts.registry import kin
from tocsin.models.routing.lifecycle import EVENTS

from .lifecycle_pools import CLASSES, NEVER, QUICK, ROUTERS, STUMP, bits, classifier, events, happened, right

# The fold


ILL = (
    LinearSettings(name="one"),
    LinearSettings(name="two"),
    STUMP,
    TreeSettings(),
    PersistenceSettings(strength=1.0),
)


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("late", [False, True])
def test_polls_of_any_length_make_the_same_bits_across_all_that_befalls_experts(router: str, late: bool) -> None:
    X, y = events(1_300)
    scored = classifier(*ILL, router=router, lifecycle=NEVER)
    right(scored, events(300, seed=4))
    scores = scored.score(Batch.of(X))
    # What was seen at the events' time is the same whatever the polls; some labels bring features of their own.
    seen = [scores.context(i) if late and i % 50 else None for i in range(1_300)]
    labels = [CLASSES[k] for k in y]
    states, befell = [], []
    for poll in (1, 7, 1_000):
        model = classifier(*ILL, router=router)
        for i in range(0, 1_300, poll):
            part = slice(i, i + poll)
            n = len(y[part])
            model.learn(FeedbackBatch(Batch.of(X[part]), labels[part], np.ones(n), seen[part], [()] * n))
        states.append(bits(model))
        befell.append(happened(model))
    assert states[0] == states[1] == states[2]
    assert befell[0] == befell[1] == befell[2]
    assert {event for one in befell[0] for event in one} == set(EVENTS)


@pytest.mark.parametrize("learnt", [150, 350, 640, 700])
def test_a_snapshot_goes_on_alike_whatever_befell_before(learnt: int, tmp_path: Path) -> None:
    X, y = events(1_500)
    model = classifier(*ILL)
    right(model, (X[:learnt], y[:learnt]))
    model.save(tmp_path / "s")
    twin = Classifier.load(tmp_path / "s")
    assert twin.lifecycle.health() == model.lifecycle.health()
    for each in (model, twin):
        right(each, (X[learnt:], y[learnt:]))
    assert bits(model) == bits(twin)
    assert happened(model) == happened(twin)


def test_a_state_of_another_pool_is_refused() -> None:
    model, other = classifier(*ILL), classifier(*ILL[:3])
    with pytest.raises(SnapshotError, match="active bool"):
        other.lifecycle.load_state_dict(model.lifecycle.state_dict())


def test_a_class_that_comes_later_has_room() -> None:
    model = Classifier(ModelSettings(experts=(LinearSettings(),), lifecycle=QUICK))
    for i in range(300):
        model.learn_one({"x": float(i % 3)}, ("a", "b", "c")[i % 3] if i > 150 else "a")
    assert model.lifecycle.count == 300


# Health


def test_before_anything_was_learnt_nothing_is_known_of_an_expert() -> None:
    model = classifier(*ILL)
    for health in model.lifecycle.health():
        assert (health.state, health.age) == ("active", 0)
        assert health.share is health.accuracy is health.consistency is None
    assert model.lifecycle.engaged is None


def test_health_tells_of_the_last_whole_window_and_of_the_first_while_it_lasts() -> None:
    model = classifier(LinearSettings(), NeighboursSettings(window=200))
    right(model, events(50))
    young = model.lifecycle.health()
    assert [one.age for one in young] == [50, 50]
    assert all(one.share is not None for one in young)
    right(model, events(50, seed=1))
    whole = model.lifecycle.health()
    right(model, events(50, seed=2))
    assert [one.share for one in model.lifecycle.health()] == [one.share for one in whole]
    assert sum(one.share or 0.0 for one in whole) == pytest.approx(
        1.0, abs=0.02
    )  # the first record was routed to nobody
    assert model.lifecycle.engaged == 2.0


def test_routing_by_a_feature_that_stays_for_long_is_consistent() -> None:
    """Two experts, one for each half of what `x` can be; events come in long runs of one half, or in no order."""
    rng = np.random.default_rng(0)
    kept = {}
    for order in ("runs", "none"):
        model = classifier(
            LinearSettings(), PersistenceSettings(), lifecycle=QUICK.model_copy(update={"window": 1_000})
        )
        half = np.repeat(rng.random(80) < 0.5, 50) if order == "runs" else rng.random(4_000) < 0.5
        X = rng.normal(size=(4_000, 3))
        X[:, 2] = half * 4.0
        y = np.where(half, X[:, 0] > 0, np.repeat(rng.random(400) < 0.5, 10)).astype(np.int64)
        right(model, (X, y))
        kept[order] = np.mean([one.consistency for one in model.lifecycle.health() if one.consistency is not None])
    assert kept["runs"] > kept["none"] + 0.2


def test_a_long_healthy_stream_befalls_nothing() -> None:
    model = Classifier(tocsin())
    model.widen(["x", "y", "z"], [False] * 3, CLASSES)
    X, y = events(12_000)
    right(model, (X, y), poll=1_000)
    befell = zip(happened(model), tocsin().experts, strict=True)
    assert not any(events for events, expert in befell if not expert.must_earn)


def test_experts_that_see_categories_apart_are_not_kin() -> None:
    settings = ModelSettings(
        experts=(LinearSettings(name="one"), LinearSettings(name="two", buckets=4), LinearSettings(name="three"))
    )
    one, two, three = kin(settings)
    assert one == three != two


def test_a_snapshot_leaves_the_back_end_that_was_asked_for(tmp_path: Path) -> None:
    model = Classifier(ModelSettings(), backend="reference")
    model.save(tmp_path / "snapshot")
    model = Classifier.load(tmp_path / "snapshot", backend="reference")
    assert model.backend == "reference"
