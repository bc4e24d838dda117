"""When a model that learns by ever shorter steps is to begin anew: when its error has risen.

The error over several horizons of late is compared with that of the long run, as fading means: errors [LATEST + 5]
holds them.

Where the weights stay, what they were says which of them matter: the variance of a weight w is w^2 then, at least
`LEAST_KEPT` of the prior's and at most the prior's. So a drift is not the occasion to fit to noise again, which costs
the more the more inputs tell nothing: running means alone gain 1.0 points by it on Electricity with eight columns of
lags, and .2 without them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]

HORIZONS = (25.0, 50.0, 100.0, 200.0, 400.0)
"""The error over so many of the latest events is compared with that of the long run."""
LONG_RUN = 5_000.0
"""Events over which the error of the long run is taken."""
QUIET = 200.0
"""Events after a restart before the error is judged."""
JUDGE = 1
"""The place of the horizon by which it is judged whether a restart has helped."""
ERROR, COUNTED, SINCE, TRIED, LATEST = range(5)
"""What stands in `errors`: the error of the long run, the events that it is of, the events since the last restart, what
that began anew if it is not judged yet (see `restarts`), and from LATEST on the error over each of `HORIZONS` since."""
SIZE = LATEST + len(HORIZONS)
LEAST_KEPT = 0.1
"""The least share of its prior variance that a weight is given where weights stay."""


@kernel
def exceeds(errors: Floats, h: int, threshold: float) -> bool:
    """Whether the error over horizon h is higher than that of the long run.

    It is where it exceeds the long run's p by `threshold` times its own standard deviation, sqrt(p (1 - p) / 2H), or
    1 / H if that is more: single errors of a model that makes none are no drift.
    """
    p = errors[ERROR]
    deviation = max(math.sqrt(p * (1.0 - p) / (2.0 * HORIZONS[h])), 1.0 / HORIZONS[h])
    return bool(errors[LATEST + h] > p + threshold * deviation)


@kernel
def restarts(errors: Floats, wrong: float, threshold: float) -> int:
    """Count one answer, which was `wrong` (1) or right (0); what is to begin anew: 0 nothing, 1 P, 2 P and weights.

    When the error over a horizon has risen, P is to begin anew. Where it is as high `QUIET` events later, the weights
    are, too: they are so far off that no label moves them. Where that has not helped either, the error of the long run
    begins anew: it is the best that can be done.
    """
    since = errors[SINCE]
    for h in range(len(HORIZONS)):
        errors[LATEST + h] += (wrong - errors[LATEST + h]) / min(since + 1.0, HORIZONS[h])
    errors[SINCE] = since + 1.0
    what = 0
    if errors[TRIED] == 0.0 or since >= QUIET:
        if errors[TRIED] > 0.0:
            if not exceeds(errors, JUDGE, threshold):
                errors[TRIED] = 0.0
            elif errors[TRIED] == 1.0:
                what = 2
            else:
                errors[TRIED], errors[COUNTED] = 0.0, QUIET
                errors[ERROR] = errors[LATEST + JUDGE]
        elif since >= QUIET:
            for h in range(len(HORIZONS)):
                if exceeds(errors, h, threshold):
                    what = 1
        if what == 0:
            errors[COUNTED] = min(errors[COUNTED] + 1.0, LONG_RUN)
            errors[ERROR] += (wrong - errors[ERROR]) / errors[COUNTED]
    if what > 0:
        errors[TRIED], errors[SINCE] = float(what), 0.0
    return what


@kernel
def begin(weights: Floats, factors: Floats, variance: float, least: float) -> None:
    """Begin P anew, factors [C, D, D] of weights [M, D]: the variance of w is w^2, from `least` of `variance` up to it.

    Where several models share a P, the largest of their weights counts.
    """
    factors[:] = 0.0
    shared = len(factors) < len(weights)
    for c in range(len(factors)):
        for d in range(factors.shape[1]):
            largest = 0.0
            for m in range(0 if shared else c, len(weights) if shared else c + 1):
                largest = max(largest, weights[m, d] ** 2)
            factors[c, d, d] = min(variance, max(least * variance, largest))
