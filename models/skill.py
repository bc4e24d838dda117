"""The classical discount: an expert is trusted as far as its recent record goes, the same for every event.

Shafer discounting by prequential skill, with no network: the preset to compare a learnt router with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import SkillRouter as RouterSettings
from tocsin.models.batch import Bools, Floats, Ints
from tocsin.models.expert import Arrays
from tocsin.models.features import Standardiser
from tocsin.models.record import Record
from tocsin.models.top_share import top_share

MAX_RELIABILITY = 0.999


class Skill:
    """Reliabilities [B, E]: each expert's prequential skill above chance, at most 0.999."""

    def __init__(self, settings: RouterSettings, experts: int, features: int, discounted: bool = False) -> None:
        """`discounted`: evidence comes discounted class by class already; to do so twice would trust nobody."""
        self._settings = settings
        self._record = Record(experts, settings.fade)
        self._discounted = discounted
        self.scaler = Standardiser(features)
        self.count = 0
        """Feedback records learnt."""

    @property
    def skill(self) -> Floats:
        """Faded prequential accuracy of each expert, [E]; of the answers it gave, not of its silences."""
        return self._record.skill

    @property
    def answers(self) -> Floats:
        """How many answers `skill` rests on, [E]."""
        return self._record.answers

    @property
    def drifts(self) -> int:
        """See `Gate`: nothing watches here."""
        return 0

    def resize(self, features: int) -> None:
        """See `Gate`."""
        self.scaler.resize(features)

    def forget(self, expert: int) -> None:
        """See `Gate`."""
        self._record.forget(expert)

    def inherit(self, stays: int, trust: tuple[float, float]) -> None:
        """See `Gate`: nothing, for how often an expert is right does not change by another that is gone."""

    def reliability(self, X: Floats, evidence: Floats) -> Floats:
        """See `Gate`; of the evidence [B, E, K] only the number of classes is looked at."""
        if self._discounted:
            return np.full(evidence.shape[:2], MAX_RELIABILITY)
        skill = np.minimum(self._record.above_chance(evidence.shape[2]), MAX_RELIABILITY)
        return np.tile(skill, (len(X), 1))

    def engaged(self, reliability: Floats, evidence: Floats, prior: float) -> Bools:
        """Top-p engagement: the most reliable experts whose share of all reliability reaches `engage`; see `Gate`."""
        return top_share(reliability, self._settings.engage)

    def learn(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> Floats:
        """See `Gate`."""
        before = np.empty(evidence.shape[:2])
        for i in range(len(X)):
            before[i] = self.reliability(X[i : i + 1], evidence[i : i + 1])[0]
            self.scaler.learn(X[i])
            self._record.learn(evidence[i], int(y[i]))
            self.count += 1
        return before

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        scaler = {f"scaler.{name}": array for name, array in self.scaler.arrays().items()}
        return self._record.arrays() | {"count": np.array(self.count)} | scaler

    def restore(self, arrays: Arrays) -> None:
        """See `Expert`. Raises KeyError or ValueError where arrays do not fit."""
        self._record.restore(arrays)
        self.count = int(arrays["count"])
        self.scaler.restore({n.removeprefix("scaler."): a for n, a in arrays.items() if n.startswith("scaler.")})
