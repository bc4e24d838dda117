"""What every router is."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.routing.reliability_state import RouterOutput
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.feedback import in_turns
from tocsin.models.experts.base import Arrays


class Questions(NamedTuple):
    """n events that are asked about while others are learnt."""

    X: Floats
    """[n, F]"""
    answers: Floats
    """[n, E, K], what the experts said of each in its turn."""
    ahead: Ints
    """[n], how many of the lessons are learnt before each is asked about; it never falls."""


class Lessons(NamedTuple):
    """m labelled events, in the order in which they are learnt."""

    X: Floats
    """[m, F]"""
    answers: Floats
    """[m, E, K], what the experts had said at each event's own time."""
    y: Ints
    """[m]"""
    weight: Floats
    """[m]"""
    delay: Ints
    """[m], how many records were learnt between an event's decision and its label."""


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


@runtime_checkable
class HasLaggedPass(Protocol):
    """A router that has a pass of its own for `routed`."""

    def ask_and_learn(self, questions: Questions, lessons: Lessons) -> tuple[RouterOutput, RouterOutput]:
        """See `routed`."""
        ...


def routed(router: Router, questions: Questions, lessons: Lessons) -> tuple[RouterOutput, RouterOutput]:
    """What a router says of n events in turns with learning m others, and what held before each of these."""
    if isinstance(router, HasLaggedPass):
        return router.ask_and_learn(questions, lessons)
    (X, evidence, ahead), (n, E, _) = questions, questions.answers.shape
    said = RouterOutput(np.empty((n, E)), np.empty(n))
    before = RouterOutput(np.empty((len(lessons.y), E)), np.empty(len(lessons.y)))

    def ask(start: int, stop: int) -> None:
        said.reliability[start:stop] = router.reliability(X[start:stop], evidence[start:stop])
        said.inverse_temperature[start:stop] = router.inverse_temperature

    def learn(start: int, stop: int) -> None:
        rows = slice(start, stop)
        seen, answers, y, weight, delay = lessons
        held = router.learn(seen[rows], answers[rows], y[rows], weight[rows], delay[rows])
        before.reliability[start:stop], before.inverse_temperature[start:stop] = held

    in_turns(ahead, len(lessons.y), ask, learn)
    return said, before
