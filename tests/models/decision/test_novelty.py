"""The gate between seen and unseen: as many false alarms as were asked for, and the unseen far above them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.abstention import AbstentionSettings as Settings
from tocsin.config.experts.linear import LinearSettings
from tocsin.config.experts.tree import TreeSettings
from tocsin.config.model import ModelSettings
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Bools, Floats, PredictionContext
from tocsin.models.data.feedback import FeedbackBatch
from tocsin.models.decision.novelty import Novelty, support

NAMES = ("a", "b", "c")


def clouds(rows: int, seed: int, centres: tuple[tuple[float, ...], ...] = ((0, 0), (4, 0))) -> tuple[Floats, Any]:
    """Points around centres, with the number of each one's centre."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(centres), rows)
    return np.array(centres, np.float64)[y] + rng.normal(size=(rows, 2)), y


def flagged(share: float, delay: int, rows: int = 12_000) -> Bools:
    """Which events of a stream that does not change are novel, where labels come so much later."""
    gate = Novelty(Settings(novelty=share))
    gate.resize([False, False])
    X, _ = clouds(rows, 1)
    support = np.random.default_rng(2).gamma(3.0, size=rows)
    known, result = np.zeros((rows, 2)), np.zeros(rows, np.bool_)
    for i in range(rows):
        known[i] = gate.nonconformity(X[i : i + 1], support[i : i + 1])[0]
        result[i] = gate.novel(known[i : i + 1])[0]
        if i >= delay:
            gate.learn(X[i - delay : i - delay + 1], known[i - delay : i - delay + 1])
    return result[delay + 2_000 :]


@pytest.mark.parametrize("delay", [0, 500])
@pytest.mark.parametrize("share", [0.02, 0.1])
def test_false_alarms_are_the_share_that_was_asked_for(share: float, delay: int) -> None:
    # The two scores do not agree on whom they flag, so nearly all of both halves count. Of 9,500 events the standard
    # error is .0014 and .003, and that of the window's own quantile comes on top.
    assert 0.7 * share < flagged(share, delay).mean() < 1.25 * share


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=120), st.integers(0, 8), st.floats(0.01, 0.5))
def test_novel_is_what_the_p_value_says(past: list[int], score: int, share: float) -> None:
    gate = Novelty(Settings(novelty=share, novelty_window=50))
    gate.learn(np.zeros((len(past), 0)), np.array([[float(s), 0.0] for s in past]))
    window = past[-50:]
    p = (1 + sum(s >= score for s in window)) / (len(window) + 1)
    assert gate.novel(np.array([[float(score), 0.0]]))[0] == (p <= share / 2)


def test_too_few_scores_tell_nothing() -> None:
    gate = Novelty(Settings(novelty=0.01))
    gate.learn(np.zeros((198, 0)), np.zeros((198, 2)))
    assert not gate.novel(np.array([[9.0, 9.0]]))[0]
    gate.learn(np.zeros((1, 0)), np.zeros((1, 2)))
    assert gate.novel(np.array([[9.0, 9.0]]))[0]


def test_events_whose_scores_are_not_known_are_remembered_all_the_same() -> None:
    gate = Novelty(Settings())
    gate.resize([False])
    gate.learn(np.array([[0.0], [10.0]]), np.full((2, 2), np.nan))
    assert gate.state_dict()["known"] == 0
    assert gate.nonconformity(np.array([[10.0]]), np.ones(1)).tolist() == [[0.0, -1.0]]


def test_a_new_column_and_a_snapshot_leave_it_going() -> None:
    gate, other = Novelty(Settings(novelty=0.1)), Novelty(Settings(novelty=0.1))
    gate.resize([False])
    gate.predict_then_learn(np.random.default_rng(0).normal(size=(300, 1)), np.ones(300))
    gate.resize([False, True])
    X = np.random.default_rng(1).normal(size=(50, 2))
    gate.predict_then_learn(X, np.ones(50))
    other.resize([False, True])
    other.load_state_dict({name: array.copy() for name, array in gate.state_dict().items()})
    for one in (gate, other):
        one.learn(X, np.full((50, 2), [0.5, 1.0]))
    assert np.array_equal(
        gate.novel(gate.nonconformity(3 * X, np.ones(50))), other.novel(other.nonconformity(3 * X, np.ones(50)))
    )
    for name, array in gate.state_dict().items():
        assert np.array_equal(array, other.state_dict()[name], equal_nan=True), name


# In the classifier


def taught(delay: int, share: float = 0.02) -> Classifier:
    """A classifier that has learnt two clouds, with labels so late."""
    settings = ModelSettings(
        experts=(TreeSettings(), LinearSettings()),
        classes=("0", "1", "2"),
        abstention=Settings(novelty=share, abstain_novel=True, error=0.3),
    )
    model = Classifier(settings)
    model.widen(["x", "y"], [False, False], ["0", "1", "2"])
    X, y = clouds(4_000, 3)
    seen: list[PredictionContext] = []
    for start in range(0, len(X), 50):
        scores = model.score(Batch.of(X[start : start + 50]))
        seen += [scores.context(i) for i in range(50)]
        past = slice(max(start - delay, 0), max(start + 50 - delay, 0))
        rows = past.stop - past.start
        if rows:
            labels = [str(k) for k in y[past]]
            model.learn(FeedbackBatch(Batch.of(X[past]), labels, np.ones(rows), seen[past], [()] * rows))
    return model


def share_of_novel(model: Classifier, X: Floats) -> float:
    return float(np.mean([reason == "novel" for reason in model.score(Batch.of(X)).reasons]))


@pytest.mark.parametrize("delay", [0, 500])
def test_the_unseen_is_flagged_far_above_the_false_alarms(delay: int) -> None:
    model = taught(delay)
    assert share_of_novel(model, clouds(2_000, 4)[0]) < 0.04
    assert share_of_novel(model, clouds(500, 5, ((0, 9),))[0]) > 0.9  # a class that never was
    assert share_of_novel(model, clouds(500, 6)[0] + 6.0) > 0.9  # inputs that have moved
    assert share_of_novel(model, clouds(500, 7)[0] * 4.0) > 0.3  # inputs that have spread


def test_a_class_between_two_others_is_found_though_no_feature_is_out_of_range() -> None:
    X, y = clouds(4_000, 8, ((-6, -6), (6, 6)))
    model = Classifier(
        ModelSettings(experts=(TreeSettings(),), classes=("0", "1"), abstention=Settings(abstain_novel=True, error=0.3))
    )
    model.widen(["x", "y"], [False, False], ["0", "1"])
    model.learn_at_once(Batch.of(X), y, np.ones(len(y)))
    other = clouds(500, 9, ((-6, 6), (6, -6)))[0]
    assert np.abs(model.mixture.judge.novelty._scaler.distances(other)).max() < 2.0
    assert share_of_novel(model, other) > 0.9


def test_support_is_summed_in_one_order_whatever_the_batch() -> None:
    rng = np.random.default_rng(11)
    evidence, engaged = rng.gamma(0.3, 40.0, (50, 7, 3)), rng.random((50, 7)) < 0.7
    plain = np.zeros(50)
    for e in range(7):
        for k in range(3):
            plain += np.where(engaged[:, e], evidence[:, e, k], 0.0)
    assert support(evidence, engaged).tobytes() == plain.tobytes()
    assert support(evidence[3:4], engaged[3:4]).tobytes() == plain[3:4].tobytes()
    assert support(np.zeros((0, 7, 3)), np.zeros((0, 7), np.bool_)).shape == (0,)
    assert support(np.zeros((2, 7, 0)), np.zeros((2, 7), np.bool_)).tolist() == [0.0, 0.0]
