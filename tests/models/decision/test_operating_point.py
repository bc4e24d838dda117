"""Operating points of rare classes: the greatest F1, by plain counting, and what is decided for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.abstention import AbstentionSettings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.model import ModelSettings
from tocsin.models import Batch, Classifier
from tocsin.models.data.snapshot import SnapshotError
from tocsin.models.decision.operating_point import (
    BINS,
    FADING_FACTOR,
    LEAST_HITS,
    LEAST_LIFT,
    OperatingPoint,
    bins_of,
    lower_end,
)

OLD = 10_000


def probabilities(n: int, seed: int, share: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated probabilities of two classes, the second rare, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    p = np.minimum(rng.gamma(0.2, share / 0.2, n), 0.95)
    return np.column_stack([1.0 - p, p]), (rng.random(n) < p).astype(np.int64)


def learnt(betp: np.ndarray, y: np.ndarray, cuts: tuple[int, ...] = (), rare_share: float = 0.1) -> OperatingPoint:
    point = OperatingPoint(rare_share)
    point.resize(betp.shape[1])
    for start, stop in zip((0, *cuts), (*cuts, len(y)), strict=True):
        point.learn(betp[start:stop], y[start:stop], np.full(stop - start, OLD))
    return point


def plainly(betp: np.ndarray, y: np.ndarray) -> float:
    """The threshold of the greatest F1 score of class 1, among the ends of bins, with old labels fading."""
    weight = FADING_FACTOR ** np.arange(len(y))[::-1]
    bins, best = bins_of(betp)[:, 1], (-1.0, math.inf)
    for place in range(BINS - 1, -1, -1):
        named = bins >= place
        hits = weight[named & (y == 1)].sum()
        lift = hits / max(weight[named].sum(), 1e-12) / (weight[y == 1].sum() / weight.sum())
        if hits < LEAST_HITS or lift < LEAST_LIFT:
            continue
        f1 = 2 * hits / (weight[y == 1].sum() + weight[named].sum())
        if f1 > best[0] + 1e-12:
            best = (f1, lower_end(place))
    return best[1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000))
def test_the_threshold_is_that_of_the_greatest_f1_score(seed: int) -> None:
    betp, y = probabilities(6_000, seed)
    assert learnt(betp, y).thresholds()[1] == pytest.approx(plainly(betp, y))


def test_how_labels_are_cut_into_calls_changes_no_bit() -> None:
    betp, y = probabilities(9_000, 3)
    whole, cut = learnt(betp, y).state_dict(), learnt(betp, y, (1, 700, 4_095, 4_096, 8_300)).state_dict()
    for name, array in whole.items():
        np.testing.assert_array_equal(array, cut[name])


def test_a_class_that_is_not_rare_or_hardly_known_has_no_operating_point() -> None:
    betp, y = probabilities(6_000, 4, share=0.2)
    assert np.isinf(learnt(betp, y).thresholds()).all()
    betp, y = probabilities(6_000, 4)
    assert np.isfinite(learnt(betp, y).thresholds()[1])
    assert np.isinf(learnt(betp[:300], y[:300]).thresholds()).all()
    assert np.isinf(learnt(betp, y, rare_share=0.0).thresholds()).all()


def test_what_a_young_model_said_tells_of_no_threshold() -> None:
    betp, y = probabilities(6_000, 5)
    point = OperatingPoint(0.1)
    point.resize(2)
    point.learn(betp, y, np.zeros(6_000, np.int64))
    assert np.isinf(point.thresholds()).all()


def test_a_rare_class_that_nobody_can_foretell_is_not_named_for_every_event() -> None:
    """The F1 score of naming all events grows with their number where probabilities say nothing."""
    rng = np.random.default_rng(10)
    y = (rng.random(8_000) < 0.02).astype(np.int64)
    p = 0.02 + 0.001 * rng.normal(size=8_000)
    betp = np.column_stack([1.0 - p, p])
    assert learnt(betp, y).raise_(betp, np.zeros(8_000, np.int64)).rows.mean() < 0.01


def test_with_more_classes_than_the_bound_no_class_has_an_operating_point() -> None:
    betp, y = probabilities(6_000, 11)
    point = learnt(betp, y)
    assert np.isfinite(point.thresholds()).any()
    point.resize(65)
    assert np.isinf(point.thresholds()).all()


def test_a_rare_class_is_decided_for_from_its_threshold_on() -> None:
    betp, y = probabilities(6_000, 6)
    point = learnt(betp, y)
    limit = point.thresholds()[1]
    assert limit < 0.5
    asked = np.array([[1 - limit, limit], [1 - 0.9 * limit, 0.9 * limit], [0.1, 0.9]])
    raised = point.raise_(asked, asked.argmax(axis=1))
    assert raised.label.tolist() == [1, 0, 1]
    assert raised.rows.tolist() == [True, False, False]  # the last is the most probable one anyway


def test_frauds_are_called_frauds_though_they_are_never_the_most_probable_class() -> None:
    """At its defaults the service decided `good` for each of 20,000 payments, 178 of which were frauds."""
    rng = np.random.default_rng(8)
    X = rng.normal(size=(12_000, 2))
    y = (rng.random(len(X)) < 1 / (1 + np.exp(8.0 - 3.0 * X[:, 0]))).astype(np.int64)
    found = {}
    for share in (0.0, 0.1):
        abstention, experts = AbstentionSettings(rare_share=share), (LinearSettings(step=0.002),)
        model = Classifier(ModelSettings(classes=("good", "fraud"), experts=experts, abstention=abstention))
        model.widen(["x", "y"], [False, False], ["good", "fraud"])
        model.learn_at_once(Batch.of(X), y, np.ones(len(y)))
        scores = model.score(Batch.of(X))
        called = scores.decided & (scores.label == 1)
        found[share] = int(y[called].sum())
        assert scores.sets[called, 1].all()
        assert np.isfinite(scores.raised_at).any() == (share > 0)
    assert y[called].mean() > 0.5
    assert found[0.1] > 60 > 10 > found[0.0]


def test_a_snapshot_of_other_classes_is_refused() -> None:
    betp, y = probabilities(3_000, 9)
    point, wider = learnt(betp, y), OperatingPoint(0.1)
    wider.resize(3)
    with pytest.raises(SnapshotError, match="operating points"):
        wider.load_state_dict(point.state_dict())
    again = OperatingPoint(0.1)
    again.resize(2)
    again.load_state_dict(point.state_dict())
    np.testing.assert_array_equal(again.thresholds(), point.thresholds())


@pytest.mark.parametrize("rare_share", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.4])
def test_thresholds_in_turns_are_those_of_asking_between_labels(rare_share: float, share: float) -> None:
    betp, y = probabilities(6_000, 3, share)
    said = np.where(np.arange(6_000) % 7 == 0, 0, OLD)
    many, one = learnt(betp[:1_000], y[:1_000], (), rare_share), learnt(betp[:1_000], y[:1_000], (), rare_share)
    ahead = np.maximum(np.arange(0, 5_000, 3) - 2, 0)
    together = many.thresholds_in_turns(ahead, betp[1_000:], y[1_000:], said[1_000:])
    apart, done = [], 1_000
    for due in (ahead + 1_000).tolist():
        one.learn(betp[done:due], y[done:due], said[done:due])
        apart.append(one.thresholds())
        done = due
    one.learn(betp[done:], y[done:], said[done:])
    assert together.tobytes() == np.array(apart).tobytes()
    assert [a.tobytes() for a in many.state_dict().values()] == [a.tobytes() for a in one.state_dict().values()]
    if share == 0.01 or not rare_share:
        assert np.isfinite(together).any() == (rare_share > 0.0)
