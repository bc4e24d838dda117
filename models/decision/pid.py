"""Conformal PID control of a threshold: an alternative to steering the level of its quantile.

    q_t = quantile_t + P_t + I_t;   P_{t+1} = P_t + gain e_t;   I_t = weight tan(S_t log(t + 1) / (saturation (t + 1))),

with e_t the error of an event less the target share, and S_t the sum of these so far. The sliding quantile takes the
place of the paper's scorecaster. Where labels are late, gains shrink as those of adaptive conformal inference do
(`tocsin.models.decision.abstention.haste`).

Source: Angelopoulos, Candes & Tibshirani 2023, "Conformal PID control for time series prediction".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAIN, WEIGHT, SATURATION = 0.01, 0.1, 5.0
"""Chosen on the seed 8 of `benchmarks/late_labels.py`."""
EDGE = 0.5 * math.pi - 1e-6
"""The argument of the tangent is clipped here. At this value everything is covered, and at its negative nothing is."""


class Pid:
    """What is added to the quantile.

    >>> control = Pid()
    >>> for _ in range(100):
    ...     control.learn(0.9, 1.0, 0.5)  # an event was missed, and one in ten should be
    >>> control.offset > 0.9
    True
    """

    def __init__(self) -> None:
        self._proportional = 0.0
        self._sum = 0.0
        self._count = 0

    @property
    def offset(self) -> float:
        """P + I."""
        x = self._sum * math.log(self._count + 1) / (SATURATION * (self._count + 1))
        return self._proportional + WEIGHT * math.tan(min(max(x, -EDGE), EDGE))

    def learn(self, error: float, haste: float, threshold: float) -> None:
        """One late label: whether the event was missed (1 or 0) less the target, and the share of the gain.

        A hit is left out while today's threshold is 0, because the threshold cannot fall further, and the sum would go
        on falling and delay the response to later misses. A miss always counts: an older threshold judged it.
        """
        if error < 0.0 and threshold <= 0.0:
            return
        self._proportional += GAIN * haste * error
        self._sum += error
        self._count += 1

    def array(self) -> NDArray[np.float64]:
        """The state."""
        return np.array([self._proportional, self._sum, self._count])

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], name: str) -> None:
        """Take over a state that `array` gave."""
        proportional, total, count = np.asarray(arrays[name]).tolist()
        self._proportional, self._sum, self._count = float(proportional), float(total), int(count)
