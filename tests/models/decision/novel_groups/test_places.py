from __future__ import annotations

import numpy as np

from tocsin.models.data.features import Standardiser
from tocsin.models.decision.novel_groups.places import places
from tocsin.models.decision.traffic.counterpart import FARTHEST


def scaler() -> Standardiser:
    made, rng = Standardiser(3), np.random.default_rng(0)
    for x in rng.normal(4.0, 2.0, (500, 3)):
        made.learn(np.array([x[0], 7.0, float(x[2] > 4.0)]))
    return made


def test_numbers_are_in_deviations_and_categories_lie_apart() -> None:
    nominal = np.array([False, False, True])
    X = np.array([[4.0, 7.0, 0.0], [6.0, 7.0, 1.0], [np.nan, np.nan, np.nan], [1e9, 9.0, 0.0]])
    found = places(X, nominal, scaler())
    assert found.shape == (4, 6)
    np.testing.assert_allclose(found[:2, 0], [0.0, 1.0], atol=0.15)
    assert found[:, 1].tolist() == [0.0] * 4  # it never varied
    assert found[2].tolist() == [0.0] * 6
    assert found[3, 0] == FARTHEST
    assert (found[0, 2:] == found[3, 2:]).all()
    assert ((found[0, 2:] - found[1, 2:]) ** 2).sum() > 0.5
    assert places(X[:, :2], nominal[:2], Standardiser(2)).shape == (4, 2)


def test_different_categories_are_as_far_apart_as_numbers_that_vary() -> None:
    codes = np.arange(400, dtype=np.float64)[:, None]
    found = places(codes, np.array([True]), Standardiser(1))
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=0.15)
    np.testing.assert_allclose(found.std(axis=0), 1.0, atol=0.1)
