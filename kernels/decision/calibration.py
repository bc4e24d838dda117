"""How many pseudo-counts a probability vector is worth, learnt from how it fares."""

from __future__ import annotations

import math

from tocsin.kernels.common.compiled import kernel

STEP, LEAST_STEP = 1.0, 0.05
LEAST = 1e-3


@kernel
def fitted(strength: float, p: float, classes: int, weight: float, seen: float, most: float) -> float:
    """The strength N after one label to which the expert had given probability p.

    Evidence N p has the pignistic probability q = (N p + 1) / (N + K); log N takes a step up the gradient of log q,
    a smaller one the more labels were `seen`. An expert that always says one class and is right at rate a comes to
    N = (a K - 1) / (1 - a), where q = a; `most` bounds it. Kept within [LEAST, most].
    """
    gradient = strength * p / (strength * p + 1.0) - strength / (strength + classes)
    step = min(weight, 1.0) * max(STEP / math.sqrt(1.0 + seen), LEAST_STEP)
    return min(max(strength * math.exp(step * gradient), LEAST), most)
