"""The operators by which the values of n-grams become one of a sentence, and those of sentences one of a text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]

SUM, MAX, MEAN = range(3)
"""By the sum, which is SS3's own, by the largest value of each class, or by the mean."""


@kernel
def combine(operator: int, total: Floats, value: Floats) -> None:
    """Combine one more value [C] with the total [C], which begins at 0."""
    for c in range(len(total)):
        total[c] = max(total[c], value[c]) if operator == MAX else total[c] + value[c]


@kernel
def conclude(operator: int, total: Floats, count: int) -> None:
    """Turn the total [C] of `count` values into the mean, where that is the operator."""
    if operator == MEAN and count > 0:
        for c in range(len(total)):
            total[c] /= count


def reference_combined(operator: int, values: Sequence[Sequence[float]], classes: int) -> list[float]:
    """`combine` and `conclude` of values [n, C] in plain Python: the reference.

    >>> reference_combined(MEAN, [[1, 0], [2, 4]], 2)
    [1.5, 2.0]
    """
    columns = [[row[c] for row in values] for c in range(classes)]
    if operator == MAX:
        return [max(column, default=0.0) for column in columns]
    divisor = len(values) if operator == MEAN and values else 1
    return [sum(column) / divisor for column in columns]
