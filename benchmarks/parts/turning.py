"""Streams whose concept turns over: between two drifts nothing changes, and at each drift every label is inverted.

Gama's (2004) first sine (two features) and MIXED (two truths and two numbers), without noise, with drifts at regular
gaps, at gaps that differ by a tenth, or at gaps without any regularity; and a hyperplane that turns all the time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parts.generators import Ints, Rng, Stream, electricity, in_turn, led, rng, sea

HYPERPLANE_FEATURES, TURN, NOISE = 10, 2e-5, 0.05


def regular(events: int, gap: int) -> Ints:
    """A drift every so many events."""
    return np.arange(gap, events, gap)


def jittered(events: int, gap: int, draw: Rng) -> Ints:
    """Gaps that differ by a tenth at most."""
    at = np.cumsum(gap * (1.0 + draw.uniform(-0.1, 0.1, events // gap + 2))).astype(np.int64)
    return at[at < events]


def at_random(events: int, gap: int, draw: Rng) -> Ints:
    """Gaps without memory, of at least 500 events and so many on the mean."""
    at = np.cumsum(500 + draw.exponential(gap - 500, 4 * events // gap + 8)).astype(np.int64)
    return at[at < events]


def sine(events: int, drifts: Ints, seed: int) -> Stream:
    """Whether a number exceeds the sine of another one; inverted at each drift."""
    X = rng(seed, 30).random((events, 2))
    y = X[:, 0] > np.sin(X[:, 1])
    return _turned(X, y, drifts)


def mixed(events: int, drifts: Ints, seed: int) -> Stream:
    """Whether two of three conditions hold: two truths, and a number below a wave of another; inverted at each
    drift."""
    draw = rng(seed, 31)
    truths, numbers = draw.integers(0, 2, (events, 2)), draw.random((events, 2))
    below = numbers[:, 0] < 0.5 + 0.3 * np.sin(3.0 * np.pi * numbers[:, 1])
    return _turned(np.hstack([truths, numbers]), truths.sum(axis=1) + below >= 2, drifts)


def _turned(X: np.ndarray, y: np.ndarray, drifts: Ints) -> Stream:
    turns = np.searchsorted(drifts, np.arange(len(y)), "right")
    return Stream(X, (y ^ (turns % 2 == 1)).astype(np.int64), 2, tuple(drifts.tolist()))


def hyperplane(events: int, seed: int) -> Stream:
    """Ten numbers on one side of a plane that turns with every event; a twentieth of the labels is noise."""
    draw = rng(seed, 32)
    X, weights = draw.random((events, HYPERPLANE_FEATURES)), draw.random(HYPERPLANE_FEATURES)
    way = np.where(draw.random(HYPERPLANE_FEATURES) < 0.5, -1.0, 1.0)
    walked = weights + TURN * way * np.arange(events)[:, None]
    now = 1.0 - np.abs(1.0 - walked % 2.0)
    y = (X * now).sum(axis=1) > 0.5 * now.sum(axis=1)
    return Stream(X, (y ^ (draw.random(events) < NOISE)).astype(np.int64), 2, ())


TURNING: dict[str, Callable[[int, int], Stream]] = {
    "sine_3000": lambda events, seed: sine(events, regular(events, 3_000), seed),
    "sineJ": lambda events, seed: sine(events, jittered(events, 3_000, rng(seed, 33)), seed),
    "sineR": lambda events, seed: sine(events, at_random(events, 6_000, rng(seed, 34)), seed),
    "mixed_4000": lambda events, seed: mixed(events, regular(events, 4_000), seed),
    "sine_10000": lambda events, seed: sine(events, regular(events, 10_000), seed),
    "mixed_10000": lambda events, seed: mixed(events, regular(events, 10_000), seed),
    "hyperplane": hyperplane,
    "Electricity": electricity,
    "LED": lambda events, seed: in_turn(led, events, 50.0, seed),
    "SEA": lambda events, seed: in_turn(sea, events, 50.0, seed),
}
