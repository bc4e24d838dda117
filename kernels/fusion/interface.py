"""Evidence of many experts to one belief: the interface of every back end, and its checks."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.kernels.common.backends import Registry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Evidence = NDArray[Any]
"""float64, or float32 where the caller has it so."""
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


Fuse = Registry[[Evidence, Floats, "Bools | None", Rule, float], Fused]
registry: Fuse = Registry("fusion")
"""Its implementations get arguments whose shapes and types fit, and check the values: a compiled one does it on its
way."""


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
        [B, E, K], pseudo-counts >= 0. A row of zeros is a vacuous opinion. float32 is read as it is, without a copy;
        all else as float64.
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
        "auto" or the name of one, see `tocsin.kernels.common.backends`.

    Returns
    -------
    Fused, float64. The result of an event does not depend on the other events of the batch, to the bit; back ends
    agree to 1e-9 (`tocsin.kernels.fusion.by_triton` says what it does in float32).

    Raises
    ------
    ValueError
        Where shapes do not fit, a value is out of its range or not finite, or the rule is unknown.

    Examples
    --------
    Zadeh's paradox, disarmed by discounting: the class both sources all but exclude stays unlikely.

    >>> import numpy as np
    >>> from tocsin.kernels.fusion import fuse
    >>> certain = 1e6 * np.array([[[0.99, 0.01, 0.0], [0.0, 0.01, 0.99]]])
    >>> fuse(certain, np.full((1, 2), 0.99)).belief.round(2)
    array([[0.49, 0.01, 0.49]])
    """
    e, rho, mask = checked(evidence, reliability, engaged)
    return registry.get(backend)(e, rho, mask, checked_rule(rule), checked_prior(prior, e.shape[2]))


def backend(name: str = "auto") -> str:
    """The back end that `fuse` runs on. Raises UnknownBackendError."""
    return registry.choose(name)


def backends() -> tuple[str, ...]:
    """The back ends that `fuse` has here."""
    return registry.available()


def checked(evidence: Any, reliability: Any, engaged: Any) -> tuple[Evidence, Floats, Bools | None]:
    """The arrays in the types and C order that back ends want. Raises ValueError where shapes or types do not fit."""
    e, rho = numbers("evidence", evidence, keep_float32=True), numbers("reliability", reliability)
    if e.ndim != 3 or 0 in e.shape[1:]:
        raise ValueError(f"evidence: has shape {e.shape}, expected [B, E, K] with E >= 1 and K >= 1")
    if rho.shape != e.shape[:2]:
        raise ValueError(f"reliability: has shape {rho.shape}, expected [B, E] = {e.shape[:2]}")
    return e, rho, checked_mask(engaged, *rho.shape)


def checked_mask(engaged: Any, B: int, E: int) -> Bools | None:
    """Who is engaged, in C order; None where all are. Raises ValueError where shape or type do not fit."""
    if engaged is None:
        return None
    mask = np.asarray(engaged)
    if mask.dtype != np.bool_ or mask.shape != (B, E):
        raise ValueError(f"engaged: must be bool of shape [B, E] = {(B, E)}")
    return np.ascontiguousarray(mask)


def checked_rule(rule: Any) -> Rule:
    """The rule. Raises ValueError where there is none of that name."""
    if rule not in RULES:
        raise ValueError(f"rule: {rule!r} is unknown; choose one of {', '.join(RULES)}")
    return rule  # type: ignore[no-any-return]


def checked_prior(prior: Any, classes: int) -> float:
    """The prior weight, K where None is given. Raises ValueError where it is no finite number above 0."""
    s = float(classes) if prior is None else float(numbers("prior", prior))
    if not (np.isfinite(s) and s > 0):
        raise ValueError(f"prior: {prior!r} must be a finite number above 0")
    return s


def check_values(evidence: Evidence, reliability: Floats) -> None:
    """Raises ValueError where a number is out of its range."""
    if not np.isfinite(evidence).all() or (evidence < 0).any():
        raise ValueError("evidence: must be finite and not negative")
    if not ((reliability >= 0) & (reliability <= 1)).all():
        raise ValueError("reliability: must lie in [0, 1]")


def trusted(reliability: Floats, engaged: Bools | None) -> Floats:
    """Reliabilities [B, E], 0 for an expert that is not engaged."""
    return reliability if engaged is None else np.where(engaged, reliability, 0.0)


def numbers(name: str, values: Any, keep_float32: bool = False) -> Any:
    """Values as float64 (or float32 as they are) in C order: the order of a sum follows that of memory."""
    as_is = keep_float32 and getattr(values, "dtype", None) == np.float32
    kind = np.float32 if as_is else np.float64
    try:
        return np.ascontiguousarray(values, kind) if np.ndim(values) else np.asarray(values, kind)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: must be numbers in a regular shape") from None
