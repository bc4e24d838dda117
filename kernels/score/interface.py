"""Scoring: the interface of every back end, and its checks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.kernels.common.backends import Registry
from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Ints,
    Rule,
    checked_mask,
    checked_prior,
    checked_rule,
    numbers,
)
from tocsin.kernels.routing.reliability import Router

ABSTAINED = -1


class Leaves(NamedTuple):
    """Evidence as the class weights of leaves, as `tocsin.kernels.hoeffding.evidence` gives it."""

    ids: NDArray[Any]
    """int32 [B, E]: the leaf of each tree that answers, -1 where none does."""
    weights: Floats
    """[E, N, K]: a pool's `counts`, or `faded`."""
    cap: float = np.inf
    """The most that a leaf's weights add up to; beyond it they are scaled down."""


class Logits(NamedTuple):
    """A router's outputs."""

    logits: Floats
    """[B, E], or [B, E + 1] where the last is the null slot's, the trust that goes to nobody."""
    accuracy: Floats | None = None
    """[E] faded prequential accuracy: reliabilities are multiplied by how far it is above chance. None: not."""


class Network(NamedTuple):
    """A router whose network computes the logits, see `tocsin.kernels.routing.reliability`."""

    state: Router
    X: Floats
    """[B, F], not standardised."""
    hidden: int
    """Hidden units H."""


class Terms(NamedTuple):
    """On which terms events are fused and decided."""

    rule: Rule
    prior: float
    """The prior weight s of an opinion."""
    least: float
    """The least probability of a class that is decided for."""
    inverse_temperature: float
    """The power that probabilities are raised to before they are compared with `least`."""


class Scored(NamedTuple):
    """The decisions on B events, and what they rest on."""

    label: Ints
    """[B], the most probable class, or -1 where its probability is below `least`."""
    reliability: Floats
    """[B, E]"""
    belief: Floats
    """[B, K]"""
    uncertainty: Floats
    """[B]"""
    conflict: Floats
    """[B]"""
    used: Ints
    """[B]"""


Score = Registry[[Evidence | Leaves, Logits | Network, Bools | None, Terms], Scored]
registry: Score = Registry("score")


def score(
    evidence: ArrayLike | Leaves,
    router: Logits | Network,
    rule: Rule = "dempster",
    prior: float | None = None,
    least: float = 0.0,
    backend: str = "auto",
    engaged: ArrayLike | None = None,
    inverse_temperature: float = 1.0,
) -> Scored:
    """Decide B events.

    Parameters
    ----------
    evidence
        [B, E, K], as `tocsin.kernels.fusion.fuse` takes it, or `Leaves`.
    router
        `Logits`, or a `Network` that computes them.
    rule, prior
        See `fuse`.
    least
        The least probability of a class that is decided for, in [0, 1]. It is compared with the pignistic probability
        b + u / K, raised to the power of the inverse temperature.
    backend
        "auto" or the name of one, see `tocsin.kernels.common.backends`.
    engaged
        bool [B, E]; all experts where None. One that is not engaged keeps its reliability and adds nothing.
    inverse_temperature
        Above 0, see `tocsin.kernels.routing.inverse_temperature`.

    The result of an event, float64, does not depend on the other events of the batch. Raises ValueError where shapes do
    not fit or a value is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from tocsin.kernels.score import Logits, score
    >>> found = score(np.array([[[9.0, 1.0], [0.0, 90.0]]]), Logits(np.array([[4.0, -4.0]])), least=0.6)
    >>> found.label.tolist(), found.belief.round(2).tolist()
    ([0], [[0.73, 0.09]])
    """
    e = evidence if isinstance(evidence, Leaves) else numbers("evidence", evidence, keep_float32=True)
    (B, E, K), e = _sizes(e)
    router = _checked_logits(router, B, E) if isinstance(router, Logits) else _checked_network(router, B, E)
    if not 0.0 <= least <= 1.0:
        raise ValueError(f"least: {least!r} must lie in [0, 1]")
    power = checked_inverse_temperature(inverse_temperature)
    terms = Terms(checked_rule(rule), checked_prior(prior, K), least, power)
    return registry.get(backend)(e, router, checked_mask(engaged, B, E), terms)


def checked_inverse_temperature(inverse_temperature: float) -> float:
    """The power of probabilities. Raises ValueError where it is no finite number above 0."""
    if not 0.0 < inverse_temperature < np.inf:
        raise ValueError(f"inverse_temperature: {inverse_temperature!r} must be a finite number above 0")
    return float(inverse_temperature)


def backend(name: str = "auto") -> str:
    """The back end that `score` runs on. Raises UnknownBackendError."""
    return registry.choose(name)


def backends() -> tuple[str, ...]:
    """The back ends that `score` has here."""
    return registry.available()


def _sizes(evidence: Any) -> tuple[tuple[int, int, int], Any]:
    """B, E, K, and the evidence as back ends want it."""
    if not isinstance(evidence, Leaves):
        if evidence.ndim != 3 or 0 in evidence.shape[1:]:
            raise ValueError(f"evidence: has shape {evidence.shape}, expected [B, E, K] with E >= 1 and K >= 1")
        return evidence.shape, evidence
    ids, weights = np.ascontiguousarray(evidence.ids, np.int32), np.ascontiguousarray(evidence.weights, np.float64)
    if weights.ndim != 3 or ids.ndim != 2 or ids.shape[1] != weights.shape[0] or 0 in weights.shape:
        raise ValueError(f"evidence: leaves {ids.shape} and weights {weights.shape} are not [B, E] and [E, N, K]")
    if ids.max(initial=-1) >= weights.shape[1]:
        raise ValueError(f"evidence: a leaf's number is beyond the {weights.shape[1]} that have weights")
    if not evidence.cap > 0.0:
        raise ValueError(f"evidence: cap {evidence.cap} must be above 0")
    return (len(ids), len(weights), weights.shape[2]), Leaves(ids, weights, float(evidence.cap))


def _checked_logits(router: Logits, B: int, E: int) -> Logits:
    logits = numbers("logits", router.logits)
    if logits.shape not in ((B, E), (B, E + 1)):
        raise ValueError(f"logits: has shape {logits.shape}, expected [B, E] or [B, E + 1] with B, E = {B}, {E}")
    if np.isnan(logits).any():
        raise ValueError("logits: must be numbers")
    if router.accuracy is None:
        return Logits(logits)
    accuracy = numbers("accuracy", router.accuracy)
    if accuracy.shape != (E,) or not ((accuracy >= 0) & (accuracy <= 1)).all():
        raise ValueError(f"accuracy: must be {E} numbers in [0, 1]")
    return Logits(logits, accuracy)


def _checked_network(router: Network, B: int, E: int) -> Network:
    X = numbers("X", router.X)
    if X.ndim != 2 or X.shape != (B, router.state.mean.size):
        raise ValueError(f"X: has shape {X.shape}, expected [B, F] = {(B, router.state.mean.size)}")
    weights = (3 * E + X.shape[1]) * router.hidden + router.hidden + (router.hidden + 1) * (E + 1)
    if router.state.skill.size != E or router.state.weights.size != weights:
        raise ValueError(f"router: is not one of {E} experts, {X.shape[1]} features and {router.hidden} hidden units")
    return Network(router.state, X, router.hidden)


def above_chance(accuracy: Floats | None, E: int, K: int) -> Floats:
    """How far each expert's accuracy is above chance, in [0, 1]: [E]."""
    if accuracy is None:
        return np.ones(E)
    chance = 1.0 / max(K, 2)
    return np.clip((accuracy - chance) / (1.0 - chance), 0.0, 1.0)
