"""The benchmark of the promise on errors: what it takes for the truth, and the best threshold in hindsight."""

from __future__ import annotations

import math

import numpy as np
import pytest
from parts.rescored import POLL, Rescored
from parts.turning import TURNING, at_random, regular
from promise import Run, best, told

from tocsin.models.decision.promise.state import AT_RISK, CANNOT, KEPT


def test_the_best_threshold_decides_as_much_as_the_target_allows() -> None:
    doubt = np.array([0.3, 0.1, math.inf, 0.2, 0.4])
    wrong = np.array([True, False, False, False, True])
    recorded = Rescored(doubt, np.where(wrong, 1.0, 0.0), doubt, doubt, np.zeros(0, np.int64))
    assert best(recorded, 0.1) == pytest.approx(0.4)
    assert best(recorded, 0.34) == pytest.approx(0.6)
    assert best(recorded._replace(score=np.full(5, 2.0)), 0.1) == 0.0


def test_a_state_is_right_by_all_decisions_of_its_time() -> None:
    polls, delay = 20, 100
    wrong = np.zeros(polls * POLL, np.bool_)
    wrong[400:600] = True  # more than a tenth from event 450 on, and so to the end
    states = [*[KEPT] * 12, *[AT_RISK] * 2, *[CANNOT] * 6]
    every = np.ones(len(wrong), np.bool_)
    found = told(Run(every, wrong, ~every, list(states)), delay, 0.1)
    assert (found.polls, found.kept, found.kept_right, found.cannot, found.cannot_right) == (20, 12, 8, 6, 6)
    assert found.waits == [(15 * POLL - 9 * POLL) / delay]
    assert found.ended == 0


@pytest.mark.parametrize("name", TURNING)
def test_streams_are_the_same_for_a_seed(name: str) -> None:
    one, other = TURNING[name](6_500, 3), TURNING[name](6_500, 3)
    assert np.array_equal(one.X, other.X)
    assert np.array_equal(one.y, other.y)
    assert len(one.y) == 6_500


def test_at_a_drift_every_label_is_inverted() -> None:
    assert regular(9_000, 3_000).tolist() == [3_000, 6_000]
    gaps = np.diff(at_random(100_000, 6_000, np.random.default_rng(1)))
    assert gaps.min() >= 500
    turned, still = TURNING["sine_3000"](6_000, 1), TURNING["sine_10000"](6_000, 1)
    assert np.array_equal(turned.y[:3_000], still.y[:3_000])
    assert np.array_equal(turned.y[3_000:], 1 - still.y[3_000:])
