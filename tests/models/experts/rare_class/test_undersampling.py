"""Experts that learn some events alone where every class but one is rare: what it is worth, and that nothing but the
labels in their order decides who learns what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.config.experts.ss3 import SS3Settings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.lifecycle import LifecycleSettings
from tocsin.config.model import ModelSettings
from tocsin.config.schema import FeatureSettings
from tocsin.models import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.experts.rare_class.undersampling import Undersampling
from tocsin.models.lagged import DueLabels, LaggedClassifier

CLASSES, DELAY = ("usual", "rare"), 30
FEATURES = tuple(FeatureSettings(name=f"f{f}") for f in range(4))


def stream(n: int, seed: int = 0, share: float = 0.02) -> tuple[Floats, Ints]:
    """Such a share of events is rare: beyond 1.5 in one column, or on both sides of another; extremes come with it."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(np.int64)
    X = rng.normal(size=(n, 4))
    X[y == 1, 0] += 2.5
    X[y == 1, 1] *= 4.0
    X[(y == 1) & (rng.random(n) < 0.3), 2] = 60.0
    return X, y


def settings(undersample: float = 0.1, seed: int = 1, **more: object) -> ModelSettings:
    experts = (
        NeighboursSettings(undersample=undersample),
        LinearSettings(undersample=undersample / 2),
        TreeSettings(undersample=undersample),
        PersistenceSettings(),
        RareClassSettings(),
    )
    return ModelSettings(features=FEATURES, classes=CLASSES, experts=experts, seed=seed, **more)


def late(model: Classifier, X: Floats, y: Ints, poll: int) -> Floats:
    """Score X in polls of this size, with labels that come `DELAY` events late; returns BetP [B, 2]."""
    said, betp = [], []
    for start in range(0, len(X), poll):
        stop = min(start + poll, len(X))
        for i in range(start, stop):
            scores = model.score(Batch.of(X[i : i + 1]))
            betp.append(scores.betp)
            said.append(scores.context(0))
            j = i - DELAY
            if j >= 0:
                one = slice(j, j + 1)
                batch = FeedbackBatch(Batch.of(X[one]), [CLASSES[y[j]]], np.ones(1), said[one], [()])
                model.learn(batch)
    return np.concatenate(betp)


def bits(model: Classifier) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in model.state_dict().items()}


@pytest.mark.parametrize("poll", [1, 7, 1_000])
def test_how_labels_are_cut_into_polls_changes_no_bit(poll: int) -> None:
    X, y = stream(1_300)
    once, often = Classifier(settings()), Classifier(settings())
    whole = once.learn_at_once(Batch.of(X), y, np.ones(len(y)))
    cut = [
        often.learn_at_once(Batch.of(X[i : i + poll]), y[i : i + poll], np.ones(len(y[i : i + poll])))
        for i in range(0, len(y), poll)
    ]
    assert once.mixture.pool.undersampling.weights()[0, 0] < 0.7  # or it would not be tried
    assert once.mixture.inputs.clipping.tells[2]
    assert np.concatenate(cut).tobytes() == whole.tobytes()
    assert bits(once) == bits(often)


def test_a_lagged_pass_has_the_bits_of_one_event_after_the_other() -> None:
    X, y = stream(1_300)
    plain, passed = Classifier(settings()), Classifier(settings())
    expected = late(plain, X, y, 1)
    lagged, betp = LaggedClassifier(passed), []
    for start in range(0, len(X), 200):
        stop = min(start + 200, len(X))
        first, last = max(start - DELAY, 0), max(stop - DELAY, 0)
        ahead = np.maximum(np.arange(start, stop) - DELAY, 0) - first
        # The service learns what is due after it has answered an event.
        due = DueLabels(np.arange(first, last), [CLASSES[k] for k in y[first:last]], np.ones(last - first))
        betp += [run.verdicts.betp for run in lagged(Batch.of(X[start:stop]), ahead, due, oldest=last)]
    assert np.concatenate(betp).tobytes() == expected.tobytes()
    assert bits(plain) == bits(passed)


def test_a_tree_finds_a_rare_class_by_it() -> None:
    """Of a class of one in 500 a tree saw so little among the others that it never split for it."""
    rng = np.random.default_rng(101)
    y = (rng.random(20_000) < 1 / 500).astype(np.int64)
    X = rng.normal(size=(20_000, 4))
    X[y == 1, :2] += 2.5
    found = {}
    for undersample in (0.0, 0.1):
        experts = (TreeSettings(undersample=undersample),)
        model = Classifier(ModelSettings(features=FEATURES, classes=CLASSES, experts=experts))
        betp = model.learn_at_once(Batch.of(X), y, np.ones(len(y)))[4_000:, 1]
        hits = y[4_000:][np.argsort(-betp, kind="stable")]
        found[undersample] = (hits.cumsum() / np.arange(1, len(hits) + 1))[hits == 1].mean()
        if undersample:
            assert betp.mean() < 3.0 * y[4_000:].mean()  # corrected: it has learnt fifty times as many of them
    assert found[0.1] > found[0.0] + 0.05


def test_where_classes_are_even_it_changes_no_bit() -> None:
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(1_500, 4)), rng.integers(0, 2, 1_500)
    betp = [
        Classifier(settings(undersample)).learn_at_once(Batch.of(X), y, np.ones(len(y))) for undersample in (0.0, 0.1)
    ]
    assert betp[0].tobytes() == betp[1].tobytes()


def test_a_snapshot_goes_on_with_the_same_draws(tmp_path: Path) -> None:
    X, y = stream(1_600)
    model = Classifier(settings())
    model.learn_at_once(Batch.of(X[:900]), y[:900], np.ones(900))
    model.save(tmp_path)
    other = Classifier.load(tmp_path)
    rest = [one.learn_at_once(Batch.of(X[900:]), y[900:], np.ones(700)) for one in (model, other)]
    assert rest[0].tobytes() == rest[1].tobytes()
    assert bits(model) == bits(other)


def test_another_seed_draws_others() -> None:
    y = stream(4_000)[1]
    draws = []
    for seed in (1, 2):
        drawing = Undersampling(settings(seed=seed))
        drawing.resize(2)
        drawn = drawing.learn(y)
        assert drawn is not None
        draws.append(drawn.kept)
    assert (draws[0] != draws[1]).any()


def test_the_lifecycle_spares_experts_whose_worth_the_router_cannot_see() -> None:
    """Where 98 of 100 events are of one class, every expert answers that one: the best for the rest was begun anew."""
    X, y = stream(4_000)
    quick = LifecycleSettings(window=400, minimum_age=400, patience=1, starved=0.9)
    model = Classifier(settings(lifecycle=quick))
    model.learn_at_once(Batch.of(X), y, np.ones(len(y)))
    begun = [health.events["regrown"] + health.events["retired"] for health in model.lifecycle.health()]
    assert begun[:3] == [0, 0, 0]
    assert begun[3] > 0


def test_an_expert_that_reads_texts_or_hears_others_learns_every_event() -> None:
    for kind in (SS3Settings, RareClassSettings):
        with pytest.raises(ValidationError, match="undersample"):
            kind(undersample=0.1)
