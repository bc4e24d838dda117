"""What abstention can control beside coverage: errors, classes, costs; and its snapshots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tocsin.config.abstention import AbstentionSettings as Settings
from tocsin.models.data.batch import Bools, Floats
from tocsin.models.data.belief import doubts
from tocsin.models.decision.abstention import UNCERTAIN, Abstention, Today
from tocsin.models.decision.promise.answers import Answer

from .abstention_streams import judged, warm

# The error among what is decided


def answers(rows: int, seed: int, inverse_temperature: float = 2.0) -> tuple[Floats, Any]:
    """BetP [B, 3] of a calibrated model, and true classes."""
    rng = np.random.default_rng(seed)
    betp = rng.dirichlet(np.ones(3) / inverse_temperature, rows)
    return betp, (rng.random(rows)[:, None] > betp.cumsum(axis=1)).sum(axis=1).clip(max=2)


def selected(made: Abstention, betp: Floats, y: Any, delay: int) -> tuple[Bools, Bools]:
    """Which events of a stream with late labels were decided, and which answers were right."""
    limits, decided = [], []
    score, doubt = 1.0 - betp[np.arange(len(y)), y], doubts(betp)
    for i in range(len(y)):
        limits.append(made.threshold())
        decided.append(bool(made.judge(betp[i : i + 1], np.zeros(1), np.zeros(1, np.bool_))[0][0]))
        if i >= delay:
            at = i - delay
            known = max(at - delay, 0)
            made.learn(float(score[at]), limits[at], made.count - known, float(doubt[at]), int(y[at]))
    return np.array(decided), betp.argmax(axis=1) == y


@pytest.mark.parametrize("delay", [0, 100, 2_000])
def test_the_error_among_decided_events_is_at_most_the_target(delay: int) -> None:
    betp, y = answers(16_000, 3)  # a quarter is decided: one standard error of their error is .005
    made = Abstention(Settings(controls="error", error=0.1))
    decided, right = selected(made, betp, y, delay)
    assert not decided[: max(delay, 30)].any()
    late = decided[2 * delay + 500 :], right[2 * delay + 500 :]
    assert 1 - right.mean() > 0.2  # deciding all would be far off
    assert 1 - late[1][late[0]].mean() <= 0.11
    surest = np.sort(doubts(betp))
    best = (surest.cumsum() <= 0.1 * np.arange(1, len(surest) + 1)).mean()  # what knowing the chances would decide
    assert 0.6 * best < late[0].mean() <= 1.1 * best


def test_a_model_better_than_the_target_decides_all_but_ties() -> None:
    made = Abstention(Settings(controls="error", error=0.1, window=100))
    betp = np.tile([0.9, 0.1], (300, 1))
    decided, _ = selected(made, betp, np.zeros(300, np.int64), 0)
    assert decided[-100:].all()
    assert judged(made, [0.5, 0.5])[0] is False


def test_a_run_of_errors_shuts_the_door_but_does_not_lock_it() -> None:
    made = Abstention(Settings(controls="error", error=0.1, window=100, late_window=200, gain=0.05))
    betp = np.tile([0.9, 0.1], (900, 1))
    y = np.zeros(900, np.int64)
    y[300:450] = 1
    decided, _ = selected(made, betp, y, 0)
    assert decided[250:300].all()
    assert not decided[330:470].any()  # after some fifteen errors, until about thirty answers were right again
    assert decided[-100:].all()


def test_the_level_never_allows_more_errors_than_were_asked_for() -> None:
    made = Abstention(Settings(controls="error", error=0.1))
    selected(made, *answers(2_000, 5, inverse_temperature=9.0), 0)
    assert 0.0 < made.alpha <= 0.1


def test_today_s_answers_are_what_counts_after_a_drift() -> None:
    """What was said from the drift until its labels came is wrong. The model has learnt since, after sixty of them."""
    said, now = Abstention(Settings(controls="error")), Abstention(Settings(controls="error"))
    limits: list[tuple[float, float]] = []
    for i in range(4_000):
        wrong = 2_000 <= i < 2_560
        limits.append((said.threshold(), now.threshold()))
        for made, today, limit in zip((said, now), (wrong, 2_000 <= i < 2_060), limits[max(i - 500, 0)], strict=True):
            judged_by = limit if i > 500 else math.inf
            made.learn(0.9 if wrong else 0.1, judged_by, min(i, 500), 0.1, today=Today(Answer(0.1, today), 1.0))
    decided = np.array(limits)[2_150:] >= 0.1
    assert decided[:, 1].all()
    assert not decided[:350, 0].any()


def test_while_nothing_is_decided_sets_still_hold_what_is_possible() -> None:
    made = Abstention(Settings(controls="error", error=0.1, cold_start=1))
    for _ in range(100):
        made.learn(0.6, math.inf, 0, 0.4)  # always wrong
    assert made.threshold() == -1.0
    assert judged(made, [0.6, 0.4]) == (False, UNCERTAIN, [True, True])


# Per class


@pytest.mark.parametrize("delay", [0, 2_000])
def test_a_rare_class_keeps_its_own_coverage(delay: int) -> None:
    rng = np.random.default_rng(8)
    rows = 14_000
    y = (rng.random(rows) < 0.05).astype(np.int64)
    p = np.where(y == 1, rng.beta(2, 3, rows), rng.beta(1, 9, rows))  # the rare class is often missed
    betp = np.stack([1 - p, p], axis=1)
    coverage = {}
    for per_class in (False, True, "auto"):
        made = Abstention(Settings(per_class=per_class, error=0.1, gain=0.005))
        covered = np.zeros(rows, np.bool_)
        for i in range(rows):
            covered[i] = 1 - betp[i, y[i]] <= made.thresholds(2)[y[i]]
            if i >= delay:
                at = i - delay
                made.learn(float(1 - betp[at, y[at]]), math.inf, made.count - max(at - delay, 0), math.inf, int(y[at]))
        settled = np.arange(rows) > 2 * delay + 2_000
        coverage[per_class] = [covered[settled & (y == k)].mean() for k in (0, 1)]
    assert coverage[False][1] < 0.7
    assert coverage["auto"] == coverage[True]
    # Some 400 rare events: four standard errors are .06.
    assert coverage[True][1] == pytest.approx(0.9, abs=0.06)
    assert coverage[True][0] == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.3, 0.7), (0.1,) * 10])
def test_even_classes_change_no_bit_of_anything(shares: tuple[float, ...]) -> None:
    rng = np.random.default_rng(9)
    y = rng.choice(len(shares), 4_000, p=shares)
    scores = rng.beta(2, 5, len(y))
    plain, auto = Abstention(Settings(per_class=False)), Abstention(Settings())
    for score, label in zip(scores.tolist(), y.tolist(), strict=True):
        assert auto.limits(len(shares)) is None
        assert auto.thresholds(len(shares)).tolist() == plain.thresholds(len(shares)).tolist()
        for made in (plain, auto):
            made.learn(score, made.threshold(), 3, math.inf, label)
    assert auto.alpha == plain.alpha


@pytest.mark.parametrize("values", [{"controls": "error"}, {"steering": "pid"}])
def test_where_classes_can_have_no_thresholds_of_their_own_auto_is_off(values: dict[str, Any]) -> None:
    made = Abstention(Settings(**values))
    for i in range(3_000):
        made.learn(0.5, made.threshold(), 0, 0.2, int(i % 50 == 0))
    assert made.limits(2) is None


def test_a_snapshot_keeps_whether_a_class_is_rare() -> None:
    made, other = Abstention(Settings()), Abstention(Settings())
    for i in range(3_000):
        made.learn(0.9 if i % 50 == 0 else 0.1, made.threshold(), 0, math.inf, int(i % 50 == 0))
        if i == 1_500:
            other.load_state_dict(made.state_dict())
        elif i > 1_500:
            other.learn(0.9 if i % 50 == 0 else 0.1, other.threshold(), 0, math.inf, int(i % 50 == 0))
    assert made.limits(2) == other.limits(2) == pytest.approx([0.1, 0.9])


def test_a_class_with_too_few_labels_shares_the_threshold_of_all() -> None:
    made = Abstention(Settings(per_class=True, error=0.1, cold_start=1))
    for _ in range(100):
        made.learn(0.3, math.inf, 0, math.inf, 0)
    for _ in range(8):
        made.learn(0.8, math.inf, 0, math.inf, 2)
    assert made.thresholds(4).tolist() == pytest.approx([0.3] * 4)
    made.learn(0.8, math.inf, 0, math.inf, 2)
    assert made.thresholds(4).tolist() == pytest.approx([0.3, 0.3, 0.8, 0.3])


@pytest.mark.parametrize("delay", [0, 500])
def test_the_level_of_each_class_follows_its_own_errors(delay: int) -> None:
    rng, rows = np.random.default_rng(3), 24_000
    y = (rng.random(rows) < 0.2).astype(np.int64)
    # The scores of class 1 grow all the time, so that what its window saw is behind.
    rising = np.clip(rng.normal(0.3 + 0.6 * np.arange(rows) / rows, 0.05), 0, 1)
    scores = np.where(y == 1, rising, rng.beta(1, 9, rows))
    coverage = {}
    for gain in (0.0, 0.0025):
        made, limits, covered = Abstention(Settings(per_class=True, gain=gain)), [], np.zeros(rows, np.bool_)
        for i in range(rows):
            limits.append((made.threshold(), made.limits(2) or [math.inf, math.inf]))
            covered[i] = scores[i] <= made.thresholds(2)[y[i]]
            if i >= delay:
                at = i - delay
                threshold, own = limits[at]
                late = made.count - max(at - delay, 0)
                made.learn(float(scores[at]), threshold, late, math.inf, int(y[at]), own[y[at]])
        coverage[gain] = [covered[4_000:][y[4_000:] == k].mean() for k in (0, 1)]
    assert coverage[0.0][1] < 0.85
    assert coverage[0.0025] == pytest.approx([0.9, 0.9], abs=0.01)


def test_a_class_is_judged_by_the_threshold_that_was_its_own() -> None:
    made = warm([0.5] * 50, per_class=True)
    made.learn(0.6, 0.9, 0, math.inf, 1, 0.5)  # within the threshold of all, beyond that of its class
    level, levels = made.alpha, made.state_dict()["class_alphas"]
    assert level > 0.1
    assert levels[1] < 0.1 == levels[0]
    made.learn(0.6, 0.9, 0, math.inf, 1)
    assert made.state_dict()["class_alphas"].tolist() == levels.tolist()  # it had none: nothing to hold against it


# Costs


def test_the_class_of_least_expected_cost_is_decided() -> None:
    classes = ("honest", "fraud")
    made = Abstention(
        Settings(controls="cost", costs={"fraud": {"honest": 50.0}}, abstain_cost=0.95, cold_start=1, error=0.1)
    )
    made.learn(0.1, math.inf, 0)
    betp = np.array([[0.99, 0.01], [0.9, 0.1], [0.97, 0.03], [0.1, 0.9]])
    decided, reasons, _ = made.judge(betp, np.zeros(4), np.zeros(4, np.bool_), classes)
    assert made.labels(betp, classes).tolist() == [0, 1, 1, 1]
    assert decided.tolist() == [True, True, False, True]  # 0.5, 0.9, 0.97 and 0.1
    assert list(reasons) == [None, None, UNCERTAIN, None]


# Snapshots


@pytest.mark.parametrize(
    "values", [{"controls": "error"}, {"per_class": True}, {"steering": "pid"}], ids=["error", "per-class", "pid"]
)
def test_a_restored_rule_goes_on_alike(values: dict[str, Any]) -> None:
    made, other = (Abstention(Settings(window=200, **values)) for _ in range(2))
    betp, y = answers(900, 1)
    selected(made, betp[:500], y[:500], 20)
    other.load_state_dict({name: array.copy() for name, array in made.state_dict().items()})
    assert np.array_equal(selected(made, betp[500:], y[500:], 20)[0], selected(other, betp[500:], y[500:], 20)[0])
    for name, array in made.state_dict().items():
        assert np.array_equal(array, other.state_dict()[name]), name
