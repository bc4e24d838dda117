"""Pools built to fall ill: what becomes of their experts, and that no poll, restart or healthy expert suffers."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.lifecycle import LifecycleSettings as Settings
from tocsin.config.model import ModelSettings
from tocsin.models import (
    Batch,
    Classifier,
    FeedbackBatch,
)
from tocsin.models.experts.linear import LinearExpert
from tocsin.models.experts.registry import kin

from .lifecycle_pools import CLASSES, NEVER, QUICK, STUMP, classifier, events, happened, right

# Each illness, and its cure


def fed_nonsense(lifecycle: Settings) -> Classifier:
    """A pool whose naive Bayes has learnt a heap of events of one class, and forgets nothing."""
    model = classifier(
        LinearSettings(),
        NeighboursSettings(window=200),
        NaiveBayesSettings(fading_factor=1.0, strength=100.0),
        lifecycle=lifecycle,
    )
    X, _ = events(1_000, seed=9)
    model.experts[2].learn(Batch.of(X), np.zeros(1_000, np.int64), np.full(1_000, 1e12))
    return model


def test_an_expert_fed_nonsense_collapses_and_is_regrown() -> None:
    ill, cured = fed_nonsense(NEVER), fed_nonsense(QUICK)
    before = right(ill, events(2_000)), right(cured, events(2_000))
    assert happened(ill) == [{}, {}, {}]
    assert happened(cured) == [{}, {}, {"regrown": 1}]
    health = ill.lifecycle.health()[2], cured.lifecycle.health()[2]
    assert health[0].accuracy is not None
    assert health[1].accuracy is not None
    assert health[0].accuracy < 0.65
    assert health[1].accuracy > 0.8
    assert (health[0].age, health[1].age) == (2_000, 1_700)
    assert before[1].mean() >= before[0].mean() - 0.002


def test_an_expert_that_collapses_again_is_retired_and_tried_again_after_its_probation() -> None:
    model = classifier(LinearSettings(), STUMP)
    right(model, events(900))
    # 100 young, found at 200 and 300, acted on at 300: the same again makes 600.
    assert happened(model) == [{}, {"regrown": 1, "retired": 1}]
    assert model.lifecycle.health()[1].state == "retired"
    right(model, events(200, seed=1))
    assert happened(model) == [{}, {"regrown": 1, "retired": 1, "revived": 1}]
    assert model.lifecycle.health()[1].state == "active"


def test_one_good_window_gives_no_new_chance() -> None:
    model = classifier(LinearSettings(), STUMP)
    X, y = events(800)
    constant = np.zeros(100, np.int64)  # a window in which the one class that the stump knows is right
    right(model, (X[:300], y[:300]))
    assert happened(model)[1] == {"regrown": 1}
    right(model, (X[300:500], y[300:500]))
    right(model, (X[500:600], constant))
    assert model.lifecycle.health()[1].accuracy == 1.0
    right(model, (X[600:], y[600:]))
    assert happened(model)[1] == {"regrown": 1, "retired": 1}


def test_a_retired_expert_neither_scores_nor_learns() -> None:
    model = classifier(LinearSettings(), STUMP)
    right(model, events(700))
    assert not model.lifecycle.active[1]
    before = {name: array.tobytes() for name, array in model.experts[1].state_dict().items()}
    right(model, events(50, seed=1))
    assert {name: array.tobytes() for name, array in model.experts[1].state_dict().items()} == before
    scores = model.score(Batch.of(events(50, seed=2)[0]))
    assert not scores.evidence[:, 1].any()
    assert not scores.engaged[:, 1].any()
    assert not scores.reliability[:, 1].any()
    np.testing.assert_array_equal(scores.evidence[:, 0], model.experts[0].evidence(scores.batch))


def test_an_expert_that_must_earn_its_place_sleeps_where_another_is_as_good_and_longer_each_time() -> None:
    twice = NeighboursSettings(name="extra", window=100, k=1, must_earn=True)
    model = classifier(LinearSettings(), twice)
    right(model, events(450))
    # 100 young, found at 200 and 300 and acted on at 300: it is not begun anew first.
    assert happened(model) == [{}, {"retired": 1}]
    right(model, events(400, seed=1))
    # It comes back after 4 windows, at 700, sleeps again at 1,000, and then for twice as long, until 1,800.
    assert happened(model) == [{}, {"retired": 1, "revived": 1}]
    right(model, events(900, seed=2))
    assert happened(model) == [{}, {"retired": 2, "revived": 1}]
    right(model, events(200, seed=3))
    assert happened(model) == [{}, {"retired": 2, "revived": 2}]


def test_an_expert_that_earns_its_place_stays_awake() -> None:
    model = classifier(STUMP, LinearSettings(must_earn=True))
    right(model, events(2_000))
    assert happened(model)[1] == {}


@pytest.mark.parametrize("late", [False, True])
def test_two_linear_experts_alike_are_merged(late: bool) -> None:
    experts = LinearSettings(name="one"), LinearSettings(name="two"), TreeSettings()
    settings = QUICK.model_copy(update={"probation": 1_000})
    twins, unchanged = classifier(*experts, lifecycle=settings), classifier(*experts, lifecycle=NEVER)
    X, y = events(3_000)
    if late:
        for model in (twins, unchanged):
            seen = [model.score(Batch.of(X[i : i + 1])).context(0) for i in range(500)]
            labels = [CLASSES[k] for k in y[:500]]
            model.learn(FeedbackBatch(Batch.of(X[:500]), labels, np.ones(500), seen, [()] * 500))
    said = [right(model, (X, y)).mean() for model in (twins, unchanged)]
    assert [one.get("merged", 0) > 0 for one in happened(twins)] == [True, True, False]
    assert sum(one.get("retired", 0) for one in happened(twins)) == happened(twins)[0]["merged"]
    assert said[0] >= said[1] - 0.002


def test_like_experts_of_which_none_averages_leave_the_one_that_is_chosen_more() -> None:
    model = classifier(
        NeighboursSettings(name="one", window=200, strength=1.0),
        NeighboursSettings(name="two", window=200),
        LinearSettings(),
    )
    right(model, events(400))
    votes = model.experts[1].evidence(Batch.of(events(20, seed=3)[0]))
    assert happened(model) == [{"merged": 1, "retired": 1}, {"merged": 1}, {}]
    assert votes.any()


def test_an_expert_that_the_router_never_uses_is_retired() -> None:
    settings = QUICK.model_copy(update={"starved": 0.2})
    experts = LinearSettings(), NeighboursSettings(window=200), PersistenceSettings(strength=1.0)
    model, other = classifier(*experts, lifecycle=settings), classifier(*experts, lifecycle=NEVER)
    said = [right(each, events(2_000)).mean() for each in (model, other)]
    assert happened(model)[2]["regrown"] >= 1
    assert happened(model)[2]["retired"] >= 1
    assert happened(model)[:2] == [{}, {}]
    assert said[0] >= said[1] - 0.002


def test_a_drift_brings_the_retired_back() -> None:
    settings = QUICK.model_copy(update={"probation": 1_000})
    model = classifier(LinearSettings(), NeighboursSettings(window=200), STUMP, lifecycle=settings)
    right(model, events(2_000))
    assert happened(model)[2] == {"regrown": 1, "retired": 1}
    drifts = model.router.drifts
    right(model, events(400, seed=1, flipped=True))
    assert model.router.drifts > drifts
    assert happened(model)[2]["revived"] == 1


def test_late_labels_do_not_judge_an_expert_by_the_one_before_it() -> None:
    model = classifier(LinearSettings(), STUMP)
    X, y = events(600)
    right(model, (X[:250], y[:250]))
    seen = [model.score(Batch.of(X[i : i + 1])).context(0) for i in range(250, 600)]
    labels = [CLASSES[k] for k in y]
    model.learn(FeedbackBatch(Batch.of(X[250:300]), labels[250:300], np.ones(50), seen[:50], [()] * 50))
    assert happened(model)[1] == {"regrown": 1}
    model.learn(FeedbackBatch(Batch.of(X[300:350]), labels[300:350], np.ones(50), seen[50:100], [()] * 50))
    assert model.router.answers.tolist() == [349.0, 0.0]
    right(model, (X[350:450], y[350:450]))
    assert model.router.answers[1] == 100


# Whom it leaves alone


def test_some_experts_stay_whatever_is_found() -> None:
    lazy = [STUMP.model_copy(update={"name": f"stump-{i}"}) for i in range(3)]
    model = classifier(
        LinearSettings(), *lazy, lifecycle=QUICK.model_copy(update={"minimum_active": 3, "probation": 1_000})
    )
    right(model, events(3_000))
    assert model.lifecycle.active.sum() == 3
    assert model.lifecycle.active[0]


def test_a_stream_of_nearly_one_class_makes_nobody_ill() -> None:
    model = classifier(
        LinearSettings(name="fast"), LinearSettings(name="slow", step=0.002), TreeSettings(), NaiveBayesSettings()
    )
    X, _ = events(2_000)
    right(model, (X, (np.arange(2_000) % 100 == 0).astype(np.int64)))
    assert not any(happened(model))


def test_the_young_are_left_alone() -> None:
    settings = QUICK.model_copy(update={"minimum_age": 5_000})
    model = classifier(LinearSettings(), STUMP, lifecycle=settings)
    right(model, events(5_000))
    assert not any(happened(model))
    right(model, events(100, seed=1))
    assert happened(model)[1] == {"regrown": 1}


def test_experts_that_see_something_else_are_no_kin() -> None:
    own = kin(
        ModelSettings(
            text=True,
            experts=(
                SS3Settings(), SS3Settings(name="phrases", ngrams=3),
                TreeSettings(), TreeSettings(name="history", history=1),
                LinearSettings(), LinearSettings(name="slow", step=0.002), PersistenceSettings(),
            ),
        )
    )  # fmt: skip
    assert len(set(own)) == 6
    assert own[4] == own[5]


# Merging


def test_merged_weights_are_the_mean_of_both_whatever_the_scales_they_were_learnt_on() -> None:
    experts = []
    for scale, shift in ((1.0, 0.0), (2.0, 0.5)):
        expert = LinearExpert(LinearSettings(), [False] * 3)
        expert.resize(3, 2)
        X, y = events(600, seed=int(scale))
        expert.learn(Batch.of(X * scale + shift), y, np.ones(600))
        experts.append(expert)
    X = events(40, seed=5)[0] * 0.5  # within what either scaler clips
    logits = [np.log(expert.evidence(Batch.of(X))) @ [-1.0, 1.0] for expert in experts]
    experts[0].merge(experts[1], 0.25)
    merged = np.log(experts[0].evidence(Batch.of(X))) @ [-1.0, 1.0]
    np.testing.assert_allclose(merged, 0.75 * logits[0] + 0.25 * logits[1], rtol=1e-9)


def test_linear_experts_of_other_columns_are_not_merged() -> None:
    one, other = LinearExpert(LinearSettings(), [False] * 2), LinearExpert(LinearSettings(), [False] * 3)
    for expert in (one, other):
        expert.resize(2, 2)
    with pytest.raises(ValueError, match="cannot be merged"):
        one.merge(other, 0.5)


def test_the_expert_on_rare_classes_stays_whatever_the_router_gives_it() -> None:
    """Begun anew, it was silent for two hundred labels, and had lost all examples of the rare class."""
    hard = QUICK.model_copy(update={"starved": 0.9})
    model = classifier(LinearSettings(), NaiveBayesSettings(), RareClassSettings(share=0.3), lifecycle=hard)
    X, y = events(1_200)
    y[np.arange(1_200) % 40 != 0] = 0
    right(model, (X, y))
    assert happened(model)[2] == {}
    assert any(happened(model)[:2])
