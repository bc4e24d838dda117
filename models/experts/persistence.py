"""The expert that repeats a label: the subject's last known one, else the stream's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.persistence import PersistenceSettings
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.experts.base import Arrays, Expert, PoolContext


class PersistenceExpert(Expert):
    """Repeats the last known label. Batches carry the labels that were known at their events' time, so it has no
    state."""

    def __init__(self, settings: PersistenceSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._classes = 0

    @classmethod
    def from_settings(cls, settings: PersistenceSettings, pool: PoolContext) -> PersistenceExpert:
        """See `Expert`."""
        return cls(settings)

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        self._classes = max(self._classes, classes)

    @property
    def settings(self) -> PersistenceSettings:
        """Whose last label it repeats."""
        return self._settings

    @property
    def classes(self) -> int:
        """K"""
        return self._classes

    def last(self, batch: Batch) -> Ints:
        """The class index that each event's answer repeats [B]; -1 where none is known."""
        stream = batch.history[:, 0] if batch.history.shape[1] else np.full(len(batch), -1, np.int64)
        if self._settings.by == "stream":
            return stream
        return np.where(batch.subject_label >= 0, batch.subject_label, stream)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`."""
        last = self.last(batch)
        result = np.zeros((len(batch), self._classes))
        known = np.flatnonzero(last >= 0)
        result[known, last[known]] = self._settings.strength
        return result

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """Nothing to learn: see the class."""

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        return self.evidence(asked)

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        return self.evidence(batch)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return {}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
