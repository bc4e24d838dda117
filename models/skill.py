"""The classical discount: an expert is trusted as far as its recent record goes, the same for every event.

Shafer discounting (Shafer 1976) by prequential skill, with no network: the preset to compare a learnt router with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import SkillRouter as RouterSettings
from tocsin.models.batch import Floats, Ints
from tocsin.models.expert import Arrays
from tocsin.models.record import Before, ByRecord

MAX_RELIABILITY = 0.999


class Skill(ByRecord):
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

    def learn(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> Before:
        """See `Gate`."""
        before = np.empty(evidence.shape[:2])
        for i in range(len(X)):
            before[i] = self.reliability(X[i : i + 1], evidence[i : i + 1])[0]
            self._record.learn(evidence[i], int(y[i]))
            self.count += 1
        return Before(before, np.ones(len(X)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return self._record.arrays() | {"count": np.array(self.count)}

    def restore(self, arrays: Arrays) -> None:
        """See `Expert`. Raises KeyError or ValueError where arrays do not fit."""
        self._record.restore(arrays)
        self.count = int(arrays["count"])
