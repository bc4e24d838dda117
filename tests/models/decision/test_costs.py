"""What a decision is expected to cost."""

from __future__ import annotations

import numpy as np

from tocsin.models.decision.costs import expected_costs, matrix


def test_what_is_not_given_costs_one_where_wrong_and_nothing_where_right() -> None:
    costs = {"fraud": {"honest": 50.0}, "gone": {"honest": 3.0}}
    assert matrix(("honest", "fraud", "new"), costs).tolist() == [[0, 1, 1], [50, 0, 1], [1, 1, 0]]


def test_the_expected_cost_is_the_sum_over_what_may_be_true() -> None:
    rng = np.random.default_rng(0)
    betp, table = rng.dirichlet(np.ones(4), 50), rng.random((4, 4))
    classes = tuple("abcd")
    costs = {a: {b: float(table[i, j]) for j, b in enumerate(classes)} for i, a in enumerate(classes)}
    result = expected_costs(betp, classes, costs)
    np.testing.assert_allclose(result, betp @ table)
    for i in range(50):
        assert np.array_equal(expected_costs(betp[i : i + 1], classes, costs)[0], result[i])


def test_the_dear_mistake_is_avoided() -> None:
    costs = expected_costs(np.array([[0.9, 0.1]]), ("honest", "fraud"), {"fraud": {"honest": 50.0}})
    assert costs.tolist() == [[5.0, 0.9]]
