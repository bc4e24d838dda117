"""The formulae as they are written: plain numpy, in the log domain, float64; what all other back ends are held to."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Fused,
    Ints,
    Rule,
    check_values,
    registry,
    trusted,
)

HUGE = 1e280
"""Beyond it sums and ratios of evidence could overflow; such rows are scaled by an exact power of two first."""
LEAST = 1e-290
"""The least uncertainty of an opinion, so that b / u is a number, and so are sums of it over experts."""


def opinions(evidence: Floats, prior: float) -> tuple[Floats, Floats]:
    """Belief b = e / S [B, E, K] and uncertainty u = s / S [B, E], S = sum e + s."""
    if prior > HUGE or evidence.max(initial=0.0) > HUGE:
        scale = np.where(np.maximum(evidence.max(axis=2), prior) > HUGE, 2.0**-200, 1.0)
        evidence, priors = evidence * scale[:, :, None], prior * scale
        total = evidence.sum(axis=2) + priors
        return evidence / total[:, :, None], np.maximum(priors / total, LEAST)
    total = evidence.sum(axis=2) + prior
    return evidence / total[:, :, None], np.maximum(prior / total, LEAST)


def discount(belief: Floats, uncertainty: Floats, reliability: Floats) -> tuple[Floats, Floats]:
    """Shafer discounting: b' = rho b, u' = 1 - rho + rho u."""
    return reliability[:, :, None] * belief, 1.0 - reliability + reliability * uncertainty


@registry.register("reference")
def fuse_reference(evidence: Evidence, reliability: Floats, engaged: Bools | None, rule: Rule, prior: float) -> Fused:
    """Arguments as `checked` gives them. Raises ValueError where a value is out of its range."""
    check_values(evidence, reliability)
    evidence = evidence.astype(np.float64, copy=False)
    rho = trusted(reliability, engaged)
    b, u = discount(*opinions(evidence, prior), rho)
    log_p = _log_p(b, u, rule)
    belief, uncertainty = _normalise(log_p)
    return Fused(belief, uncertainty, _conflict(b), _used(b, u, rho, rule))


def _log_p(b: Floats, u: Floats, rule: Rule) -> Floats:
    """Log P [B, K]; the log domain holds any number of experts."""
    r = b / u[:, :, None]
    if rule == "dempster":
        total: Floats = np.log1p(r).sum(axis=1)
    elif rule == "cautious":
        total = np.log1p(r.max(axis=1))
    elif rule == "cumulative":
        total = np.log1p(r.sum(axis=1))
    elif rule == "averaging":
        total = np.log1p(r.mean(axis=1))
    else:
        total = b.shape[1] * np.log1p(b.mean(axis=1) / u.mean(axis=1)[:, None])
    return total


def _normalise(log_p: Floats) -> tuple[Floats, Floats]:
    """Belief (P - 1) / Z and uncertainty 1 / Z, all scaled by exp(-max log P) so that nothing overflows."""
    top = log_p.max(axis=1, keepdims=True)
    one = np.exp(-top)
    # P - 1 by expm1 where P is near 1: the difference would lose all its digits.
    excess = np.where(log_p < 1.0, one * np.expm1(np.minimum(log_p, 1.0)), np.exp(log_p - top) - one)
    z = excess.sum(axis=1, keepdims=True) + one
    return excess / z, (one / z)[:, 0]


def _conflict(b: Floats) -> Floats:
    """Mean over ordered pairs of experts of the mass they give to different classes."""
    experts = b.shape[1]
    if experts == 1:
        return np.zeros(b.shape[0])
    s = b.sum(axis=2)
    pairs = s.sum(axis=1) ** 2 - (s**2).sum(axis=1)
    agreeing = (b.sum(axis=1) ** 2 - (b**2).sum(axis=1)).sum(axis=1)
    result: Floats = np.clip((pairs - agreeing) / (experts * (experts - 1)), 0.0, 1.0)
    return result


def _used(b: Floats, u: Floats, rho: Floats, rule: Rule) -> Ints:
    """How many experts the decision needed.

    Going by reliability, no later expert can change the order once the gap between the two best classes in
    sum log(1 + r) exceeds the sum over those that remain of log(1 + rho / (1 - rho)), the most one can add to
    one class alone (at equality there could be a tie). The bound is Dempster's; the other rules need every expert
    that has a say.
    """
    if rule != "dempster" or b.shape[2] == 1:
        having_a_say: Ints = (rho > 0).sum(axis=1, dtype=np.int64)
        return having_a_say
    order = np.argsort(-rho, axis=1, kind="stable")
    gains = np.take_along_axis(np.log1p(b / u[:, :, None]), order[:, :, None], axis=1).cumsum(axis=1)
    with np.errstate(divide="ignore"):
        most = -np.log1p(-np.take_along_axis(rho, order, axis=1))
    remaining = np.zeros((rho.shape[0], rho.shape[1] + 1))
    remaining[:, :-1] = most[:, ::-1].cumsum(axis=1)[:, ::-1]
    best = np.partition(gains, -2, axis=2)[:, :, -2:]
    gaps = np.zeros_like(remaining)
    gaps[:, 1:] = best[:, :, 1] - best[:, :, 0]
    # A little more than the sums' own rounding, or it could decide in the place of the evidence.
    slack = 1e-12 * (best[:, -1:, 1] + remaining)
    enough: Ints = np.argmax((gaps > remaining + slack) | (remaining == 0), axis=1).astype(np.int64)
    return enough
