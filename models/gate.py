"""What every router is, and which one a config names."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from tocsin.config.model import Model, MultiHotRouter, SkillRouter
from tocsin.models.batch import Bools, Floats, Ints
from tocsin.models.expert import Arrays
from tocsin.models.record import Before
from tocsin.models.reliability import Reliability
from tocsin.models.router import Router
from tocsin.models.skill import Skill


class Gate(Protocol):
    """Says how far each expert can be trusted, and learns it from feedback in one order."""

    def resize(self, features: int) -> None:
        """Make room for more columns. Never shrinks."""
        ...

    @property
    def skill(self) -> Floats:
        """Faded prequential accuracy of each expert, [E]."""
        ...

    @property
    def answers(self) -> Floats:
        """How many answers `skill` rests on, [E]."""
        ...

    @property
    def count(self) -> int:
        """Feedback records learnt."""
        ...

    @property
    def drifts(self) -> int:
        """How often a drift was noticed; 0 for ever where nothing watches for one."""
        ...

    def forget(self, expert: int) -> None:
        """Trust an expert as at the start: it begins anew."""
        ...

    def inherit(self, stays: int, trust: tuple[float, float]) -> None:
        """Of two experts that said the same, trust the one that stays as much as both of them were together.

        `trust` are the mean reliabilities, its own and that of the other.
        """
        ...

    def reliability(self, X: Floats, evidence: Floats) -> Floats:
        """[B, E] in [0, 1) from X [B, F] and the experts' evidence [B, E, K]."""
        ...

    def engaged(self, reliability: Floats, evidence: Floats, prior: float) -> Bools:
        """Which experts [B, E] have a say; `prior` is the prior weight of an opinion."""
        ...

    @property
    def sharpness(self) -> float:
        """The power of BetP that decisions are made by; 1 where that is not learnt."""
        ...

    def learn(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> Before:
        """Learn B records in order, from the evidence seen at each event's time; returns what held before each.

        `delay` [B]: records learnt between an event's decision and its label.
        """
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        ...

    def restore(self, arrays: Arrays) -> None:
        """See `Expert`."""
        ...


def gate(settings: Model, experts: int, features: int) -> Gate:
    """The router that the config names, for E experts and F features."""
    router = settings.router
    if isinstance(router, MultiHotRouter):
        return Router(router, experts, features, settings.seed)
    if isinstance(router, SkillRouter):
        return Skill(router, experts, settings.fusion.contextual)
    return Reliability(router, experts, features, settings.seed, settings.fusion)
