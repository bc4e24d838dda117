"""The classical discount: an expert is trusted by its prequential accuracy, the same for every event.

This is Shafer's discounting (Shafer 1976) without a network. It serves for comparison with a learnt router.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import ModelSettings
from tocsin.config.routing import SkillSettings
from tocsin.kernels.routing.reliability_state import RouterOutput
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.experts.base import Arrays
from tocsin.models.routing.prequential_accuracy import AccuracyRouter

MAX_RELIABILITY = 0.999


class SkillRouter(AccuracyRouter):
    """Reliabilities [B, E]: each expert's prequential accuracy above chance, at most 0.999."""

    def __init__(self, settings: SkillSettings, experts: int, discounted: bool = False) -> None:
        """`discounted` says that evidence arrives discounted by class, so that it must not be discounted again."""
        super().__init__(experts, settings.fading_factor, settings.top_p)
        self._discounted = discounted
        self.count = 0
        """Feedback records learnt."""

    @classmethod
    def from_settings(cls, settings: ModelSettings, experts: int, features: int) -> SkillRouter:
        """The router of a model with E experts and F features."""
        router = settings.router
        assert isinstance(router, SkillSettings)
        return cls(router, experts, settings.fusion.contextual)

    def resize(self, features: int) -> None:
        """See `Router`: no column is looked at."""

    def reliability(self, X: Floats, evidence: Floats) -> Floats:
        """See `Router`; of the evidence [B, E, K] only the number of classes is looked at."""
        if self._discounted:
            return np.full(evidence.shape[:2], MAX_RELIABILITY)
        skill = np.minimum(self._record.above_chance(evidence.shape[2]), MAX_RELIABILITY)
        return np.tile(skill, (len(X), 1))

    def learn(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> RouterOutput:
        """See `Router`."""
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
