"""Alerts for subjects that write over time."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tocsin.config.early_risk import EarlyRiskSettings
from tocsin.models.data.subject_text import SubjectStanding
from tocsin.models.early_risk.peers import bin_of, empty, median_and_deviation
from tocsin.models.early_risk.policies import (
    HOUR,
    Post,
    RaisedAlert,
    SubjectRisk,
    add_post,
    excess,
    excess_per_post,
    log_odds,
    threshold_at,
)

CLASSES = ["calm", "risk", "other"]


def names(raised: list[RaisedAlert]) -> list[str]:
    return [alert.name for alert in raised]


def alerts_of(posts: list[list[float]], **settings: float) -> tuple[list[list[str]], SubjectRisk]:
    state = SubjectRisk()
    config = EarlyRiskSettings(classes=("risk",), **settings)  # type: ignore[arg-type]
    return [names(add_post(state, np.array(post), CLASSES, config)) for post in posts], state


def test_an_alert_is_raised_when_the_risk_exceeds_all_others_together() -> None:
    told, state = alerts_of([[2, 1, 1], [0, 3, 0], [0, 0.5, 0]])
    assert told == [[], ["risk"], []]
    assert state.alerts == {"risk": 2}


def test_a_risk_as_large_as_the_others_is_not_yet_one() -> None:
    assert alerts_of([[1, 2, 1]])[0] == [[]]


def test_it_is_raised_once_even_if_the_risk_passes_and_returns() -> None:
    told, state = alerts_of([[0, 1, 0], [9, 0, 0], [0, 99, 0]])
    assert told == [["risk"], [], []]
    assert state.alerts == {"risk": 1}


def test_it_waits_for_the_least_number_of_posts() -> None:
    told, state = alerts_of([[0, 5, 0]] * 4, minimum_posts=3)
    assert told == [[], [], ["risk"], []]
    assert state.alerts == {"risk": 3}


def test_it_waits_for_the_margin() -> None:
    assert alerts_of([[0, 1, 0]] * 4, margin=2.5)[0] == [[], [], ["risk"], []]


def test_without_classes_of_interest_there_are_no_alerts() -> None:
    state = SubjectRisk()
    assert add_post(state, np.array([9.0, 0, 0]), CLASSES, EarlyRiskSettings()) == []
    assert state.risk == {"calm": 9.0}


def test_a_class_that_is_discovered_later_adds_to_the_others() -> None:
    state = SubjectRisk()
    config = EarlyRiskSettings(classes=("risk",))
    add_post(state, np.array([1.0]), ["calm"], config)
    assert names(add_post(state, np.array([0.0, 3.0]), ["calm", "risk"], config)) == ["risk"]


@given(st.lists(st.lists(st.floats(0, 10), min_size=3, max_size=3), max_size=30), st.integers(1, 5))
def test_whatever_is_written_it_rings_at_most_once_and_adds_up(posts: list[list[float]], least: int) -> None:
    told, state = alerts_of(posts, minimum_posts=least)
    assert sum(map(len, told)) <= 1
    assert state.posts == len(posts)
    assert sum(state.risk.values()) == pytest.approx(float(np.sum(posts)) if posts else 0.0)
    for post, raised in enumerate(told, start=1):
        assert not raised or (post >= least and state.alerts["risk"] == post)


# What fades


def test_old_posts_fade_by_their_age() -> None:
    state = SubjectRisk()
    config = EarlyRiskSettings(classes=("risk",), half_life_hours=2.0)
    for hours in (0, 2, 2):
        add_post(state, np.array([0.0, 8.0, 0.0]), CLASSES, config, Post(time=hours * HOUR))
    assert state.risk == {"risk": pytest.approx(8 / 2 + 8 + 8)}


def test_a_post_that_comes_out_of_order_makes_nothing_grow() -> None:
    state = SubjectRisk()
    config = EarlyRiskSettings(classes=("risk",), half_life_hours=2.0)
    for hours in (4, 0):
        add_post(state, np.array([0.0, 8.0, 0.0]), CLASSES, config, Post(time=hours * HOUR))
    assert state.risk == {"risk": 16.0}
    assert state.time == 4 * HOUR


# The peer baseline


def raised_by_baseline(others: list[float], own: float, **settings: Any) -> list[RaisedAlert]:
    counts = empty()
    for value in others:
        counts[bin_of(value)] += 1
    config = EarlyRiskSettings(classes=("risk",), policy="peer-baseline", minimum_subjects=5, **settings)
    return add_post(SubjectRisk(), np.array([0.0, own, 0.0]), CLASSES, config, baselines={"risk": counts})


def test_it_rings_for_what_stands_out_among_the_live_subjects() -> None:
    others = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert raised_by_baseline(others, 7.5) == []
    [alert] = raised_by_baseline(others, 9.0)
    assert alert.threshold == pytest.approx(4 + 2 * 2, rel=0.06)
    assert [r.name for r in raised_by_baseline(others, 7.5, gamma=1.5)] == ["risk"]


def test_a_long_thread_does_not_ring_for_its_length() -> None:
    counts = empty()
    for value in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0):
        counts[bin_of(value)] += 1
    config = EarlyRiskSettings(classes=("risk",), policy="peer-baseline", minimum_subjects=5)
    state = SubjectRisk()
    for _ in range(50):
        assert add_post(state, np.array([0.0, 6.0, 0.0]), CLASSES, config, baselines={"risk": counts}) == []
    assert excess_per_post(state, "risk") == 6.0


def test_the_mean_post_of_a_subject_fades_with_its_posts() -> None:
    state = SubjectRisk()
    config = EarlyRiskSettings(classes=("risk",), policy="peer-baseline", half_life_hours=1.0)
    for hours in range(10):
        add_post(state, np.array([0.0, 6.0, 0.0]), CLASSES, config, Post(time=hours * HOUR))
    assert excess_per_post(state, "risk") == pytest.approx(6.0)
    add_post(state, np.array([6.0, 0.0, 0.0]), CLASSES, config, Post(time=19 * HOUR))
    assert excess_per_post(state, "risk") == pytest.approx(-6.0, rel=0.01)


def test_what_accumulated_before_anything_faded_is_of_as_many_posts() -> None:
    still, fading = (
        EarlyRiskSettings(classes=("risk",), policy="peer-baseline", half_life_hours=h) for h in (None, 1_000.0)
    )
    state = SubjectRisk()
    for config in (*[still] * 100, fading, *[still] * 99):
        add_post(state, np.array([0.0, 0.2, 0.0]), CLASSES, config)
        assert excess_per_post(state, "risk") == pytest.approx(0.2)


def test_a_class_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="named twice"):
        EarlyRiskSettings(classes=("risk", "risk"))


def test_a_few_subjects_have_no_median_to_stand_out_from() -> None:
    assert raised_by_baseline([1.0, 2.0, 3.0, 4.0], 99.0) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_median_and_deviation_are_within_a_bin_of_the_true_ones(values: list[float]) -> None:
    counts = empty()
    for value in values:
        counts[bin_of(value)] += 1
    ordered = sorted(values)
    true = ordered[(len(values) - 1) // 2]
    median, deviation = median_and_deviation(counts)
    assert median == pytest.approx(true, rel=0.026, abs=0.001)
    middle = sorted(abs(value - median) for value in values)[(len(values) - 1) // 2]
    assert deviation == pytest.approx(middle, rel=0.026, abs=0.03 * abs(true) + 0.026 * max(map(abs, values)) + 0.001)


# The fused belief


def beliefs(values: list[float], **settings: Any) -> tuple[list[bool], SubjectRisk]:
    state = SubjectRisk()
    config = EarlyRiskSettings(classes=("risk",), policy="fused", **settings)
    told = []
    for i, p in enumerate(values):
        belief = np.array([(1 - p) / 2, p, (1 - p) / 2])
        told.append(bool(add_post(state, np.zeros(3), CLASSES, config, Post(f"m{i}", i, belief))))
    return told, state


def test_it_rings_when_the_belief_stands_at_the_threshold() -> None:
    told, state = beliefs([0.5, 0.79, 0.81, 0.9], threshold=0.8)
    assert told == [False, False, True, False]
    assert state.alerts == {"risk": 3}


def test_the_first_posts_are_asked_for_more() -> None:
    settings = {"threshold": 0.6, "extra_threshold": 0.3, "extra_threshold_posts": 2.0}
    assert beliefs([0.8] * 4, **settings)[0] == [False, True, False, False]
    thresholds = [threshold_at(k, EarlyRiskSettings(**settings)) for k in (1, 2, 3, 100)]  # type: ignore[arg-type]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] == pytest.approx(0.9)
    assert thresholds[-1] == pytest.approx(0.6)


def test_a_belief_must_be_confirmed_and_a_dip_within_the_hysteresis_does_not_void_it() -> None:
    settings = {"threshold": 0.7, "confirmations": 2, "hysteresis": 0.1}
    assert beliefs([0.8, 0.65, 0.8], **settings)[0] == [False, False, True]
    assert beliefs([0.8, 0.55, 0.8, 0.8], **settings)[0] == [False, False, False, True]


def test_with_a_memory_posts_that_say_little_add_up() -> None:
    assert not any(beliefs([0.6] * 5, threshold=0.95)[0])
    told, state = beliefs([0.6] * 5, threshold=0.95, odds_fading_factor=1.0)
    assert any(told)
    assert state.odds["risk"] == pytest.approx(5 * (log_odds(0.6) + np.log(2)))


def test_a_certain_belief_is_worth_no_more_than_log_odds_can_hold() -> None:
    told, state = beliefs([1.0, 0.0, 1.0], threshold=0.99, odds_fading_factor=1.0)
    assert told[0]
    assert np.isfinite(state.odds["risk"])


def test_the_posts_that_mattered_most_are_named_and_no_more_than_asked_for() -> None:
    state = SubjectRisk()
    config = EarlyRiskSettings(classes=("risk",), explanation_posts=2, margin=50.0)
    values = [1.0, 9.0, 2.0, 30.0, 0.5, 20.0]
    told = [
        add_post(state, np.array([0.0, value, 0.0]), CLASSES, config, Post(f"m{i}")) for i, value in enumerate(values)
    ]
    [alert] = told[-1]
    assert [(post["event"], post["post"]) for post in alert.mattered] == [("m3", 4), ("m5", 6)]
    assert alert.gain == 20.0
    assert alert.score == sum(values)
    assert alert.threshold == 50.0
    assert state.mattered == {}


def shown_score(state: SubjectRisk, policy: str, beliefs: list[float]) -> float:
    """The score of a policy as `RaisedAlert.score` describes it, from the state and the beliefs so far."""
    if policy == "fused":
        return beliefs[-1]
    return state.risk.get("risk", 0.0) if policy == "accumulated" else excess_per_post(state, "risk")


@pytest.mark.parametrize("policy", ["accumulated", "peer-baseline", "fused"])
@given(posts=st.lists(st.lists(st.floats(0.01, 0.98), min_size=3, max_size=3), min_size=2, max_size=12))
def test_a_posts_gain_is_the_change_of_the_very_score_that_is_shown(policy: Any, posts: list[list[float]]) -> None:
    config = EarlyRiskSettings(
        classes=("risk",), policy=policy, threshold=0.4, minimum_subjects=1, explanation_posts=20
    )
    counts = empty()
    counts[bin_of(-1e5)] += 1  # so that any subject stands out
    state, before, rises, said = SubjectRisk(), {"fused": 1 / 3}.get(policy, 0.0), {}, []
    for number, values in enumerate(posts, 1):
        belief = np.array(values) / sum(values)
        said.append(float(belief[1]))
        raised = add_post(
            state, np.array(values), CLASSES, config, Post(f"m{number}", number, belief), {"risk": counts}
        )
        score = shown_score(state, policy, said)
        if score > before:
            rises[number] = score - before
        for alert in raised:
            assert alert.score == pytest.approx(score)
            assert alert.gain == pytest.approx(score - before, abs=1e-9)
            assert {post["post"]: post["gain"] for post in alert.mattered} == pytest.approx(rises, abs=1e-6)
            return
        before = score


def test_a_posts_gain_begins_where_the_score_had_faded_to() -> None:
    config = EarlyRiskSettings(classes=("risk",), half_life_hours=1.0, margin=7.0)
    state = SubjectRisk()
    for hours in (0, 1):
        told = add_post(state, np.array([0.0, 6.0, 1.0]), CLASSES, config, Post(time=hours * HOUR))
    [alert] = told
    assert alert.score == pytest.approx(3.0 + 6.0)
    assert alert.gain == pytest.approx(6.0)


def test_a_state_goes_on_from_what_json_kept_of_it() -> None:
    config = EarlyRiskSettings(
        classes=("risk",), policy="fused", threshold=0.9, odds_fading_factor=0.5, confirmations=2
    )
    one, other = SubjectRisk(), SubjectRisk()
    for i, p in enumerate([0.5, 0.92, 0.7, 0.95, 0.96]):
        belief = np.array([1 - p, p, 0.0])
        post = Post(f"m{i}", i, belief)
        other = SubjectRisk(**asdict(other))
        assert add_post(one, belief, CLASSES, config, post) == add_post(other, belief, CLASSES, config, post)
        assert one == other
    assert excess(one.risk, "risk") == excess(other.risk, "risk")


@pytest.mark.parametrize("policy", ["accumulated", "peer-baseline", "fused"])
def test_what_is_kept_of_a_subject_does_not_grow_with_its_posts(
    policy: Any,
) -> None:
    config = EarlyRiskSettings(classes=("risk",), policy=policy, threshold=0.99, margin=1e9)
    state, sizes = SubjectRisk(), []
    for i in range(2_000):
        post = Post(f"e{i:04}", 1_700_000_000_000 + i, np.array([0.4, 0.3, 0.3]))
        add_post(state, np.array([1.0, 2.0, 1.0]), CLASSES, config, post, baselines={"risk": empty()})
        sizes.append(len(json.dumps(asdict(state))))
    assert max(sizes[20:]) <= sizes[19] + 30  # digits


# The policy `learnt`


def standing(lift: float, prior: float, least: float) -> Post:
    return Post(standing=SubjectStanding(*(np.array([-x, x, -9.0]) for x in (lift, prior + lift, least))))


LEARNT = EarlyRiskSettings(classes=("risk",), policy="learnt")


def learnt(*posts: tuple[float, float, float]) -> tuple[list[list[RaisedAlert]], SubjectRisk]:
    state = SubjectRisk()
    return [add_post(state, np.zeros(3), CLASSES, LEARNT, standing(*post)) for post in posts], state


def test_an_alert_is_raised_where_the_odds_reach_the_threshold() -> None:
    told, state = learnt((0.5, -1.0, 0.0), (1.0, -1.0, 0.0), (3.0, -1.0, 0.0))
    assert [names(alerts) for alerts in told] == [[], ["risk"], []]
    [alert] = told[1]
    assert (alert.score, alert.threshold) == (0.5, 0.5)
    assert alert.gain == pytest.approx(0.5 - 1 / (1 + np.exp(0.5)))
    assert state.odds == {"risk": 2.0}


def test_a_prior_alone_raises_no_alert() -> None:
    """It did: where most subjects are of the class, each was alerted of at its first post."""
    told, _ = learnt((0.0, 3.0, 0.0), (-0.5, 3.0, 0.0))
    assert told == [[], []]


def test_the_gain_of_a_first_post_is_that_over_the_prior() -> None:
    [[alert]], _ = learnt((2.0, -1.0, 0.0))
    assert alert.gain == pytest.approx(1 / (1 + np.exp(-1.0)) - 1 / (1 + np.exp(1.0)))


def test_the_policy_learnt_needs_an_expert_of_whole_subjects() -> None:
    with pytest.raises(ValueError, match="whole subjects"):
        add_post(SubjectRisk(), np.zeros(3), CLASSES, LEARNT, Post())
