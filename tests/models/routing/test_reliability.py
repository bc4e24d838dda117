"""Every router inside a classifier: late labels, polls of any length, snapshots, engagement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tocsin.config.fusion import FusionSettings
from tocsin.config.model import ModelSettings
from tocsin.config.presets.driftmoe import tocsin
from tocsin.config.routing import MultiHotSettings, ReliabilitySettings, SkillSettings
from tocsin.models import Batch, Classifier, FeedbackBatch
from tocsin.models.routing.reliability import ReliabilityRouter

CLASSES = ("a", "b", "c")
ROUTERS = {
    "reliability": ReliabilitySettings(every=3),
    "top-p": ReliabilitySettings(top_p=0.9),
    "rare": ReliabilitySettings(rare_class_power=0.5),
    "multi-hot": MultiHotSettings(),
    "skill": SkillSettings(),
    "skill by class": SkillSettings(top_p=0.9),
    "reliability by class": ReliabilitySettings(),
}


def settings(router: str) -> ModelSettings:
    fusion = FusionSettings(contextual=router.endswith("by class"))
    return tocsin("data").model_copy(update={"router": ROUTERS[router], "fusion": fusion})


def events(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, np.where(X[:, 0] + 0.3 * rng.normal(size=n) > 0, 0, np.where(X[:, 1] > 0, 1, 2))


def classifier(router: str) -> Classifier:
    model = Classifier(settings(router))
    model.widen(["x", "y", "z"], [False] * 3, CLASSES)
    return model


def feedback(X: np.ndarray, y: np.ndarray, seen: list[Any]) -> FeedbackBatch:
    return FeedbackBatch(Batch.of(X), [CLASSES[k] for k in y], np.ones(len(y)), seen, [()] * len(y))


def bits(model: Classifier) -> list[bytes]:
    parts = [
        model.router.state_dict(),
        model.lifecycle.state_dict(),
        model.abstention.state_dict(),
        model.mixture.combiner.class_discount.state_dict(),
        *(e.state_dict() for e in model.experts),
    ]
    return [array.tobytes() for arrays in parts for array in arrays.values()]


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("late", [False, True])
def test_polls_of_any_length_make_the_same_bits(router: str, late: bool) -> None:
    X, y = events(400)
    scores = classifier(router).score(Batch.of(X))
    # What was seen at the events' time is the same whatever the polls; some labels bring features of their own.
    seen = [scores.context(i) if late and i % 50 else None for i in range(400)]
    states = []
    for size in (1, 7, 400):
        model = classifier(router)
        for i in range(0, 400, size):
            model.learn(feedback(X[i : i + size], y[i : i + size], seen[i : i + size]))
        states.append(bits(model))
        assert model.learnt == model.router.count == 400
    assert states[0] == states[1] == states[2]


@pytest.mark.parametrize("router", ROUTERS)
def test_a_snapshot_goes_on_alike(router: str, tmp_path: Path) -> None:
    X, y = events(600)
    model = classifier(router)
    model.learn(feedback(X[:401], y[:401], [None] * 401))
    model.save(tmp_path / "snapshot")
    twin = Classifier.load(tmp_path / "snapshot")
    before = model.score(Batch.of(X))
    np.testing.assert_array_equal(twin.score(Batch.of(X)).betp, before.betp)
    for each in (model, twin):
        each.learn(feedback(X[401:], y[401:], [None] * 199))
    assert bits(model) == bits(twin)


def test_easy_events_engage_fewer_experts_and_decide_alike() -> None:
    X, y = events(1_500)
    few, all_ = classifier("top-p"), Classifier(tocsin("data"))
    all_.widen(["x", "y", "z"], [False] * 3, CLASSES)
    for model in (few, all_):
        model.learn(feedback(X, y, [None] * 1_500))
    X, _ = events(500, seed=1)
    some, every = few.score(Batch.of(X)), all_.score(Batch.of(X))
    assert every.engaged.all()
    assert some.engaged.sum(axis=1).mean() < every.engaged.shape[1] - 1
    assert (some.label == every.label).mean() > 0.95


def test_nobody_is_engaged_where_nobody_has_anything_to_say() -> None:
    router = ReliabilityRouter(ReliabilitySettings(top_p=0.9), experts=2, features=1, seed=0, fusion=FusionSettings())
    assert not router.engaged(np.full((1, 2), 0.5), np.zeros((1, 2, 2)), 2.0).any()


def taught_router() -> tuple[ReliabilityRouter, np.ndarray, np.ndarray]:
    """A router that has learnt of three experts, of which the first is always right."""
    router = ReliabilityRouter(ReliabilitySettings(), experts=3, features=2, seed=0, fusion=FusionSettings())
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 2)), rng.integers(0, 2, 600)
    said = np.stack([y, rng.integers(0, 2, 600), rng.integers(0, 2, 600)], axis=1)
    evidence = 100.0 * np.eye(2)[said]
    router.learn(X, evidence, y, np.ones(600), np.zeros(600, np.int64))
    return router, X, evidence


def test_an_expert_that_is_forgotten_is_trusted_as_at_the_start_and_the_others_as_before() -> None:
    router, X, evidence = taught_router()
    fresh = ReliabilityRouter(ReliabilitySettings(), experts=3, features=2, seed=0, fusion=FusionSettings())
    before = router.reliability(X, evidence)
    assert before[:, 0].mean() > 2 * before[:, 1].mean()
    silent = evidence.copy()
    silent[:, 0] = 0.0  # the record is an input of all: compare where only the trust in the first differs
    skill = router.skill[0]
    others = router.reliability(X, silent)[:, 1:]
    router.forget(0)
    assert (router.skill[0], router.answers[0], router.load[0]) == (0.5, 0.0, 0.0)
    # But for the trust that goes to nobody, which is learnt and stays.
    np.testing.assert_allclose(router.reliability(X, evidence)[:, 0], fresh.reliability(X, evidence)[:, 0], rtol=0.1)
    router.skill[0] = skill
    np.testing.assert_array_equal(router.reliability(X, silent)[:, 1:], others)


def test_an_expert_that_inherits_is_trusted_as_both_were() -> None:
    router, X, evidence = taught_router()
    before = router.reliability(X, evidence).mean(axis=0)
    router.inherit(1, (float(before[1]), float(before[2])))
    after = router.reliability(X, evidence).mean(axis=0)
    assert after[1] == pytest.approx(1.0 - (1.0 - before[1]) * (1.0 - before[2]), abs=0.03)
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("what", ["an expert forgotten", "a column that comes late"])
def test_what_is_new_takes_steps_no_longer_than_the_others(what: str) -> None:
    router, X, evidence = taught_router()
    y = evidence[:, 0].argmax(axis=1)
    if what == "an expert forgotten":
        router.forget(1)
    else:
        router.resize(3)
        X = np.column_stack([X, X[:, 0]])
        # Its scale first: until two rows are known it stands at its mean.
        router.learn(X[:10], evidence[:10], y[:10], np.ones(10), np.zeros(10, np.int64))
    before = router.state_dict()["weights"]
    router.learn(X[10:11], evidence[10:11], y[10:11], np.ones(1), np.zeros(1, np.int64))
    moved = np.abs(router.state_dict()["weights"] - before).max()
    assert 0.0 < moved < 8 * ReliabilitySettings().step


def test_an_error_that_falls_is_no_drift() -> None:
    router = ReliabilityRouter(ReliabilitySettings(), experts=1, features=0, seed=0, fusion=FusionSettings())
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 8_000)
    wrong = rng.random(8_000) < np.where(np.arange(8_000) < 4_000, 0.4, 0.02)
    evidence = 30.0 * np.eye(2)[np.where(wrong, 1 - y, y)][:, None]
    now = np.zeros(4_000, np.int64)
    router.learn(np.zeros((4_000, 0)), evidence[:4_000], y[:4_000], np.ones(4_000), now)
    before = router.drifts
    router.learn(np.zeros((4_000, 0)), evidence[4_000:], y[4_000:], np.ones(4_000), now)
    assert router.drifts == before
    back = slice(0, 4_000)
    router.learn(np.zeros((4_000, 0)), evidence[back], y[back], np.ones(4_000), now)
    assert router.drifts > before


def test_labels_of_rare_classes_count_more_where_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(3_000) < 0.05).astype(np.int64)
    evidence = np.zeros((3_000, 2, 2))
    evidence[:, 0, 0] = 10.0  # one expert says the common class always, the other tells them apart four times in five
    evidence[np.arange(3_000), 1, y ^ (rng.random(3_000) < 0.2)] = 10.0
    found = []
    for rare in (0.0, 0.5, 1.0):
        router = ReliabilityRouter(ReliabilitySettings(rare_class_power=rare, boost=0.0), 2, 1, 0, FusionSettings())
        router.learn(np.zeros((3_000, 1)), evidence, y, np.ones(3_000), np.zeros(3_000, np.int64))
        found.append(router.reliability(np.zeros((2, 1)), np.array([[[10.0, 0], [0, 10.0]]] * 2))[0])
    lazy, able = np.array(found).T
    assert lazy[0] > lazy[1] > lazy[2]
    assert able[2] > able[0]
