"""The loss of the fused decision under every rule, and its slope by each reliability.

With evidence e, S = sum e + s and reliability rho a discounted opinion has b = rho e / S, u = 1 - rho + rho s / S and
r = b / u = rho e / (S - rho (S - s)). A rule gives P_k (see `tocsin.kernels.fusion`), Z = sum P - (K - 1), and

    BetP_k = (P_k - 1 + 1 / K) / Z;   the loss is -log q_y, with q proportional to BetP ** a,

where a is the inverse temperature (see `tocsin.kernels.routing.inverse_temperature`).

`combine` and `slope` are one event's; `reference_loss` is the same in plain numpy, and a test holds the slope to its
finite differences.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.fusion.interface import Rule
from tocsin.kernels.fusion.log_domain import (
    AVERAGING,
    CAUTIOUS,
    DEMPSTER,
    MURPHY,
)

Floats = NDArray[np.float64]

BIG, SHRINK = 1e100, 2.0**-300
"""P above BIG is scaled by SHRINK, an exact power of two, so that any number of experts fits a float64."""
FAINT = 1e-290
"""A class fainter than that beside the most probable one counts as so faint, or it would have no logarithm."""


class Opinions(NamedTuple):
    """The discounted opinions of E experts about one event, and how they are fused."""

    evidence: Floats
    """[E, K]"""
    rho: Floats
    """[E], reliabilities."""
    prior: float
    """The prior weight s."""
    rule: int
    """The rule of fusion, by its code in `tocsin.kernels.fusion.log_domain`."""


@kernel
def support(evidence: Floats, e: int, prior: float) -> float:
    """S, the sum of an expert's evidence and the prior weight."""
    total = prior
    for k in range(evidence.shape[1]):
        total += evidence[e, k]
    return total


@kernel
def combine(opinions: Opinions, P: Floats) -> float:
    """P [K] of the fused opinions, all scaled by the number returned."""
    evidence, rho, prior, rule = opinions
    if rule == DEMPSTER:
        return by_product(evidence, rho, prior, P)
    if rule == MURPHY:
        return by_power(evidence, rho, prior, P)
    by_sum(evidence, rho, prior, rule, P)
    return 1.0


@kernel
def by_product(evidence: Floats, rho: Floats, prior: float, P: Floats) -> float:
    """Dempster's P, scaled by the number returned."""
    E, K = evidence.shape
    one = 1.0
    P[:] = 1.0
    for e in range(E):
        total = support(evidence, e, prior)
        share = rho[e] / (total - rho[e] * (total - prior))
        for k in range(K):
            P[k] *= 1.0 + share * evidence[e, k]
        one *= in_range(P)
    return one


@kernel
def in_range(P: Floats) -> float:
    """Scale P down where it grew beyond `BIG`; returns by what."""
    top = 0.0
    for k in range(P.size):
        top = max(top, P[k])
    if top <= BIG:
        return 1.0
    for k in range(P.size):
        P[k] *= SHRINK
    return SHRINK


@kernel
def by_sum(evidence: Floats, rho: Floats, prior: float, rule: int, P: Floats) -> None:
    """P of the rules that add, or take the greatest, rather than multiply."""
    E, K = evidence.shape
    P[:] = 0.0
    for e in range(E):
        total = support(evidence, e, prior)
        share = rho[e] / (total - rho[e] * (total - prior))
        for k in range(K):
            r = share * evidence[e, k]
            if rule == CAUTIOUS:
                P[k] = max(P[k], r)
            elif rule == AVERAGING:
                P[k] += r / E
            else:
                P[k] += r
    for k in range(K):
        P[k] += 1.0


@kernel
def means(evidence: Floats, rho: Floats, prior: float, belief: Floats) -> float:
    """The sum of the discounted beliefs into `belief` [K]; returns that of the uncertainties."""
    E, K = evidence.shape
    doubt = 0.0
    belief[:] = 0.0
    for e in range(E):
        total = support(evidence, e, prior)
        for k in range(K):
            belief[k] += rho[e] * evidence[e, k] / total
        doubt += 1.0 - rho[e] + rho[e] * prior / total
    return doubt


@kernel
def by_power(evidence: Floats, rho: Floats, prior: float, P: Floats) -> float:
    """Murphy's P, scaled by the number returned."""
    E, K = evidence.shape
    belief = np.empty(K)
    doubt = means(evidence, rho, prior, belief)
    one = 1.0
    P[:] = 1.0
    for _ in range(E):
        for k in range(K):
            P[k] *= 1.0 + belief[k] / doubt
        one *= in_range(P)
    return one


@kernel
def slope(opinions: Opinions, a: float, y: int, P: Floats, one: float, out: Floats) -> float:
    """The gradient of the loss by each reliability, into `out` [E]; returns that by log a.

    P and one are as `combine` gave them; a is the inverse temperature, y the class of the label.
    """
    evidence, rho, prior, rule = opinions
    E, K = evidence.shape
    by_p = np.empty(K)
    by_log_a = slope_by_p(P, one, a, y, by_p)
    if rule == MURPHY:
        slope_by_power(evidence, rho, prior, by_p, P, out)
        return by_log_a
    for e in range(E):
        total = support(evidence, e, prior)
        under = total - rho[e] * (total - prior)
        share = rho[e] / under
        result = 0.0
        for k in range(K):
            if rule == DEMPSTER:
                result += by_p[k] * P[k] / (1.0 + share * evidence[e, k]) * evidence[e, k]
            elif rule == CAUTIOUS:
                # Only the largest contributes; of several that are equally large, each does.
                if 1.0 + share * evidence[e, k] >= P[k]:
                    result += by_p[k] * evidence[e, k]
            else:
                result += by_p[k] * evidence[e, k]
        if rule == AVERAGING:
            result /= E
        out[e] = result * total / (under * under)
    return by_log_a


@kernel
def slope_by_p(P: Floats, one: float, a: float, y: int, out: Floats) -> float:
    """The gradient of the loss by P into `out` [K]; returns that by log a. Z is the same for all, and cancels."""
    K = P.size
    top, total = 0.0, 0.0
    for k in range(K):
        top = max(top, P[k] - one + one / K)
    least = FAINT * top
    for k in range(K):
        out[k] = (max(P[k] - one + one / K, least) / top) ** a
        total += out[k]
    by_log_a = 0.0
    for k in range(K):
        betp = max(P[k] - one + one / K, least)
        error = out[k] / total
        if k == y:
            error -= 1.0
        by_log_a += a * error * math.log(betp / top)
        out[k] = a * error / betp
    return by_log_a


@kernel
def slope_by_power(evidence: Floats, rho: Floats, prior: float, by_p: Floats, P: Floats, out: Floats) -> None:
    """The same for Murphy's rule, from the gradient by P [K]."""
    E, K = evidence.shape
    belief = np.empty(K)
    doubt = means(evidence, rho, prior, belief)
    for e in range(E):
        total = support(evidence, e, prior)
        less_doubt = 1.0 - prior / total
        result = 0.0
        for k in range(K):
            ratio = (evidence[e, k] / total * doubt + belief[k] * less_doubt) / (doubt * doubt)
            result += by_p[k] * E * P[k] / (1.0 + belief[k] / doubt) * ratio
        out[e] = result


def reference_loss(
    evidence: Floats, rho: Floats, y: int, prior: float, rule: Rule = "dempster", a: float = 1.0
) -> float:
    """-log q_y in plain numpy; evidence [E, K], rho [E], a the inverse temperature."""
    E, K = evidence.shape
    S = evidence.sum(axis=1, keepdims=True) + prior
    r = rho[:, None] * evidence / (S - rho[:, None] * (S - prior))
    if rule == "dempster":
        P = np.prod(1.0 + r, axis=0)
    elif rule == "cautious":
        P = 1.0 + r.max(axis=0)
    elif rule == "cumulative":
        P = 1.0 + r.sum(axis=0)
    elif rule == "averaging":
        P = 1.0 + r.mean(axis=0)
    else:
        b, u = rho[:, None] * evidence / S, 1.0 - rho[:, None] + rho[:, None] * prior / S
        P = (1.0 + b.mean(axis=0) / u.mean()) ** E
    powers = ((P - 1.0 + 1.0 / K) / (P.sum() - (K - 1.0))) ** a
    return float(-np.log(powers[y] / powers.sum()))
