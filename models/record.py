"""Each expert's recent record: how often what it said was right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.models.batch import Floats
from tocsin.models.expert import Arrays


class Record:
    """Faded prequential accuracy of E experts; silence is neither right nor wrong."""

    def __init__(self, experts: int, fade: float) -> None:
        self._fade = fade
        self.skill = np.full(experts, 0.5)
        """[E], of the answers each gave."""
        self.answers = np.zeros(experts)
        """[E], how many answers `skill` rests on."""

    def learn(self, evidence: Floats, y: int) -> None:
        """One event: what the experts said of it [E, K], and its label."""
        answered = evidence.max(axis=1) > 0
        right = evidence.argmax(axis=1) == y
        self.answers += answered
        # A young record is a plain mean; from 1 / (1 - fade) answers on it fades.
        share = np.maximum(1.0 - self._fade, 1.0 / np.maximum(self.answers + 1.0, 1.0))
        self.skill = np.where(answered, self.skill + share * (right - self.skill), self.skill)

    def above_chance(self, classes: int) -> Floats:
        """[E] in [0, 1]: 0 for an expert no better than a guess among so many classes, 1 for one that never errs."""
        chance = 1.0 / max(classes, 2)
        skill = np.clip((self.skill - chance) / (1.0 - chance), 0.0, 1.0)
        # Without a record there is no telling: an expert that has not answered yet is taken at its word, halved.
        result: Floats = np.where(self.answers > 0, skill, 0.5)
        return result

    def forget(self, expert: int) -> None:
        """The record of an expert that begins anew."""
        self.skill[expert], self.answers[expert] = 0.5, 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return {"skill": self.skill, "answers": self.answers}

    def restore(self, arrays: Arrays) -> None:
        """See `Expert`. Raises KeyError or ValueError where arrays do not fit."""
        skill, answers = np.array(arrays["skill"], np.float64), np.array(arrays["answers"], np.float64)
        if not skill.shape == answers.shape == self.skill.shape:
            raise ValueError(f"records of {skill.shape} and {answers.shape}, not of {self.skill.shape}")
        self.skill, self.answers = skill, answers
