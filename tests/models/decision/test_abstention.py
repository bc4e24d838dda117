"""When to keep silent: thresholds from late labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.config.abstention import AbstentionSettings as Settings
from tocsin.models.data.batch import Floats
from tocsin.models.data.belief import pignistic
from tocsin.models.decision.abstention import ALPHA, COLD_START, CONFLICT, NOVEL, UNCERTAIN, Abstention, haste

from .abstention_streams import judged, stream, warm

# Coverage


def test_conformal_pid_covers_the_target_whatever_an_adversary_makes_of_the_scores() -> None:
    made = Abstention(Settings(error=0.1, cold_start=1, window=100, steering="pid"))
    missed = []
    for i in range(20_000):
        threshold = made.threshold()
        # Just above the threshold for two hundred events, then far below it for as long.
        score = min(threshold + 1e-6, 1.0) if i // 200 % 2 else 0.0
        missed.append(score > threshold)
        made.learn(score, threshold, 0)
    assert np.mean(missed) == pytest.approx(0.1, abs=0.02)


def test_conformal_pid_owes_nothing_for_a_time_when_no_error_was_possible() -> None:
    made = Abstention(Settings(error=0.1, cold_start=1, window=300, steering="pid"))
    for _ in range(5_000):  # one class is known, and it is certain
        made.learn(0.0, made.threshold(), 0)
    missed = 0
    for score in np.random.default_rng(0).random(500):
        missed += score > made.threshold()
        made.learn(float(score), made.threshold(), 0)
    assert missed < 200


def test_conformal_pid_moves_the_threshold_and_not_its_level() -> None:
    one, other = (warm(np.linspace(0, 0.5, 200), steering="pid") for _ in range(2))
    before = one.threshold()
    one.learn(0.4, before, 0)
    other.learn(0.4, 0.3, 0)  # the same score, missed by the threshold that judged it
    assert other.threshold() > one.threshold()
    assert one.alpha == other.alpha == 0.1


@pytest.mark.parametrize("steering", ["aci", "pid"])
@pytest.mark.parametrize("delay", [0, 100])
@pytest.mark.parametrize("error", [0.05, 0.1, 0.3])
def test_coverage_is_the_target_on_a_stream_that_does_not_drift(steering: str, delay: int, error: float) -> None:
    made = Abstention(Settings(error=error, cold_start=30, window=1_000, gain=0.005, steering=steering))
    covered = stream(made, 12_000, delay)[2_000:]
    # Adaptive conformal inference bounds the mean over T steps by (max(a, 1 - a) + gain) / (gain T), here .02; the
    # published traps measured .899 to .900 at delays up to 100. Four standard errors of the mean would be .012.
    assert covered.mean() == pytest.approx(1 - error, abs=0.02)
    windows = covered.reshape(-1, 2_000).mean(axis=1)
    assert np.abs(windows - (1 - error)).max() < 0.05


def test_a_long_delay_does_not_make_the_threshold_swing() -> None:
    made = Abstention(Settings(error=0.1, window=1_000))
    covered = stream(made, 30_000, 5_000)[10_000:]
    assert covered.mean() == pytest.approx(0.9, abs=0.03)
    assert covered.reshape(-1, 2_000).mean(axis=1).min() > 0.8


def test_the_threshold_follows_a_drift() -> None:
    made = warm(np.full(500, 0.1), window=200)
    for _ in range(400):
        made.learn(0.6, made.threshold(), 0)
    assert made.threshold() >= 0.6


def test_the_threshold_is_the_quantile_of_split_conformal_prediction() -> None:
    scores = np.linspace(0.01, 0.99, 99)
    made = warm(np.random.default_rng(0).permutation(scores), error=0.1)
    assert made.threshold() == pytest.approx(scores[89])  # the 90th of 99, for (99 + 1) * 0.9
    assert warm([0.2] * 5, error=0.1).threshold() == 1.0  # five labels cannot tell a tenth


def test_the_later_labels_come_the_further_back_is_looked() -> None:
    made = warm([0.9] * 400 + [0.1] * 300, window=300, error=0.3)
    assert made.threshold() == pytest.approx(0.1)
    made = Abstention(Settings(cold_start=1, window=300, late_window=700, error=0.3))
    for score in [0.9] * 400 + [0.1] * 300:
        made.learn(score, math.inf, 0)
    assert made.threshold() == pytest.approx(0.1)
    for _ in range(1_000):
        made.learn(0.1, math.inf, 2_000)
    made.learn(0.9, math.inf, 2_000)
    # Two fifths of 2,000 are more than it keeps: all 700 count, and no more.
    assert (made.delay, made.threshold()) == (pytest.approx(2_000, rel=0.01), pytest.approx(0.1))
    assert len(made.state_dict()["scores"]) == 700


@pytest.mark.parametrize("window", [20, 50, 97, 300, 301, 999])
def test_no_level_covers_all_where_the_scores_can_tell_the_target(window: int) -> None:
    made = warm(np.linspace(0.1, 0.5, window), window=window, error=0.1, gain=0.5)
    for _ in range(20):
        made.learn(0.5, 0.1, 0)
    assert made.alpha == ALPHA[0] < 1 / (window + 1)
    assert made.threshold() == 0.5  # the greatest score, not the 1.0 that holds every class


def test_gain_times_delay_is_bounded() -> None:
    assert haste(0) == haste(100) == 1.0
    products = [haste(delay) * delay for delay in (101, 500, 1_000, 2_000, 5_000, 100_000, 10**7)]
    assert products == sorted(products)
    assert products[0] == products[2] == pytest.approx(100)
    assert products[-1] == pytest.approx(200)


def test_only_the_window_counts() -> None:
    made = warm([0.9] * 100 + [0.1] * 20, window=20, error=0.2)
    assert made.threshold() == pytest.approx(0.1)


# What is fed back


def test_events_judged_before_the_threshold_was_warm_are_not_fed_back() -> None:
    made = warm([1.0] * 50)
    assert made.alpha == 0.1
    made.learn(0.5, 0.2, 0)
    assert made.alpha < 0.1


def test_an_error_lowers_the_level_and_a_hit_raises_it() -> None:
    made = warm([0.5] * 50, gain=0.01)
    made.learn(0.9, 0.5, 0)
    assert made.alpha == pytest.approx(0.1 + 0.01 * (0.1 - 1))
    made.learn(0.5, 0.5, 0)
    assert made.alpha == pytest.approx(0.1 + 0.01 * (0.1 - 1) + 0.01 * 0.1)


def test_each_label_is_held_against_the_threshold_that_judged_its_own_event() -> None:
    one, other = warm([0.5] * 50), warm([0.5] * 50)
    one.learn(0.6, 0.7, 0)
    other.learn(0.6, 0.5, 0)
    assert one.alpha > other.alpha


def test_the_gain_shrinks_as_labels_come_later() -> None:
    moves = []
    for delay in (0, 100, 200, 1_000, 100_000):
        made = warm([0.5] * 50)
        made.learn(0.9, 0.5, delay)
        moves.append(0.1 - made.alpha)
    assert moves[0] == moves[1]
    assert moves[1:] == sorted(moves[1:], reverse=True)
    assert moves[2] == pytest.approx(moves[0] / 2)
    assert moves[3] == pytest.approx(moves[0] / 10)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10_000)), max_size=200))
def test_no_run_of_luck_locks_the_level(labels: list[tuple[float, float, int]]) -> None:
    made = warm(gain=0.5, window=20)
    for label in labels:
        made.learn(*label)
        assert ALPHA[0] <= made.alpha <= ALPHA[1]
        assert 0 <= made.threshold() <= 1


# The rule


def test_the_reason_says_what_was_wrong() -> None:
    made = warm([0.3] * 100, conflict=0.4)
    made.learn(0.5, math.inf, 0)
    assert judged(made, [0.9, 0.1]) == (True, None, [True, False])
    made = warm([0.5] * 100, conflict=0.4)
    assert judged(made, [0.5, 0.5]) == (False, UNCERTAIN, [True, True])
    assert judged(made, [0.5, 0.5], conflict=0.4) == (False, CONFLICT, [True, True])
    assert judged(made, [0.5, 0.5], novel=True) == (False, NOVEL, [True, True])
    assert judged(made, [0.5, 0.5], conflict=0.9, novel=True) == (False, NOVEL, [True, True])
    assert judged(made, [0.9, 0.1], conflict=0.9, novel=True) == (True, None, [True, False])


def test_a_novel_event_is_decided_unless_the_config_says_otherwise() -> None:
    assert judged(warm([0.3] * 100), [0.9, 0.1], novel=True)[:2] == (True, None)
    made = warm([0.3] * 100, abstain_novel=True)
    assert judged(made, [0.9, 0.1], novel=True)[:2] == (False, NOVEL)
    assert judged(made, [0.9, 0.1])[:2] == (True, None)


def test_too_few_labels_are_a_cold_start() -> None:
    made = warm([0.5] * 29, cold_start=30)
    assert made.threshold() == math.inf
    assert judged(made, [0.99, 0.01]) == (False, COLD_START, [True, True])
    made.learn(0.5, math.inf, 0)
    assert judged(made, [0.99, 0.01])[0]


def test_a_cold_start_of_none_still_needs_one_label() -> None:
    made = Abstention(Settings(cold_start=0))
    assert made.cold
    assert not judged(made, [0.99, 0.01])[0]


def test_switched_off_it_decides_all() -> None:
    for made in (warm(enabled=False), warm([0.5] * 100, enabled=False)):
        assert judged(made, [0.5, 0.5])[:2] == (True, None)


def test_no_set_is_empty() -> None:
    made = warm([0.05] * 100)
    assert judged(made, [0.4, 0.35, 0.25]) == (True, None, [True, False, False])
    decided, reasons, sets = made.judge(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.bool_))
    assert (decided.shape, reasons, sets.shape) == ((0,), [], (0, 3))


def test_an_event_without_any_evidence_is_not_decided_by_the_order_of_the_classes() -> None:
    made = warm([0.05] * 100)
    assert judged(made, [0.5, 0.5]) == (False, UNCERTAIN, [True, True])
    assert judged(made, [0.4, 0.2, 0.4]) == (False, UNCERTAIN, [True, False, True])
    assert judged(made, [1 / 3 + 1e-16, 1 / 3, 1 / 3]) == (False, UNCERTAIN, [True, True, True])


def test_pignistic_probability_shares_out_what_is_not_known() -> None:
    betp: Floats = pignistic(np.array([[0.5, 0.1, 0.0], [0.0, 0.0, 0.0]]), np.array([0.4, 1.0]))
    np.testing.assert_allclose(betp, [[0.5 + 0.4 / 3, 0.1 + 0.4 / 3, 0.4 / 3], [1 / 3] * 3])


def test_a_restored_threshold_goes_on_alike() -> None:
    made, other = warm(np.random.default_rng(0).random(70), window=50), Abstention(Settings(cold_start=1, window=50))
    stream(made, 100, 3)
    other.load_state_dict({name: array.copy() for name, array in made.state_dict().items()})
    assert np.array_equal(stream(made, 100, 3, seed=1), stream(other, 100, 3, seed=1))
    assert made.threshold() == other.threshold()
    assert (made.alpha, made.count) == (other.alpha, other.count)


# Warming up


def test_scores_of_a_model_that_knew_nothing_do_not_make_the_threshold_of_one_that_has_learnt() -> None:
    made = Abstention(Settings(cold_start=30, window=1_000))
    for _ in range(500):
        made.learn(0.9, math.inf, made.count)  # the model had learnt nothing yet: it is as unsure of every class
    assert (made.count, made.known, made.cold) == (500, 1, True)  # the first had as many labels as came since: none
    for _ in range(100):
        made.learn(0.2, math.inf, 400)
    assert made.threshold() == pytest.approx(0.2)
