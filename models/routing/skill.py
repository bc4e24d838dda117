"""The classical discount: an expert is trusted as far as its recent record goes, the same for every event.

Shafer discounting (Shafer 1976) by prequential skill, with no network: the preset to compare a learnt router with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.routing import SkillSettings as RouterSettings
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.experts.base import Arrays
from tocsin.models.routing.prequential_accuracy import AccuracyRouter, RouterOutput

MAX_RELIABILITY = 0.999


class SkillRouter(AccuracyRouter):
    """Reliabilities [B, E]: each expert's prequential skill above chance, at most 0.999."""

    def __init__(self, settings: RouterSettings, experts: int, discounted: bool = False) -> None:
        """`discounted`: evidence comes discounted class by class already; to do so twice would trust nobody."""
        super().__init__(experts, settings.fade, settings.engage)
        self._discounted = discounted
        self.count = 0
        """Feedback records learnt."""

    def resize(self, features: int) -> None:
        """See `Gate`: no column is looked at."""

    def reliability(self, X: Floats, evidence: Floats) -> Floats:
        """See `Gate`; of the evidence [B, E, K] only the number of classes is looked at."""
        if self._discounted:
            return np.full(evidence.shape[:2], MAX_RELIABILITY)
        skill = np.minimum(self._record.above_chance(evidence.shape[2]), MAX_RELIABILITY)
        return np.tile(skill, (len(X), 1))

    def learn(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> RouterOutput:
        """See `Gate`."""
        before = np.empty(evidence.shape[:2])
        for i in range(len(X)):
            before[i] = self.reliability(X[i : i + 1], evidence[i : i + 1])[0]
            self._record.learn(evidence[i], int(y[i]))
            self.count += 1
        return RouterOutput(before, np.ones(len(X)))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return self._record.state_dict() | {"count": np.array(self.count)}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`. Raises KeyError or ValueError where arrays do not fit."""
        self._record.load_state_dict(arrays)
        self.count = int(arrays["count"])
