"""Priors that are followed: what is usual, what moves, and what late labels make of it."""

from typing import Any

import numpy as np
import pytest

from tocsin.config.model import ModelSettings
from tocsin.config.prior_shift import PriorShiftSettings as Settings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.prior_shift import PriorShift, RecentPriors
from tocsin.models.decision.scores import Scores
from tocsin.models.decision.streams import Streams

SETTINGS = Settings(enabled=True, window=100, memory=50, mature=10)


def usual(*p: float, settings: Settings = SETTINGS) -> PriorShift:
    shift = PriorShift(settings)
    shift.resize(len(p))
    for _ in range(settings.window):
        shift.learn(np.array(p), None, 0, settings.mature)
    return shift


def test_what_is_usual_is_the_mean_of_what_mature_models_said_lately() -> None:
    shift = PriorShift(SETTINGS)
    shift.resize(2)
    for _ in range(99):
        shift.learn(np.array([0.2, 0.8]), None, 0, 10)
        shift.learn(np.array([0.9, 0.1]), None, 0, 9)  # by a model that knew too little
    assert shift.usual is None
    shift.learn(np.array([0.2, 0.8]), None, 0, 10)
    found = shift.usual
    assert found is not None
    np.testing.assert_allclose(found, [0.2, 0.8])
    for _ in range(100):
        shift.learn(np.array([0.5, 0.5]), None, 1, 10)
    np.testing.assert_allclose(shift.usual, [0.5, 0.5])


def test_a_class_that_was_never_said_can_still_come() -> None:
    shift = usual(1.0, 0.0)
    found = shift.usual
    assert found is not None
    assert 0 < found[1] < 0.001
    shift.resize(3)
    wider = shift.usual
    assert wider is not None
    assert wider[2] == pytest.approx(wider[1])


def test_late_labels_take_its_say_from_what_misleads_and_give_it_back() -> None:
    shift = usual(0.5, 0.5)
    before = shift.trust
    assert before > 0.9
    misled = np.array([0.5, 0.5]), np.array([1.8, 0.2])
    for _ in range(40):
        shift.learn(*misled, 1, 10)
    assert shift.trust < 0.01
    for _ in range(40):
        shift.learn(*misled, 0, 10)
    assert shift.trust > 0.5
    for _ in range(40):
        shift.learn(*misled, 1, 10)
    for _ in range(1_000):  # what is not tried is forgotten
        shift.learn(misled[0], None, 0, 10)
    assert shift.trust == pytest.approx(before, abs=0.01)


def test_probabilities_move_as_far_as_priors_are_trusted() -> None:
    shift = usual(0.5, 0.5)
    betp, ratio = np.array([[0.4, 0.6], [0.4, 0.6]]), np.array([[1.5, 0.5], [1.0, 1.0]])
    found = shift.applied(betp, ratio)
    np.testing.assert_array_equal(found[1], betp[1])
    t = shift.trust
    np.testing.assert_allclose(found[0], t * np.array([2 / 3, 1 / 3]) + (1 - t) * betp[0])


def test_how_events_are_cut_makes_no_difference() -> None:
    rng = np.random.default_rng(0)
    p, common = rng.dirichlet([5.0, 1.0, 1.0], 300), np.array([0.2, 0.4, 0.4])
    whole = RecentPriors(SETTINGS)
    expected = whole.ratios(p, common)
    assert (expected[0] == 1.0).all()
    assert expected[-1, 0] > 2.0
    kept: bytes | None = None
    found = []
    for piece in np.split(p, [1, 8, 9, 100]):
        recent = RecentPriors(SETTINGS, kept)
        found.append(recent.ratios(piece, common))
        kept = recent.state()
    np.testing.assert_array_equal(np.concatenate(found), expected)
    assert kept == whole.state()


def test_a_class_that_comes_later_begins_as_usual() -> None:
    recent = RecentPriors(SETTINGS)
    recent.ratios(np.full((50, 2), 0.5), np.array([0.5, 0.5]))
    ratios = RecentPriors(SETTINGS, recent.state()).ratios(np.full((1, 3), 1 / 3), np.array([0.4, 0.4, 0.2]))
    assert ratios.shape == (1, 3)
    np.testing.assert_allclose(ratios, 1.0)


# In the classifier


def events(rng: np.random.Generator, n: int, share: float) -> tuple[Floats, list[str]]:
    y = rng.random(n) < share
    X = rng.normal(size=(n, 1)) + np.where(y, 0.8, -0.8)[:, None]
    return X, ["b" if label else "a" for label in y]


def taught(**how: Any) -> Classifier:
    config = ModelSettings(
        features=({"name": "x"},),
        classes=("a", "b"),
        prior_shift={"enabled": True, "window": 300, "mature": 100, "memory": 100, "least_gain": 0.02, **how},
    )
    model, rng = Classifier(config), np.random.default_rng(5)
    for _ in range(20):
        teach(model, *events(rng, 50, 0.2))
    return model


def of_one_stream(X: Floats) -> Streams:
    return Streams(np.zeros(len(X), np.int64), {})


def teach(model: Classifier, X: Floats, labels: list[str], follow: bool = False) -> Scores:
    scores = model.score(Batch.of(X), of_one_stream(X) if follow else None)
    seen = [scores.context(i) for i in range(len(X))]
    model.learn(FeedbackBatch(Batch.of(X), labels, np.ones(len(X)), seen, [()] * len(X)))
    return scores


def test_decisions_follow_priors_that_events_tell_of_before_labels_do() -> None:
    model, rng = taught(), np.random.default_rng(6)
    X, labels = events(rng, 1_000, 0.9)
    scores = model.score(Batch.of(X), of_one_stream(X))
    plain = model.score(Batch.of(X))
    y = np.array([label == "b" for label in labels], np.int64)
    assert plain.plain is None
    assert not plain.follows(999)
    assert scores.plain is not None
    np.testing.assert_array_equal(scores.plain, plain.betp)
    assert scores.follows(999)
    assert (scores.label == y)[300:].mean() > (plain.label == y)[300:].mean() + 0.05
    np.testing.assert_allclose(scores.belief.sum(axis=1) + scores.uncertainty, 1.0)
    assert scores.belief.min() >= 0.0
    assert (scores.belief.argmax(axis=1) == scores.label).all()
    assert (scores.uncertainty <= plain.uncertainty + 1e-12).all()
    np.testing.assert_allclose(scores.betp.sum(axis=1), 1.0)
    seen = scores.context(999)
    assert seen.plain is not None
    assert seen.ratio is not None
    assert seen.ratio[1] > 1.5
    assert plain.context(999).ratio is None


def test_without_a_shift_nothing_is_followed() -> None:
    model, rng = taught(least_gain=0.05), np.random.default_rng(6)
    X, _ = events(rng, 1_000, 0.2)
    scores = model.score(Batch.of(X), of_one_stream(X))
    assert not any(scores.follows(i) for i in range(1_000))
    assert scores.plain is not None
    np.testing.assert_array_equal(scores.betp, scores.plain)


def test_nobody_is_asked_where_it_is_off() -> None:
    model = taught(enabled=False)
    scores = model.score(Batch.of(np.zeros((1, 1))), of_one_stream(np.zeros((1, 1))))
    assert scores.ratio is None
    assert scores.priors == {}


def test_a_snapshot_keeps_what_is_usual_and_the_trust(tmp_path: Any) -> None:
    model, rng = taught(), np.random.default_rng(7)
    teach(model, *events(rng, 500, 0.9), follow=True)
    model.save(tmp_path / "s")
    other = Classifier.load(tmp_path / "s")
    assert isinstance(model.mixture.judge.prior_shift, PriorShift)
    assert isinstance(other.mixture.judge.prior_shift, PriorShift)
    np.testing.assert_array_equal(model.mixture.judge.prior_shift.usual, other.mixture.judge.prior_shift.usual)
    assert model.mixture.judge.prior_shift.trust == other.mixture.judge.prior_shift.trust
    X, labels = events(rng, 50, 0.5)
    teach(model, X, labels)
    teach(other, X, labels)
    np.testing.assert_array_equal(model.mixture.judge.prior_shift.usual, other.mixture.judge.prior_shift.usual)


def test_how_a_stream_is_cut_into_batches_leaves_no_trace_in_what_is_followed() -> None:
    model, rng = taught(), np.random.default_rng(6)
    X, _ = events(rng, 300, 0.9)
    whole = model.score(Batch.of(X), of_one_stream(X))
    states, betp = {}, []
    for i in range(0, 300, 7):
        part = X[i : i + 7]
        scores = model.score(Batch.of(part), Streams(np.zeros(len(part), np.int64), states))
        states, _ = dict(scores.priors), betp.append(scores.betp)
    np.testing.assert_array_equal(np.concatenate(betp), whole.betp)
    assert states == whole.priors


def test_scoring_leaves_the_priors_of_a_stream_as_they_were() -> None:
    model, rng = taught(), np.random.default_rng(6)
    X, _ = events(rng, 300, 0.9)
    before = dict(model.score(Batch.of(X), of_one_stream(X)).priors)
    given = Streams(np.zeros(len(X), np.int64), dict(before))
    model.score(Batch.of(X), given)
    assert given.priors == before
