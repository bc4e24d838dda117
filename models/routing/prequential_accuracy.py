"""Each expert's prequential accuracy, and what the routers that rest on it have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Bools, Floats
from tocsin.models.experts.base import Arrays


class PrequentialAccuracy:
    """Prequential accuracy of E experts, old answers fading. Vacuous evidence counts as neither right nor wrong."""

    def __init__(self, experts: int, fade: float) -> None:
        self._fade = fade
        self.skill = np.full(experts, 0.5)
        """[E], of the answers each gave."""
        self.answers = np.zeros(experts)
        """[E], how many answers `skill` rests on."""

    def learn(self, evidence: Floats, y: int) -> None:
        """Take in one event: the experts' evidence [E, K] and the label."""
        answered = evidence.max(axis=1) > 0
        right = evidence.argmax(axis=1) == y
        self.answers += answered
        # The first 1 / (1 - fading factor) answers make a plain mean; from then on old answers fade.
        share = np.maximum(1.0 - self._fade, 1.0 / np.maximum(self.answers + 1.0, 1.0))
        self.skill = np.where(answered, self.skill + share * (right - self.skill), self.skill)

    def above_chance(self, classes: int) -> Floats:
        """[E] in [0, 1]: 0 for an expert no better than a guess among so many classes, 1 for one that never errs."""
        chance = 1.0 / max(classes, 2)
        skill = np.clip((self.skill - chance) / (1.0 - chance), 0.0, 1.0)
        # An expert that has not answered yet has no accuracy: it gets half of full trust.
        result: Floats = np.where(self.answers > 0, skill, 0.5)
        return result

    def forget(self, expert: int) -> None:
        """Forget the accuracy of an expert that begins anew."""
        self.skill[expert], self.answers[expert] = 0.5, 0.0

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return {"skill": self.skill, "answers": self.answers}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`. Raises KeyError or ValueError where arrays do not fit."""
        skill, answers = np.array(arrays["skill"], np.float64), np.array(arrays["answers"], np.float64)
        if not skill.shape == answers.shape == self.skill.shape:
            raise ValueError(f"accuracies {skill.shape} and answers {answers.shape}, not of {self.skill.shape}")
        self.skill, self.answers = skill, answers


class AccuracyRouter:
    """What the routers share that trust an expert by its prequential accuracy: see `Router`."""

    def __init__(self, experts: int, fade: float, engage: float) -> None:
        self._record = PrequentialAccuracy(experts, fade)
        self._engage = engage

    @property
    def skill(self) -> Floats:
        """Prequential accuracy of each expert, [E], over the events on which it gave evidence."""
        return self._record.skill

    @property
    def answers(self) -> Floats:
        """How many answers `skill` rests on, [E]."""
        return self._record.answers

    @property
    def top_p(self) -> float:
        """The share of all reliability that the engaged experts hold."""
        return self._engage

    @property
    def drifts(self) -> int:
        """See `Router`: nothing watches here."""
        return 0

    @property
    def inverse_temperature(self) -> float:
        """See `Router`: it is not learnt here."""
        return 1.0

    def forget(self, expert: int) -> None:
        """See `Router`: only the accuracy is forgotten. A network's weights are trained anew within some hundred
        records."""
        self._record.forget(expert)

    def inherit(self, stays: int, trust: tuple[float, float]) -> None:
        """See `Router`: nothing changes, because accuracy does not depend on whether another expert is there."""

    def engaged(self, reliability: Floats, evidence: Floats, prior: float) -> Bools:
        """Top-p engagement: the most reliable experts whose share of all reliability reaches `top_p`; see `Router`."""
        return top_share(reliability, self._engage)


def top_share(reliability: Floats, share: float) -> Bools:
    """The most reliable experts of each event [B, E] whose reliabilities reach this share of all; at least one.

    >>> top_share(np.array([[0.1, 0.6, 0.3]]), 0.8).tolist()
    [[False, True, True]]
    """
    if share >= 1.0:
        return np.ones(reliability.shape, np.bool_)
    order = np.argsort(-reliability, axis=1, kind="stable")
    ranked = np.take_along_axis(reliability, order, axis=1)
    total = np.maximum(ranked.sum(axis=1, keepdims=True), 1e-12)
    before = ranked.cumsum(axis=1) - ranked
    chosen = before < share * total
    chosen[:, 0] = True
    result: Bools = np.empty_like(chosen)
    np.put_along_axis(result, order, chosen, axis=1)
    return result
