"""Six digits: how exact the figures of an explanation are."""

from __future__ import annotations

import math


def six_digits(value: float) -> float:
    """A figure to six digits behind the point, to the same bits as `numpy.round` gives for an array of figures.

    >>> six_digits(0.1234565), six_digits(float("inf"))
    (0.123456, inf)
    """
    return round(value * 1e6) / 1e6 if math.isfinite(value) else value
