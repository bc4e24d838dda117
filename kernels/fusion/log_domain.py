"""One event in the log domain, for numbers whose products do not fit a float64; compiled, as `reference` does it."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.fusion.interface import Evidence, Floats
from tocsin.kernels.fusion.reference import HUGE, LEAST

DEMPSTER, CAUTIOUS, CUMULATIVE, AVERAGING, MURPHY = range(5)
CODES = {"dempster": DEMPSTER, "cautious": CAUTIOUS, "cumulative": CUMULATIVE, "averaging": AVERAGING, "murphy": MURPHY}


@kernel
def sound(evidence: Evidence, rho: Floats) -> bool:
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
    """The opinions of an event, discounted: belief into b [E, K], uncertainty into u [E]."""
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
    """Log P into `out` [K]."""
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
    """From log P to belief, in place; returns the uncertainty."""
    top = logs.max()
    one = math.exp(-top)
    Z = one
    for k in range(logs.size):
        # P - 1 by expm1 where P is near 1: the difference would lose all its digits.
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
    said, said_squared, agreeing = 0.0, 0.0, 0.0
    for e in range(E):
        s = 0.0
        for k in range(K):
            s += b[e, k]
        said += s
        said_squared += s * s
    for k in range(K):
        total = 0.0
        for e in range(E):
            total += b[e, k]
            agreeing -= b[e, k] * b[e, k]
        agreeing += total * total
    result = (said * said - said_squared - agreeing) / (E * (E - 1.0))
    return float(min(max(result, 0.0), 1.0))


@kernel
def used_of(b: Floats, u: Floats, rho: Floats, rule: int) -> int:
    """How many experts the decision needed; see `reference`."""
    E, K = b.shape
    say = 0
    for e in range(E):
        say += rho[e] > 0.0
    if rule != DEMPSTER or K == 1:
        return say
    order = np.argsort(-rho, kind="mergesort")
    remaining = np.zeros(E + 1)
    for r in range(E - 1, -1, -1):
        remaining[r] = remaining[r + 1] - math.log1p(-rho[order[r]])
    gains = np.zeros(K)
    for r in range(say):
        e = order[r]
        best, second = 0.0, 0.0
        for k in range(K):
            gains[k] += math.log1p(b[e, k] / u[e])
            second = max(second, min(best, gains[k]))
            best = max(best, gains[k])
        left = remaining[r + 1]
        if best - second > left + 1e-12 * (best + left):
            return r + 1
    return say


@kernel
def fuse_event(evidence: Evidence, rho: Floats, rule: int, prior: float, belief: Floats) -> tuple[float, float, int]:
    """Belief into `belief` [K]; returns uncertainty, conflict and used. Evidence [E, K], rho [E], 0 if not engaged."""
    E, K = evidence.shape
    b, u = np.empty((E, K)), np.empty(E)
    discounted(evidence, rho, prior, b, u)
    log_p(b, u, rule, belief)
    return normalise(belief), conflict_of(b), used_of(b, u, rho, rule)
