"""Early risk: evidence that a subject's posts accumulate, and the alarm that rings once.

Policy of Burdisso et al. 2019: a class rings when its accumulated evidence exceeds that of all others together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tocsin.config.model import EarlyRisk as EarlyRiskSettings
from tocsin.models.batch import Floats


@dataclass(slots=True)
class SubjectRisk:
    """A subject's state: it rides in the subject's decisions, so that the last of them is all of it."""

    posts: int = 0
    risk: dict[str, float] = field(default_factory=dict)
    """Accumulated evidence by class."""
    alerts: dict[str, int] = field(default_factory=dict)
    """The classes that rang, with the delay k: posts read until then. Latched: a class rings once."""


def accumulate(state: SubjectRisk, evidence: Floats, classes: list[str], settings: EarlyRiskSettings) -> list[str]:
    """Add one post's evidence [K] to a subject's state (in place); returns the classes that ring now."""
    state.posts += 1
    for name, value in zip(classes, evidence.tolist(), strict=True):
        if value:
            state.risk[name] = state.risk.get(name, 0.0) + value
    if state.posts < settings.minimum_posts:
        return []
    total = sum(state.risk.values())
    ringing = [
        name
        for name in settings.classes
        if name not in state.alerts and state.risk.get(name, 0.0) > total - state.risk.get(name, 0.0) + settings.margin
    ]
    state.alerts.update(dict.fromkeys(ringing, state.posts))
    return ringing
