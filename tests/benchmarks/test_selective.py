"""Selective prediction, against cases computed by hand and, for the AUROC, scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from parts.selective import (
    augrc,
    aurc,
    auroc,
    excess_aurc,
    failure_auroc,
    risk_coverage,
    selective_accuracy,
)
from sklearn.metrics import roc_auc_score

CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.6])
RIGHT = np.array([1, 0, 1, 0])


def test_the_curve_of_four_answers() -> None:
    curve = risk_coverage(CONFIDENCE, RIGHT)
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve.wrong, [0, 1, 1, 2])
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert aurc(curve) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    # The best order has risks 0, 0, 1/3, 1/2.
    assert excess_aurc(curve) == pytest.approx((1 / 2) / 4)
    # Wrong and accepted, of all four: 0, 1/4, 1/4, 2/4.
    assert augrc(curve) == pytest.approx(1 / 4)
    # Of the four pairs of a right and a wrong one, (.9, .8), (.9, .6) and (.7, .6) are in order.
    assert failure_auroc(CONFIDENCE, RIGHT) == pytest.approx(3 / 4)
    assert selective_accuracy(curve, 0.75) == pytest.approx(2 / 3)
    assert selective_accuracy(curve, 0.5) == pytest.approx(1 / 2)


def test_a_perfect_order_has_no_excess_and_augrc_follows_auroc() -> None:
    rng = np.random.default_rng(0)
    right = rng.integers(0, 2, 500)
    assert excess_aurc(risk_coverage(right + rng.random(500) / 2, right)) == pytest.approx(0.0)
    confidence, risk = rng.random(500), 1 - right.mean()
    # Traub et al. 2024, proposition 1: AUGRC = (1 - AUROC) risk (1 - risk) + risk^2 / 2, up to 1 / B.
    expected = (1 - failure_auroc(confidence, right)) * risk * (1 - risk) + risk**2 / 2
    assert augrc(risk_coverage(confidence, right)) == pytest.approx(expected, abs=1 / 500)


def test_ties_count_as_the_mean_over_every_order() -> None:
    right = np.array([1, 0, 0, 1, 1])
    confidence = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    curves = []
    for order in itertools.permutations([1, 2, 3]):
        broken = confidence.copy()
        broken[list(order)] = [0.5, 0.4, 0.3]
        curves.append(risk_coverage(broken, right))
    tied = risk_coverage(confidence, right)
    np.testing.assert_allclose(tied.wrong, np.mean([curve.wrong for curve in curves], axis=0))
    assert aurc(tied) == pytest.approx(np.mean([aurc(curve) for curve in curves]))


def test_the_order_of_events_makes_no_difference() -> None:
    rng = np.random.default_rng(1)
    confidence, right = rng.integers(0, 5, 200) / 5, rng.integers(0, 2, 200)
    shuffled = rng.permutation(200)
    one, other = risk_coverage(confidence, right), risk_coverage(confidence[shuffled], right[shuffled])
    np.testing.assert_allclose(one.risk, other.risk)


def test_auroc_is_scikit_learns() -> None:
    rng = np.random.default_rng(2)
    score, positive = rng.integers(0, 20, 300).astype(float), rng.integers(0, 2, 300)
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score))
    assert np.isnan(auroc(score, np.ones(300, np.int64)))
