"""Alarms of subjects that write over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config.model import EarlyRisk
from tocsin.models.early_risk import SubjectRisk, accumulate

CLASSES = ["calm", "risk", "other"]


def rings(posts: list[list[float]], **settings: float) -> tuple[list[list[str]], SubjectRisk]:
    state = SubjectRisk()
    config = EarlyRisk(classes=("risk",), **settings)  # type: ignore[arg-type]
    return [accumulate(state, np.array(post), CLASSES, config) for post in posts], state


def test_the_alarm_rings_when_the_risk_exceeds_all_others_together() -> None:
    told, state = rings([[2, 1, 1], [0, 3, 0], [0, 0.5, 0]])
    assert told == [[], ["risk"], []]
    assert state.alerts == {"risk": 2}


def test_a_risk_as_large_as_the_others_is_not_yet_one() -> None:
    assert rings([[1, 2, 1]])[0] == [[]]


def test_it_rings_once_even_if_the_risk_passes_and_returns() -> None:
    told, state = rings([[0, 1, 0], [9, 0, 0], [0, 99, 0]])
    assert told == [["risk"], [], []]
    assert state.alerts == {"risk": 1}


def test_it_waits_for_the_least_number_of_posts() -> None:
    told, state = rings([[0, 5, 0]] * 4, minimum_posts=3)
    assert told == [[], [], ["risk"], []]
    assert state.alerts == {"risk": 3}


def test_it_waits_for_the_margin() -> None:
    assert rings([[0, 1, 0]] * 4, margin=2.5)[0] == [[], [], ["risk"], []]


def test_classes_that_ring_no_alarm_ring_none() -> None:
    state = SubjectRisk()
    assert accumulate(state, np.array([9.0, 0, 0]), CLASSES, EarlyRisk()) == []
    assert state.risk == {"calm": 9.0}


def test_a_class_that_is_discovered_later_adds_to_the_others() -> None:
    state = SubjectRisk()
    config = EarlyRisk(classes=("risk",))
    accumulate(state, np.array([1.0]), ["calm"], config)
    assert accumulate(state, np.array([0.0, 3.0]), ["calm", "risk"], config) == ["risk"]


@given(st.lists(st.lists(st.floats(0, 10), min_size=3, max_size=3), max_size=30), st.integers(1, 5))
def test_whatever_is_written_it_rings_at_most_once_and_adds_up(posts: list[list[float]], least: int) -> None:
    told, state = rings(posts, minimum_posts=least)
    assert sum(map(len, told)) <= 1
    assert state.posts == len(posts)
    assert sum(state.risk.values()) == pytest.approx(float(np.sum(posts)) if posts else 0.0)
    for post, ringing in enumerate(told, start=1):
        assert not ringing or (post >= least and state.alerts["risk"] == post)
