"""The order statistics that thresholds are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.models.decision.quantile import SlidingQuantile, selective

SHARES = st.floats(0.0, 1.0, allow_subnormal=False)
DOUBTS = st.sampled_from([0.0, 0.1, 0.25, 0.5, math.inf])


def plain_selective(doubts: list[float], scores: list[float], error: float) -> float:
    """Try every limit, the greatest first."""
    for limit in sorted({doubt for doubt in doubts if math.isfinite(doubt)}, reverse=True):
        passed = [score > doubt for doubt, score in zip(doubts, scores, strict=True) if doubt <= limit]
        n = len(passed)
        if n * error >= 1.0 and sum(passed) + math.sqrt(error * (1.0 - error) * n) <= error * n:
            return limit
    return -1.0


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, math.inf]), SHARES), max_size=80), st.floats(0.05, 0.45)
)
def test_the_selective_limit_is_the_one_that_trying_all_finds(pairs: list[tuple[float, float]], error: float) -> None:
    doubts, scores = [d for d, _ in pairs], [s for _, s in pairs]
    assert selective(np.array(doubts), np.array(scores), error) == plain_selective(doubts, scores, error)


@given(st.lists(SHARES, max_size=40), st.integers(1, 12), st.integers(1, 15))
def test_the_latest_are_those_that_were_added_last(values: list[float], window: int, most: int) -> None:
    made = SlidingQuantile(window)
    for value in values:
        made.add(value)
    assert sorted(made.latest(most)) == sorted(values[-min(window, most) :])
    assert made.quantile(0.3, most) == plain_quantile(values[-min(window, most) :], 0.3)


def plain_quantile(values: list[float], error: float) -> float:
    rank = math.ceil((len(values) + 1) * (1.0 - error))
    return sorted(values)[rank - 1] if rank <= len(values) else 1.0


def test_the_selective_limit_lies_where_answers_begin_to_fail() -> None:
    doubts = np.linspace(0.0, 0.5, 1_001)
    scores = np.where(doubts < 0.2, doubts, 0.9)  # right below 0.2, wrong above
    # 400 are right; n may be 443 for n / 10 less one standard error to allow the 43 wrong ones, or close to it.
    assert 0.2 < selective(doubts, scores, 0.1) < 0.23


def test_ties_are_never_decided_and_few_answers_decide_nothing() -> None:
    assert selective(np.full(100, np.inf), np.full(100, 0.5), 0.1) == -1.0
    assert selective(np.full(9, 0.1), np.full(9, 0.1), 0.1) == -1.0
    assert selective(np.full(100, 0.1), np.full(100, 0.1), 0.1) == 0.1
    assert selective(np.zeros(0), np.zeros(0), 0.1) == -1.0


@settings(max_examples=50, deadline=None)
@given(st.lists(SHARES, max_size=60), st.integers(1, 20), st.sampled_from([0.05, 0.1, 0.3]))
def test_the_quantile_is_that_of_the_latest_values(values: list[float], window: int, error: float) -> None:
    made = SlidingQuantile(window)
    for value in values:
        made.add(value)
    latest = sorted(values[-window:])
    rank = math.ceil((len(latest) + 1) * (1.0 - error))
    assert made.quantile(error) == (latest[rank - 1] if rank <= len(latest) else 1.0)
    assert sorted(made.values) == pytest.approx(latest)


VALUES = st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0, math.inf, -math.inf, math.nan])


@given(st.lists(st.tuples(VALUES, st.integers(0, 4)), max_size=60), st.integers(1, 9), st.integers(1, 12))
def test_asking_between_any_two_values_gives_what_sorting_anew_gives(
    values: list[tuple[float, int]], window: int, most: int
) -> None:
    made = SlidingQuantile(window)
    for i, (value, questions) in enumerate(values, 1):
        made.add(value)
        for span in (min(most, window), window)[:questions]:
            latest = np.sort([given for given, _ in values[:i]][-span:])
            for rank in range(len(latest)):
                np.testing.assert_equal(made.smallest(rank, span), latest[rank])


def test_a_ring_that_was_replaced_is_asked_anew() -> None:
    made = SlidingQuantile(3)
    for value in (1.0, 2.0, 3.0):
        made.add(value)
    assert made.smallest(0) == 1.0
    made.ring, made.count = np.array([7.0, 8.0, 9.0]), 3
    assert made.smallest(0) == 7.0
