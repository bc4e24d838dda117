"""A mixture scored on a device says what the compiled kernels say, whatever the model is and however it goes on."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tocsin.kernels.device.place import DeviceError, Place, place
from tocsin.models.classifier import Classifier
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.scoring.opinions import CpuScorer
from tocsin.models.device.scorer import DeviceScorer

from . import models

CLOSE = 1e-6
HERE = place("cuda" if torch.cuda.is_available() else "torch-cpu")
"""Where there is a card, these tests capture and repeat graphs on it."""

TEXT_EXPERTS = (
    {"kind": "linear-text", "name": "words"},
    {"kind": "linear", "name": "linear"},
    {"kind": "stack", "name": "stack"},
)
MULTI_HOT = "the multi-hot router, which the CPU combines"
ON_THE_CPU = (MULTI_HOT,)
MODELS: dict[str, dict[str, Any]] = {
    "the default pool": {},
    "two classes": {"classes": ("0", "1")},
    "top-p engagement": {"router": {"top_p": 0.8}},
    "evidence discounted by class": {"fusion": {"contextual": True}},
    "the skill router": {"router": {"kind": "skill", "top_p": 0.9}},
    MULTI_HOT: {"router": {"kind": "multi-hot"}},
    "an expert without a form": {
        "experts": (
            {"kind": "river", "name": "bayes", "model": "naive_bayes.GaussianNB"},
            {"kind": "neighbours", "name": "near", "window": 50},
            {"kind": "tree", "name": "tree"},
        )
    },
    "a stack that reads texts": {"text": True, "experts": TEXT_EXPERTS},
    "no abstention": {"abstention": {"enabled": False}},
    **{rule: {"fusion": {"rule": rule}} for rule in ("cautious", "cumulative", "averaging", "murphy")},
}


def on_device(model: Classifier) -> DeviceScorer:
    scorer = DeviceScorer(model.mixture.scored_parts, HERE)
    model.mixture.scorer = scorer
    return scorer


def both(model: Classifier, X: np.ndarray, share: float = 1.0) -> tuple[Scores, Scores]:
    """What the compiled kernels and what the device say of the same events."""
    events, device = models.batch(X), model.mixture.scorer
    model.mixture.scorer = CpuScorer(model.mixture.scored_parts)
    known = model.score(events, share=share)
    model.mixture.scorer = device
    return known, model.score(events, share=share)


def same(model: Classifier, X: np.ndarray) -> None:
    known, found = both(model, X)
    for name in ("answers", "evidence", "reliability", "belief", "uncertainty", "conflict", "betp", "nonconformity"):
        one, other = getattr(known, name), getattr(found, name)
        if one is None:
            assert other is None
        else:
            np.testing.assert_allclose(other, one, rtol=CLOSE, atol=CLOSE, err_msg=name)
    for name in ("engaged", "used", "label", "decided", "sets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(known, name), err_msg=name)
    assert found.reasons == known.reasons
    assert found.learnt == known.learnt == model.learnt


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_the_compiled_kernels(name: str) -> None:
    more = dict(MODELS[name])
    classes = len(more.pop("classes", "012"))
    model = Classifier(models.settings(classes=classes, **more))
    X, y = models.stream(700, classes=classes)
    scorer = on_device(model)
    for start, stop in ((0, 1), (1, 40), (40, 300), (300, 301), (301, 600)):
        same(model, X[600:])
        models.learn(model, X[start:stop], y[start:stop], late=start % 2 == 0)
    same(model, X[600:])
    assert (scorer.events > 0) == (name not in ON_THE_CPU)


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 300])
def test_batches_of_any_size_are_scored(rows: int) -> None:
    model = Classifier(models.settings())
    X, y = models.stream(500)
    models.learn(model, X, y)
    on_device(model)
    same(model, models.stream(rows, seed=1)[0])


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
def test_the_kernels_of_triton_score_the_same() -> None:
    model = Classifier(models.settings())
    X, y = models.stream(300)
    models.learn(model, X, y)
    interpreted = replace(place("torch-cpu"), triton=True)
    model.mixture.scorer = DeviceScorer(model.mixture.scored_parts, interpreted)
    same(model, models.stream(9, seed=1)[0])


def test_a_rare_class_is_read_as_the_kernels_read_it() -> None:
    model = Classifier(models.settings(classes=2))
    X, y = models.stream(4_000, classes=2)
    y = ((X[:, 0] > 2.2) & (X[:, 1] > -1.0)).astype(np.int64)
    on_device(model)
    models.learn(model, X[:3_000], y[:3_000])
    assert model.mixture.rare.rare.any()
    same(model, X[3_000:])
    models.learn(model, X[3_000:3_050], y[3_000:3_050])
    same(model, X[3_050:])


def test_columns_and_classes_that_come_later_are_followed() -> None:
    model = Classifier()
    rng = np.random.default_rng(0)
    for n in range(300):
        x = {"a": rng.normal(), "b": rng.normal(), **({"c": rng.normal()} if n > 150 else {})}
        model.learn_one(x, ("low", "high", "top")[int(x["a"] > 0) + int(n > 200 and x["b"] > 1)])
        if n % 60 == 10:
            if n == 10:
                on_device(model)
            same(model, rng.normal(size=(20, len(model.columns))))


def test_an_expert_that_begins_anew_is_followed() -> None:
    model = Classifier(models.settings())
    X, y = models.stream(600)
    models.learn(model, X[:400], y[:400])
    on_device(model)
    same(model, X[400:])
    for e in range(len(model.experts)):
        model.mixture.pool.experts[e] = model.mixture.pool.fresh(e)
    models.learn(model, X[400:420], y[400:420])
    same(model, X[420:])


def test_extreme_values_and_gaps_are_scored_alike() -> None:
    model = Classifier(models.settings())
    X, y = models.stream(500)
    models.learn(model, X, y)
    on_device(model)
    odd = X[:40].copy()
    odd[0], odd[1, 0], odd[2, 0], odd[3, 0], odd[4, -1] = np.nan, np.inf, -np.inf, 1e300, 77.0
    same(model, odd)


def test_only_active_experts_are_asked() -> None:
    model = Classifier(models.settings())
    X, y = models.stream(500)
    models.learn(model, X, y)
    on_device(model)
    model.mixture.lifecycle.active[[0, 3, 8]] = False
    same(model, X[:50])


@pytest.mark.parametrize("engage", [1.0, 0.95])
def test_fewer_experts_are_asked_alike(engage: float) -> None:
    model = Classifier(models.settings(router={"engage": engage}))
    X, y = models.stream(3_000)
    models.learn(model, X[:1_500], y[:1_500], late=True)
    models.learn(model, X[1_500:2_900], y[1_500:2_900], late=True)
    on_device(model)
    known, found = both(model, X[2_900:], share=0.5)
    np.testing.assert_allclose(found.betp, known.betp, rtol=0, atol=CLOSE)
    np.testing.assert_array_equal(np.signbit(found.answers), np.signbit(known.answers))
    assert np.signbit(found.answers).any()


def test_nothing_travels_where_nothing_was_learnt() -> None:
    model = Classifier(models.settings())
    X, y = models.stream(500)
    models.learn(model, X[:400], y[:400])
    scorer = on_device(model)
    model.score(models.batch(X))
    model.score(models.batch(X))
    assert (scorer.bytes_followed, scorer.labels_followed) == (0, 0)
    models.learn(model, X[400:], y[400:])
    model.score(models.batch(X))
    assert scorer.labels_followed == 100
    assert 0 < scorer.standing.bytes_per_label < 200_000


def test_a_full_batch_is_cut_and_scored_alike() -> None:
    model = Classifier(models.settings())
    X, y = models.stream(300)
    models.learn(model, X, y)
    scorer = on_device(model)
    same(model, models.stream(70_000, seed=1)[0])
    assert scorer.events == 70_000


def test_thousands_of_columns_are_scored_alike() -> None:
    model = Classifier(models.settings(features=4_096))
    X, y = models.stream(60, features=4_096)
    models.learn(model, X[:40], y[:40])
    on_device(model)
    same(model, X[40:])


def test_memory_that_does_not_suffice_is_refused_before_any_is_taken() -> None:
    class Small(Place):
        """A place with a mebibyte of memory free."""

        def free_bytes(self) -> int:
            return 1 << 20

    model = Classifier(models.settings())
    models.learn(model, *models.stream(100))
    scorer = DeviceScorer(model.mixture.scored_parts, Small("torch-cpu", torch.device("cpu"), triton=False))
    with pytest.raises(DeviceError, match=r"has 1 MiB of memory free, and this model needs \d+ MiB"):
        scorer.follow(model.learnt)
    assert scorer.copied_bytes == 0


def test_what_is_needed_is_what_the_copies_take() -> None:
    model = Classifier(models.settings())
    models.learn(model, *models.stream(400))
    scorer = on_device(model)
    needed = scorer.bytes_needed()  # before anything is copied
    scorer.follow(model.learnt)
    assert 0 < scorer.copied_bytes <= needed
