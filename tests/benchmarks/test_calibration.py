"""Calibration, against cases computed by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from parts.calibration import brier, ece, macro_f1, nll, tail
from sklearn.metrics import brier_score_loss, f1_score, log_loss


def test_three_answers_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    y = np.array([0, 1, 1])
    # Two bins: all three confidences lie in the upper one, mean .8, two of three right.
    assert ece(p, y, bins=2) == pytest.approx(0.8 - 2 / 3)
    # Ten bins, each closed above: .9 alone and right, .8 alone and wrong, .7 alone and right.
    assert ece(p, y, bins=10) == pytest.approx((0.1 + 0.8 + 0.3) / 3)
    assert brier(p, y) == pytest.approx((0.02 + 1.28 + 0.18) / 3)
    assert nll(p, y) == pytest.approx(-(np.log(0.9) + np.log(0.2) + np.log(0.7)) / 3)


def test_what_is_drawn_from_its_own_probabilities_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 20_000)
    y = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    assert ece(p, y) < 0.015
    assert ece(np.eye(3)[p.argmax(axis=1)], y) > 0.25


def test_a_sure_mistake_costs_much_but_not_everything() -> None:
    assert nll(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-12))


def test_they_are_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(4), 500)
    y = rng.integers(0, 4, 500)
    assert nll(p, y) == pytest.approx(log_loss(y, p))
    assert brier(p, y) == pytest.approx(brier_score_loss(y, p, scale_by_half=False))
    predicted = p.argmax(axis=1)
    assert macro_f1(predicted, y, np.arange(4)) == pytest.approx(f1_score(y, predicted, average="macro"))
    assert macro_f1(predicted, y, np.array([1])) == pytest.approx(f1_score(y, predicted, average=None)[1])


def test_the_tail_is_the_rarer_half() -> None:
    y = np.array([0] * 5 + [1] * 2 + [2] * 9 + [3] * 1)
    np.testing.assert_array_equal(tail(y, 4), [1, 3])
    np.testing.assert_array_equal(tail(np.array([0, 0, 1]), 2), [1])
    np.testing.assert_array_equal(tail(np.array([0, 1, 1, 2, 2, 2]), 3), [0])
