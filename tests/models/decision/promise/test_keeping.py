"""The whole rule on made-up labels: errors, silence after a drift, quick labels, the state, and its snapshots."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.models.decision.promise.answers import Answer
from tocsin.models.decision.promise.collapses import MOST, OPEN, Collapses, Counted, Stretch
from tocsin.models.decision.promise.keeping import Keeping, Outcome
from tocsin.models.decision.promise.state import AT_RISK, CANNOT, KEPT, LatestDecisions, Promise, promise

RELEARNT = 150
"""Labels after which the model of these tests knows a new concept."""


class World(NamedTuple):
    """Events of a model whose answers are calibrated while nothing changes, and all wrong after a drift."""

    doubt: Any
    wrong: Any
    now_wrong: Any


def world(events: int, delay: int, drifts: tuple[int, ...], seed: int = 1) -> World:
    rng = np.random.default_rng(seed)
    doubt = rng.beta(1.0, 14.0, events) * 0.5
    usual = rng.random(events) < doubt
    wrong, now_wrong = usual.copy(), usual.copy()
    for at in drifts:
        wrong[at : at + delay + RELEARNT] ^= True
        now_wrong[at : at + RELEARNT] ^= True
    return World(doubt, wrong, now_wrong)


def kept(made: Keeping, events: World, delay: int, quick: float = 0.0) -> tuple[Any, list[Promise], Any]:
    """Which events are decided, the state after each, and for which a quick label was asked."""
    n = len(events.doubt)
    decided, asked, at = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.int64)
    drawn, states = np.random.default_rng(7).random(n), []
    for i in range(n):
        at[i] = made.count
        decided[i] = not made.cold and events.doubt[i] <= made.threshold
        asked[i] = not made.cold and events.doubt[i] <= made.watched and drawn[i] < made.asks(quick)
        for past, is_quick in ((i - 20, True), (i - delay, False)):
            if past >= 0 and asked[past] == is_quick:
                said = Answer(float(events.doubt[past]), bool(events.wrong[past]))
                now = said if is_quick else Answer(said.doubt, bool(events.now_wrong[past]))
                made.learn(Outcome(bool(decided[past]), said, now, made.count - int(at[past])))
        states.append(made.promise)
    return decided, states, asked


def test_errors_are_at_most_the_target_and_one_point_where_drifts_are_far_apart() -> None:
    events = world(20_000, 300, (8_000, 14_000))
    decided, states, _ = kept(Keeping(0.1, 3_000, 30), events, 300)
    assert events.wrong[decided].mean() <= 0.11
    assert decided[2_000:].mean() > 0.7
    assert [one.state for one in states[::2_000]][2:] == [KEPT] * 8
    assert states[-1].drifts_every == 10_000.0
    assert states[-1].reason is None


def test_nothing_is_decided_from_the_alarm_until_the_model_has_learnt() -> None:
    events = world(9_000, 300, (6_000,))
    decided, _, _ = kept(Keeping(0.1, 3_000, 30), events, 300)
    assert decided[6_000:6_300].mean() > 0.7
    assert not decided[6_345:6_440].any()
    assert decided[6_600:].mean() > 0.7


def test_failure_drifts_that_come_too_often_are_said() -> None:
    events = world(16_000, 500, tuple(range(4_000, 16_000, 2_000)))
    decided, states, _ = kept(Keeping(0.1, 3_000, 30), events, 500)
    assert events.wrong[decided].mean() > 0.15
    told = next(i for i, one in enumerate(states) if one.state == CANNOT)
    share = np.array([events.wrong[:i][decided[:i]].mean() for i in range(4_000, told + 1)])
    assert told - (4_000 + int((share > 0.11).argmax())) <= 1.2 * 500
    assert states[-1].reason == "drifts come every 2000 labels, and labels come 500 late"


def test_quick_labels_shorten_what_a_drift_costs() -> None:
    events = world(16_000, 500, tuple(range(4_000, 16_000, 2_000)))
    decided, _, asked = kept(Keeping(0.1, 3_000, 30, quick=True), events, 500, quick=0.02)
    assert events.wrong[decided].mean() <= 0.11
    assert 0.01 < asked.mean() < 0.05


def test_more_is_asked_after_a_wrong_quick_label() -> None:
    made = Keeping(0.1, 3_000, 30, quick=True)
    kept(made, world(4_000, 300, ()), 300, quick=0.02)
    assert made.asks(0.01) == 0.01
    assert made.quick_within == 74
    wrong = Answer(0.01, True)
    made.learn(Outcome(True, wrong, wrong, 20))
    assert made.asks(0.01) == pytest.approx(5.0 / 20.0, rel=0.2)


def test_a_label_is_quick_by_its_delay_alone() -> None:
    made = Keeping(0.1, 3_000, 30, quick=True)
    right = Answer(0.01, False)
    for _ in range(200):
        made.learn(Outcome(False, right, right, 400))
    made.learn(Outcome(False, right, right, 100))
    assert (made.delay, made.quick_delay) == (400.0, 100.0)
    made.learn(Outcome(False, right, right, 101))
    assert made.delay < 400.0


def test_a_label_that_was_not_asked_for_is_not_quick() -> None:
    """Where delays vary, a fifth of the labels came so early, and their sensitive sum shut the gate for nothing."""
    rng = np.random.default_rng(11)
    made = Keeping(0.1, 3_000, 30, quick=0.01)
    for i in range(12_000):
        doubt = float(rng.beta(1.0, 14.0) * 0.5)
        answer = Answer(doubt, bool(rng.random() < doubt))
        decided = not made.cold and doubt <= made.threshold
        made.learn(Outcome(decided, answer, answer, min(i, int(rng.exponential(500))), float(rng.random())))
    assert made.promise.drifts_every is None
    assert 0 < made.state_dict()["counts"][2] < 120


def test_what_was_asked_for_is_judged_by_the_share_of_its_own_time() -> None:
    made = Keeping(0.1, 3_000, 30, quick=0.01)
    kept(made, world(4_000, 300, ()), 300)
    before, wrong = made.count, Answer(0.01, True)
    made.learn(Outcome(True, wrong, wrong, 20, 0.0))
    assert made.asks(0.01) > 0.1
    quicks = int(made.state_dict()["counts"][2])
    made.learn(Outcome(True, wrong, wrong, 20, 0.05))  # of the time before more was asked for
    assert int(made.state_dict()["counts"][2]) == quicks
    for _ in range(30):
        made.learn(Outcome(False, wrong, Answer(math.inf, False), 300, 0.9))
    made.learn(Outcome(True, wrong, wrong, made.count - before - 10, 0.05))
    assert int(made.state_dict()["counts"][2]) == quicks + 1


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(1, 2_999), seed=st.integers(0, 99))
def test_a_restored_rule_goes_on_alike(cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = []
    for i in range(3_000):
        turned = 1_000 <= i < 1_200
        said, now = (Answer(float(d), bool((u < d) ^ turned)) for d, u in rng.random((2, 2)) * (0.5, 1.0))
        labels.append(Outcome(bool(rng.random() < 0.7), said, now, int(rng.choice((20, min(i, 400))))))
    made, other = Keeping(0.2, 500, 30, quick=True), Keeping(0.2, 500, 30, quick=True)
    for one in labels[:cut]:
        made.learn(one)
    other.load_state_dict({name: array.copy() for name, array in made.state_dict().items()})
    for one in labels[cut:]:
        made.learn(one)
        other.learn(one)
    mine, its = made.state_dict(), other.state_dict()
    assert mine.keys() == its.keys()
    assert all(np.array_equal(mine[name], its[name]) for name in mine)
    assert made.promise == other.promise


# Its parts


def test_what_was_put_aside_counts_where_it_was_a_false_alarm() -> None:
    for wrong, counts in ((0.1, True), (0.9, False)):
        made = Collapses(window=50)
        made.begin(Stretch(100, 100, 150, OPEN), Counted(1.0, 10.0))
        made.end(180)
        for i in range(100, 151):
            missed = float(i < 100 + 50 * wrong)
            made.put_aside(Counted(missed, 1.0), Answer(0.1, bool(missed)))
        assert made.within(180)
        assert not made.within(181)
        assert made.settle(180, 0.2).answers == []
        settled = made.settle(181, 0.2)
        assert (settled.counted.decided == 61.0, len(settled.answers) == 50) == (counts, counts)
        assert made.stretches == []


def test_failure_of_too_many_stretches_the_oldest_makes_room() -> None:
    made = Collapses(window=5)
    for i in range(MOST + 3):
        made.begin(Stretch(i, i, i, OPEN), Counted())
    assert len(made.stretches) == MOST
    assert made.stretches[0].first == 3


def test_the_promise_is_at_risk_while_too_little_is_known() -> None:
    assert promise(0.1, LatestDecisions()).state == AT_RISK
    calm = LatestDecisions(10_000, 9_000, 300, 450, 0, 0.03, 0, 500, True)
    assert promise(0.1, calm) == Promise(KEPT, 300 / 9_000, None, 500)
    assert promise(0.1, calm._replace(decided=400, wrong=4)).state == AT_RISK
    assert promise(0.1, calm._replace(open=False)).state == AT_RISK
    assert promise(0.1, calm._replace(wrong=1_010)).state == AT_RISK  # by luck, perhaps
    assert promise(0.1, calm._replace(stale=450, wrong=700)).state == CANNOT


@given(decided=st.integers(0, 10_000), wrong=st.floats(0, 1), waiting=st.floats(0, 9_000), stale=st.floats(0, 1))
def test_kept_is_never_said_of_what_labels_deny(decided: int, wrong: float, waiting: float, stale: float) -> None:
    known = LatestDecisions(10_000, decided, wrong * decided, waiting, stale * waiting, 0.05, 1, 500, True)
    if promise(0.1, known).state == KEPT:
        assert wrong <= 0.11
        assert (wrong * decided + stale * waiting) <= 0.11 * (decided + waiting)
