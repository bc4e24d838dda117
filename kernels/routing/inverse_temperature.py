"""How sharp the fused decision is: a power of BetP, learnt with the reliabilities from the same loss.

    q_k = BetP_k ** a / sum over j of BetP_j ** a;   the loss is -log q_y.

A discount takes the more from an opinion the surer it is, so that experts who are each too sure of themselves could
only be calibrated by making the sure ones alike. With a below 1 trust can stay high and what is left of the order among
them with it; with a above 1 experts who are added up rather than multiplied can be as sure as they are right together.
It is temperature scaling (Guo et al. 2017) with a = 1 / T, online, and learnt together with what it scales.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]

LOG, SQUARE, SEEN = range(3)
"""What the state holds: log a, the running mean of squared gradients, and labels seen."""
STATE = 3
MOST = math.log(4.0)
"""a stays within 1/4 .. 4."""
MEMORY = 0.999
"""How much of the mean squared gradient a label keeps."""
LEAST = 1e-300
"""A probability below it counts as it, so that it has a logarithm."""


@kernel
def raise_rows(betp: Floats, inverse_temperature: Floats, out: Floats) -> None:
    """q [B, K] of BetP [B, K] into `out`, with a inverse_temperature [B] for each event."""
    B, K = betp.shape
    for b in range(B):
        a, top = inverse_temperature[b], 0.0
        for k in range(K):
            top = max(top, betp[b, k])
        total = 0.0
        for k in range(K):
            out[b, k] = math.exp(a * (math.log(max(betp[b, k], LEAST)) - math.log(max(top, LEAST))))
            total += out[b, k]
        for k in range(K):
            out[b, k] /= total


@kernel
def learn(state: Floats, gradient: float, step: float) -> None:
    """One step against the loss's gradient by log a, normalised by its running mean square."""
    state[SEEN] += 1.0
    state[SQUARE] += (1.0 - MEMORY) * (gradient * gradient - state[SQUARE])
    # The running mean starts at 0: undo that bias, as Adam does.
    young = 1.0 - MEMORY ** min(state[SEEN], 1e6)
    moved = state[LOG] - step * gradient / (math.sqrt(state[SQUARE] / young) + 1e-8)
    state[LOG] = min(max(moved, -MOST), MOST)


def reference_raise_rows(betp: Floats, inverse_temperature: Floats) -> Floats:
    """The same as `raise_rows`, as it is written."""
    powers = np.maximum(betp, LEAST) ** inverse_temperature[:, None]
    result: Floats = powers / powers.sum(axis=1, keepdims=True)
    return result
