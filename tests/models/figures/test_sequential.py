"""The interval of a difference holds at all times at once, whatever the events are like, and is not needlessly wide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.models.figures.sequential import (
    RATES,
    WEIGHTS,
    Bounds,
    Pair,
    boundary,
    difference,
    mean_difference,
)

EVENTS, PATHS, ALPHA = 2_000, 1_000, 0.1


def rates_of_worlds() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By world: the probabilities of -1 and of 1, event by event."""
    t = np.arange(EVENTS)
    swings = (t // 200) % 2
    return {
        "equal": (np.full(EVENTS, 0.25), np.full(EVENTS, 0.25)),
        "one-sided": (np.zeros(EVENTS), np.full(EVENTS, 0.3)),
        "rare": (np.full(EVENTS, 0.002), np.full(EVENTS, 0.004)),
        "drifts": (0.01 + 0.4 * swings, 0.41 - 0.4 * swings),
        "grows": (0.5 * t / EVENTS, np.full(EVENTS, 0.01)),
    }


@pytest.mark.parametrize("world", list(rates_of_worlds()))
def test_the_mean_difference_ever_leaves_the_interval_as_seldom_as_is_said(world: str) -> None:
    losses, wins = rates_of_worlds()[world]
    u = np.random.default_rng(3).random((PATHS, EVENTS))
    x = (u < wins).astype(int) - ((u >= wins) & (u < wins + losses))
    total, variance, means = x.cumsum(axis=1), np.abs(x).cumsum(axis=1), (wins - losses).cumsum()
    wide = np.array([boundary(v, ALPHA / 2) for v in range(int(variance.max()) + 1)])
    left = (np.abs(total - means) >= wide[variance]).any(axis=1).mean()
    assert left <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / PATHS)


def test_an_event_that_depends_on_all_before_it_does_not_break_the_promise() -> None:
    """The second is right more often exactly while it seems to be behind, so that no two paths are alike."""
    rng = np.random.default_rng(5)
    left = 0
    for _ in range(200):
        total = variance = 0
        means = 0.0
        for _ in range(500):
            win = 0.4 if total <= 0 else 0.1
            x = int(rng.random() < win) - int(rng.random() < 0.1)
            means += win - 0.1
            total, variance = total + x, variance + abs(x)
            if abs(total - means) >= boundary(variance, ALPHA / 2):
                left += 1
                break
    assert left / 200 <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 200)


@pytest.mark.parametrize("alpha", [0.5, 0.05, 1e-6])
@pytest.mark.parametrize("variance", [0, 1, 7, 300, 10**6])
def test_the_boundary_is_where_the_plain_mixture_reaches_one_over_alpha(variance: int, alpha: float) -> None:
    """The mixture written down as the paper has it, and not in logarithms."""
    at = boundary(variance, alpha)

    def mixture(total: float) -> float:
        terms = []
        for rate, weight in zip(RATES.tolist(), WEIGHTS.tolist(), strict=True):
            penalty = (-math.log1p(-rate) - rate) * variance
            terms.append(weight * math.exp(min(rate * total - penalty, 700.0)))
        return math.fsum(terms)

    assert mixture(at * (1 + 1e-9)) >= 1 / alpha * (1 - 1e-6)
    assert mixture(at * (1 - 1e-6)) < 1 / alpha


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=60), st.floats(0.01, 0.9))
def test_each_factor_of_the_proof_is_at_most_one_plus_rate_times_x(xs: list[int], rate: float) -> None:
    penalty = -math.log1p(-rate) - rate
    for x in xs:
        assert math.exp(rate * x - penalty * x * x) <= (1 + rate * x) * (1 + 1e-12)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 5_000))
def test_more_events_and_the_other_way_round(first: int, second: int, more: int) -> None:
    events = first + second + more
    one, other = (difference(Pair(more, *pair), events, 0.95) for pair in ((first, second), (second, first)))
    assert -1.0 <= one.lower <= one.estimate <= one.upper <= 1.0
    assert one == Bounds(*(-x if x else 0.0 for x in (other.upper, other.estimate, other.lower)))
    surer = difference(Pair(more, first, second), events, 0.99)
    assert surer.lower <= one.lower
    assert one.upper <= surer.upper


def test_the_price_of_looking_at_all_times_is_a_factor_of_about_two() -> None:
    """Against the usual interval for one look: a wider boundary would make a promotion wait for months."""
    for discordant in (100, 1_000, 10_000):
        assert boundary(discordant, 0.025) < 2.15 * 1.96 * math.sqrt(discordant)


def test_classes_share_the_error_and_those_without_events_are_left_out() -> None:
    pair = Pair(50, 5, 20)
    alone = difference(pair, 100, 0.975)
    assert mean_difference([(pair, 100), (Pair(0, 0, 0), 0)], 2, 0.95) == alone
    both = mean_difference([(pair, 100), (Pair(0, 0, 0), 100)], 2, 0.95)
    assert both.estimate == pytest.approx(alone.estimate / 2)
    assert mean_difference([], 2, 0.95) == Bounds(-1.0, 0.0, 1.0)
