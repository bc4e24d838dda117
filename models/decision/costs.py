"""What a decision is expected to cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tocsin.models.data.batch import Floats

Costs = Mapping[str, Mapping[str, float]]


def matrix(classes: Sequence[str], costs: Costs) -> Floats:
    """The cost [K, K] of deciding for the second class where the first is true.

    Where `costs` says nothing, it is 0 on the diagonal and 1 elsewhere.
    """
    result = 1.0 - np.eye(len(classes))
    for i, true in enumerate(classes):
        for j, decided in enumerate(classes):
            result[i, j] = costs.get(true, {}).get(decided, result[i, j])
    return result


def expected_costs(betp: Floats, classes: Sequence[str], costs: Costs) -> Floats:
    """The expected cost of each decision, [B, K], at the pignistic probabilities [B, K].

    The sum is taken in the order of the classes, so that an event costs the same alone and among others.
    """
    table = matrix(classes, costs)
    result: Floats = np.zeros(betp.shape)
    for i in range(len(classes)):
        result += betp[:, i, None] * table[i]
    return result
