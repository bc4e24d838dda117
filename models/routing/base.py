"""What every router is."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from tocsin.kernels.routing.reliability_state import RouterOutput
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.experts.base import Arrays


class Router(Protocol):
    """Says how far each expert can be trusted, and learns it from feedback in its order."""

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
        """How many drifts were noticed; always 0 for a router that does not watch for them."""
        ...

    def forget(self, expert: int) -> None:
        """Trust an expert as at the start, because it begins anew."""
        ...

    def inherit(self, stays: int, trust: tuple[float, float]) -> None:
        """Of two experts that answered alike, trust the one that stays as much as both were trusted together.

        `trust` are the mean reliabilities, its own and that of the other.
        """
        ...

    def reliability(self, X: Floats, evidence: Floats) -> Floats:
        """[B, E] in [0, 1) from X [B, F] and the experts' evidence [B, E, K]."""
        ...

    def engaged(self, reliability: Floats, evidence: Floats, prior: float) -> Bools:
        """Which experts [B, E] take part in the decision; `prior` is the prior weight of an opinion."""
        ...

    @property
    def inverse_temperature(self) -> float:
        """The power to which BetP is raised before a decision; 1 where it is not learnt."""
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
