"""Evidence of many experts to one belief, in closed form.

With focal sets {singletons, Theta} an expert's opinion is its belief b [K] and its uncertainty u, and with
r = b / u every rule is one reduction over experts that gives P [K]; then Z = sum P - (K - 1), the fused belief is
(P - 1) / Z and the fused uncertainty 1 / Z. Sources: Shafer 1976 (discounting), Han et al. 2021 (TMC), Denoeux 2008
(cautious), Josang 2016 (cumulative, averaging), Murphy 2000.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.kernels.backends import Registry

Floats = NDArray[np.float64]
Rule = Literal["dempster", "cautious", "cumulative", "averaging", "murphy"]
RULES: tuple[Rule, ...] = ("dempster", "cautious", "cumulative", "averaging", "murphy")


class Fused(NamedTuple):
    """What B events' evidence amounts to; belief and uncertainty of an event add up to 1."""

    belief: Floats
    """[B, K]"""
    uncertainty: Floats
    """[B]"""
    conflict: Floats
    """[B], mean pairwise conflict of the discounted opinions, in [0, 1]."""
    used: NDArray[np.int64]
    """[B], how many experts, most reliable first, the exact early stop needed to know the decision."""


HUGE = 1e280
"""Beyond it sums and ratios of evidence could overflow; such rows are scaled by an exact power of two first."""
LEAST = 1e-290
"""The least uncertainty of an opinion, so that b / u is a number, and so are sums of it over experts."""

Fuse = Registry[[Floats, Floats, "NDArray[np.bool_] | None", Rule, float], Fused]
_registry: Fuse = Registry("fusion")


def fuse(
    evidence: ArrayLike,
    reliability: ArrayLike,
    engaged: ArrayLike | None = None,
    rule: Rule = "dempster",
    prior: float | None = None,
    backend: str = "auto",
) -> Fused:
    """Fuse the evidence of E experts for K classes, for B events at once.

    Parameters
    ----------
    evidence
        [B, E, K], pseudo-counts >= 0. A row of zeros is a vacuous opinion.
    reliability
        [B, E] in [0, 1]: Shafer's discount rho; 0 makes an opinion vacuous.
    engaged
        bool [B, E]; an expert that is not engaged is vacuous. None engages all.
    rule
        "dempster" (independent sources), "cautious" (overlapping data), "cumulative" (disjoint data), "averaging"
        (dependent sources) or "murphy" (high conflict).
    prior
        The prior weight s > 0 in u = s / (sum e + s); K where None.
    backend
        "auto" or the name of one, see `tocsin.kernels.backends`.

    Returns
    -------
    Fused, float64. The result of an event does not depend on the other events of the batch.

    Raises
    ------
    ValueError
        Where shapes do not fit, a value is out of its range or not finite, or the rule is unknown.

    Examples
    --------
    Zadeh's paradox, disarmed by discounting: the class both sources all but exclude stays unlikely.

    >>> import numpy as np
    >>> certain = 1e6 * np.array([[[0.99, 0.01, 0.0], [0.0, 0.01, 0.99]]])
    >>> fuse(certain, np.full((1, 2), 0.99)).belief.round(2)
    array([[0.49, 0.01, 0.49]])
    """
    e, rho, mask = _checked(evidence, reliability, engaged)
    if rule not in RULES:
        raise ValueError(f"rule: {rule!r} is unknown; choose one of {', '.join(RULES)}")
    s = float(e.shape[2]) if prior is None else float(_numbers("prior", prior))
    if not (np.isfinite(s) and s > 0):
        raise ValueError(f"prior: {prior!r} must be a finite number above 0")
    return _registry.get(backend)(e, rho, mask, rule, s)


def backend(name: str = "auto") -> str:
    """The back end that `fuse` runs on. Raises UnknownBackendError."""
    return _registry.choose(name)


def _checked(evidence: Any, reliability: Any, engaged: Any) -> tuple[Floats, Floats, NDArray[np.bool_] | None]:
    e = _numbers("evidence", evidence)
    rho = _numbers("reliability", reliability)
    if e.ndim != 3 or 0 in e.shape[1:]:
        raise ValueError(f"evidence: has shape {e.shape}, expected [B, E, K] with E >= 1 and K >= 1")
    if rho.shape != e.shape[:2]:
        raise ValueError(f"reliability: has shape {rho.shape}, expected [B, E] = {e.shape[:2]}")
    if not np.isfinite(e).all() or (e < 0).any():
        raise ValueError("evidence: must be finite and not negative")
    if not ((rho >= 0) & (rho <= 1)).all():
        raise ValueError("reliability: must lie in [0, 1]")
    if engaged is None:
        return e, rho, None
    mask = np.asarray(engaged)
    if mask.dtype != np.bool_ or mask.shape != rho.shape:
        raise ValueError(f"engaged: must be bool of shape [B, E] = {rho.shape}")
    return e, rho, mask


def _numbers(name: str, values: Any) -> Floats:
    """Values as float64 in C order: the order of a sum follows that of memory."""
    try:
        return np.ascontiguousarray(values, np.float64) if np.ndim(values) else np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: must be numbers in a regular shape") from None


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


@_registry.register("reference")
def fuse_reference(
    evidence: Floats, reliability: Floats, engaged: NDArray[np.bool_] | None, rule: Rule, prior: float
) -> Fused:
    """The formulae as they are written, in the log domain, float64. Arguments as `fuse` checked them."""
    rho = reliability if engaged is None else np.where(engaged, reliability, 0.0)
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


def _used(b: Floats, u: Floats, rho: Floats, rule: Rule) -> NDArray[np.int64]:
    """How many experts the decision needed.

    Going by reliability, no later expert can change the order once the gap between the two best classes in
    sum log(1 + r) exceeds the sum over those that remain of log(1 + rho / (1 - rho)), the most one can add to
    one class alone (at equality there could be a tie). The bound is Dempster's; the other rules need every expert
    that has a say.
    """
    if rule != "dempster" or b.shape[2] == 1:
        having_a_say: NDArray[np.int64] = (rho > 0).sum(axis=1, dtype=np.int64)
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
    enough: NDArray[np.int64] = np.argmax((gaps > remaining + slack) | (remaining == 0), axis=1).astype(np.int64)
    return enough
