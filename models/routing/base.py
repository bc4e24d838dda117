"""What every router is, and which one a config names."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from tocsin.config.model import ModelSettings
from tocsin.config.routing import MultiHotSettings, SkillSettings
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.experts.base import Arrays
from tocsin.models.routing.multi_hot import MultiHotRouter
from tocsin.models.routing.prequential_accuracy import RouterOutput
from tocsin.models.routing.reliability import ReliabilityRouter
from tocsin.models.routing.skill import SkillRouter


class Router(Protocol):
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
    def inverse_temperature(self) -> float:
        """The power of BetP that decisions are made by; 1 where that is not learnt."""
        ...

    def learn(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> RouterOutput:
        """Learn B records in order, from the evidence seen at each event's time; returns what held before each.

        `delay` [B]: records learnt between an event's decision and its label.
        """
        ...

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        ...

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        ...


def build_router(settings: ModelSettings, experts: int, features: int) -> Router:
    """The router that the config names, for E experts and F features."""
    router = settings.router
    if isinstance(router, MultiHotSettings):
        return MultiHotRouter(router, experts, features, settings.seed)
    if isinstance(router, SkillSettings):
        return SkillRouter(router, experts, settings.fusion.contextual)
    return ReliabilityRouter(router, experts, features, settings.seed, settings.fusion)
