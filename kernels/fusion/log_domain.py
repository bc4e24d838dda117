"""One event in the log domain, for numbers whose products do not fit a float64: the formulae of `reference`, compiled.

The block kernels multiply, which is fast. Sums of logarithms are slow, but hold any number of experts.
"""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.fusion.interface import Evidence, Floats, Ints
from tocsin.kernels.fusion.reference import HUGE, LEAST

DEMPSTER, CAUTIOUS, CUMULATIVE, AVERAGING, MURPHY = range(5)
"""The rules as compiled code knows them."""
CODES = {"dempster": DEMPSTER, "cautious": CAUTIOUS, "cumulative": CUMULATIVE, "averaging": AVERAGING, "murphy": MURPHY}


@kernel
def is_in_range(evidence: Evidence, rho: Floats) -> bool:
    """Whether every number of an event is in its range; evidence [E, K], rho [E]."""
    E, K = evidence.shape
    for e in range(E):
        if not (rho[e] >= 0.0 and rho[e] <= 1.0):
            return False
        for k in range(K):
            if not (evidence[e, k] >= 0.0 and evidence[e, k] < math.inf):
                return False
    return True


@kernel
def discounted(evidence: Evidence, rho: Floats, prior: float, b: Floats, u: Floats) -> None:
    """The discounted opinions of an event: belief into b [E, K], uncertainty into u [E]."""
    E, K = evidence.shape
    for e in range(E):
        most = prior
        for k in range(K):
            most = max(most, float(evidence[e, k]))
        scale = 2.0**-200 if most > HUGE else 1.0
        total = 0.0
        for k in range(K):
            total += evidence[e, k] * scale
        total += prior * scale
        for k in range(K):
            b[e, k] = rho[e] * (evidence[e, k] * scale / total)
        u[e] = 1.0 - rho[e] + rho[e] * max(prior * scale / total, LEAST)


@kernel
def log_p(b: Floats, u: Floats, rule: int, out: Floats) -> None:
    """Log P of each class into `out` [K]."""
    E, K = b.shape
    mean_u = 0.0
    for e in range(E):
        mean_u += u[e] / E
    for k in range(K):
        result = 0.0
        for e in range(E):
            if rule == DEMPSTER:
                result += math.log1p(b[e, k] / u[e])
            elif rule == CAUTIOUS:
                result = max(result, b[e, k] / u[e])
            elif rule == MURPHY:
                result += b[e, k] / E
            else:
                result += b[e, k] / u[e] / (E if rule == AVERAGING else 1)
        if rule == MURPHY:
            result = E * math.log1p(result / mean_u)
        elif rule != DEMPSTER:
            result = math.log1p(result)
        out[k] = result


@kernel
def normalise(logs: Floats) -> float:
    """Turn log P [K] into the fused belief, in place. Returns the fused uncertainty."""
    top = logs[0]
    for k in range(1, logs.size):
        top = max(top, logs[k])
    one = math.exp(-top)
    Z = one
    for k in range(logs.size):
        # Where P is near 1, P - 1 would cancel. expm1 does not.
        logs[k] = one * math.expm1(logs[k]) if logs[k] < 1.0 else math.exp(logs[k] - top) - one
        Z += logs[k]
    for k in range(logs.size):
        logs[k] /= Z
    return one / Z


@kernel
def conflict_of(b: Floats) -> float:
    """Mean over ordered pairs of experts of the mass they give to different classes."""
    E, K = b.shape
    if E == 1:
        return 0.0
    believed, squares, agreeing = 0.0, 0.0, 0.0
    for e in range(E):
        mass = 0.0
        for k in range(K):
            mass += b[e, k]
        believed += mass
        squares += mass * mass
    for k in range(K):
        total = 0.0
        for e in range(E):
            total += b[e, k]
            agreeing -= b[e, k] * b[e, k]
        agreeing += total * total
    result = (believed * believed - squares - agreeing) / (E * (E - 1.0))
    return float(min(max(result, 0.0), 1.0))


@kernel
def by_reliability(rho: Floats) -> Ints:
    """The experts [E], the most reliable first, the first of equals first.

    An insertion sort: numba compiles numpy's sort for seconds, and E is small.
    """
    order = np.empty(rho.size, np.int64)
    for e in range(rho.size):
        place = e
        while place > 0 and rho[order[place - 1]] < rho[e]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = e
    return order


@kernel
def used_of(b: Floats, u: Floats, rho: Floats, rule: int) -> int:
    """How many experts the decision needed; `reference` explains the bound."""
    E, K = b.shape
    having_a_say = 0
    for e in range(E):
        having_a_say += rho[e] > 0.0
    if rule != DEMPSTER or K == 1:
        return having_a_say
    order = by_reliability(rho)
    remaining = np.zeros(E + 1)
    for r in range(E - 1, -1, -1):
        remaining[r] = remaining[r + 1] - math.log1p(-rho[order[r]])
    gains = np.zeros(K)
    for r in range(having_a_say):
        e = order[r]
        best, second = 0.0, 0.0
        for k in range(K):
            gains[k] += math.log1p(b[e, k] / u[e])
            second = max(second, min(best, gains[k]))
            best = max(best, gains[k])
        bound = remaining[r + 1]
        if best - second > bound + 1e-12 * (best + bound):
            return r + 1
    return having_a_say


@kernel
def fuse_event(evidence: Evidence, rho: Floats, rule: int, prior: float, belief: Floats) -> tuple[float, float, int]:
    """Fuse evidence [E, K] under reliabilities rho [E], 0 for one who is not engaged, into `belief` [K].

    Returns the uncertainty, the conflict and how many experts the decision needed.
    """
    E, K = evidence.shape
    b, u = np.empty((E, K)), np.empty(E)
    discounted(evidence, rho, prior, b, u)
    log_p(b, u, rule, belief)
    return normalise(belief), conflict_of(b), used_of(b, u, rho, rule)
