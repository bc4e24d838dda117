"""The classical discounts: by an expert's record, over all or class by class."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.fusion import FusionSettings
from tocsin.config.model import ModelSettings
from tocsin.config.routing import SkillSettings
from tocsin.models import Batch, Classifier
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.routing.class_discount import ClassDiscount
from tocsin.models.routing.prequential_accuracy import PrequentialAccuracy
from tocsin.models.routing.skill import MAX_RELIABILITY, SkillRouter


def votes(said: Ints, classes: int) -> Floats:
    """Evidence [B, E, K] of experts that name a class each, [B, E]; -1 is silence."""
    evidence: Floats = np.where(said[..., None] >= 0, 20.0 * (said[..., None] == np.arange(classes)), 0.0)
    return evidence


def taught(said: Ints, y: Ints, classes: int) -> SkillRouter:
    router = SkillRouter(SkillSettings(), experts=said.shape[1])
    router.learn(np.zeros((len(y), 1)), votes(said, classes), y, np.ones(len(y)), np.zeros(len(y), np.int64))
    return router


def test_reliability_is_the_record_above_chance() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 4_000)
    good = np.where(rng.random(4_000) < 0.8, y, (y + 1) % 4)
    guess = rng.integers(0, 4, 4_000)
    router = taught(np.stack([y, good, guess, np.full(4_000, -1)], axis=1), y, 4)
    rho = router.reliability(np.zeros((2, 1)), np.zeros((2, 4, 4)))
    assert rho.shape == (2, 4)
    assert np.array_equal(rho[0], rho[1])
    assert rho[0, 0] > 0.98
    assert rho[0, 0] <= MAX_RELIABILITY
    assert rho[0, 1] == pytest.approx((router.skill[1] - 0.25) / 0.75)
    assert rho[0, 1] == pytest.approx(0.8, abs=0.15)
    assert rho[0, 2] < 0.1
    assert rho[0, 3] == 0.5  # silent all the time


def test_an_expert_that_begins_anew_has_no_record() -> None:
    y = np.zeros(50, np.int64)
    router = taught(np.stack([y, y], axis=1), y, 2)
    router.forget(0)
    assert router.reliability(np.zeros((1, 1)), np.zeros((1, 2, 2))).tolist() == [
        [0.5, pytest.approx(router.skill[1] * 2 - 1)]
    ]
    assert router.answers.tolist() == [0.0, 50.0]


def test_a_state_of_another_pool_is_refused() -> None:
    with pytest.raises(ValueError, match="not of"):
        PrequentialAccuracy(3, 0.9).load_state_dict(PrequentialAccuracy(2, 0.9).state_dict())
    with pytest.raises(ValueError, match="not of"):
        ClassDiscount(3, 0.9).load_state_dict(ClassDiscount(2, 0.9).state_dict())


def settings(contextual: bool) -> ModelSettings:
    return ModelSettings(
        classes=("fraud", "honest"),
        experts=(PersistenceSettings(name="a"), PersistenceSettings(name="b")),
        router=SkillSettings(),
        fusion=FusionSettings(contextual=contextual),
    )


def test_who_cries_wolf_is_not_believed_when_he_does_and_still_is_when_he_does_not() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(3_000) < 0.9).astype(np.int64)  # a tenth is fraud, class 0
    cries = np.where(
        (y == 0) | (rng.random(3_000) < 0.35), 0, 1
    )  # misses none, and cries in vain at a third of the rest
    contextual = ClassDiscount(1, 0.995)
    contextual.resize(2)
    contextual.learn(votes(cries[:, None], 2), y, 2.0)
    fraud, honest = contextual.discount(votes(np.array([[0], [1]]), 2), 2.0)
    assert fraud[0, 0] == 0.0  # three of four cries are in vain: worse than a guess
    assert honest[0, 1] > 10.0


def test_what_was_said_is_kept_as_it_was_said() -> None:
    model, plain = Classifier(settings(True)), Classifier(settings(False))
    rng = np.random.default_rng(2)
    y = rng.integers(0, 2, 400)
    for each in (model, plain):
        each.learn_at_once(Batch.of(np.zeros((400, 0))), y, np.ones(400))
    scores, other = model.score(Batch.of(np.zeros((1, 0)))), plain.score(Batch.of(np.zeros((1, 0))))
    assert np.array_equal(scores.answers, other.answers)
    assert np.array_equal(other.answers, other.evidence)
    assert np.array_equal(scores.context(0).evidence, scores.answers[0])
    assert scores.evidence.sum() < scores.answers.sum()
