"""When a model begins anew: after a drift, and not because of chance."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels.experts import restarts as kernel

Floats = kernel.Floats


def judged(errors: Floats, threshold: float = 3.5) -> list[tuple[int, int]]:
    """The events at which something begins anew, and what."""
    state = np.zeros(kernel.SIZE)
    what = [kernel.restarts(state, float(wrong), threshold) for wrong in errors]
    return [(i, found) for i, found in enumerate(what) if found]


@pytest.mark.parametrize("rate", [0.0, 0.002, 0.1, 0.5])
def test_an_error_that_stays_is_hardly_ever_a_drift(rate: float) -> None:
    found = judged(np.random.default_rng(6).random(50_000) < rate)
    assert len(found) <= 30
    assert sum(what == 2 for _, what in found) <= 1


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.3), (0.1, 0.3), (0.1, 0.25), (0.3, 0.6)])
def test_an_error_that_rises_is_a_drift(before: float, after: float) -> None:
    rng = np.random.default_rng(7)
    errors = np.append(rng.random(5_000) < before, rng.random(600) < after)
    assert any(5_000 <= i < 5_400 for i, _ in judged(errors))


def test_single_errors_of_a_model_that_makes_none_are_no_drift() -> None:
    errors = np.zeros(3_000)
    errors[[500, 1_500, 1_600, 2_500]] = 1.0
    assert judged(errors) == []


def test_an_error_that_stays_high_begins_the_weights_anew_once_and_is_accepted_then() -> None:
    """It began the covariance anew every twenty events, so that nothing was learnt."""
    rng = np.random.default_rng(9)
    found = judged(np.append(rng.random(5_000) < 0.05, rng.random(3_000) < 0.4))
    after = [(i, what) for i, what in found if i >= 5_000]
    assert [what for _, what in after[:2]] == [1, 2]
    assert len(after) <= 5


def test_an_error_that_falls_again_leaves_the_weights() -> None:
    rng = np.random.default_rng(10)
    found = judged(np.concatenate([rng.random(5_000) < 0.05, rng.random(50) < 0.5, rng.random(3_000) < 0.05]))
    assert [what for i, what in found if i >= 5_000][:1] == [1]
    assert all(what == 1 for i, what in found if 5_000 <= i < 6_000)


def test_weights_that_stay_are_trusted_as_far_as_they_are_large() -> None:
    """After a drift, inputs that tell nothing were fitted to noise anew."""
    weights, factors = np.array([[0.1, -2.0, 9.0]]), np.ones((1, 3, 3))
    kernel.begin(weights, factors, 10.0, kernel.LEAST_KEPT)
    np.testing.assert_array_equal(factors[0], np.diag([1.0, 4.0, 10.0]))
    kernel.begin(weights, factors, 10.0, 1.0)
    np.testing.assert_array_equal(factors[0], np.diag([10.0] * 3))


def test_models_that_share_a_covariance_go_by_the_largest_of_their_weights() -> None:
    weights, factors = np.array([[0.1, -2.0], [3.0, 1.5]]), np.ones((1, 2, 2))
    kernel.begin(weights, factors, 10.0, kernel.LEAST_KEPT)
    np.testing.assert_array_equal(factors[0], np.diag([9.0, 4.0]))
    alone = np.ones((2, 2, 2))
    kernel.begin(weights, alone, 10.0, kernel.LEAST_KEPT)
    np.testing.assert_array_equal(alone, [np.diag([1.0, 4.0]), np.diag([9.0, 2.25])])
