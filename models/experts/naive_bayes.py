"""Naive Bayes with fading counts as an expert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.naive_bayes import NaiveBayesSettings
from tocsin.kernels.common.labelled import labelled
from tocsin.kernels.experts import naive_bayes
from tocsin.kernels.experts.naive_bayes import Counts
from tocsin.kernels.lagged import naive_bayes as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import (
    Batch,
    Bools,
    Floats,
    Ints,
)
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError
from tocsin.models.experts.evidence import proportional

START = 1.0
"""Pseudo-counts of an answer before any has been checked."""


class NaiveBayesExpert(Expert):
    """A Gaussian per number and a hashed table per category for each class, with old events fading.

    The class probabilities p become evidence N p; N is fitted online by the log loss of N p
    (`tocsin.kernels.decision.calibration`), because dependent features make p over-confident.

    >>> import numpy as np
    >>> expert = NaiveBayesExpert(NaiveBayesSettings())
    >>> expert.resize(1, 2)
    >>> expert.learn(Batch.of(np.array([[0.0], [9.0], [1.0], [8.0]])), np.array([0, 1, 0, 1]), np.ones(4))
    >>> expert.evidence(Batch.of(np.array([[2.0], [7.0]]))).argmax(axis=1).tolist()
    [0, 1]
    """

    def __init__(self, settings: NaiveBayesSettings, nominal: Sequence[bool] = ()) -> None:
        self.name = settings.name
        self._settings = settings
        self._nominal: Bools = np.array(nominal, np.bool_)
        columns = len(nominal)
        self._counts = Counts(
            np.zeros(0),
            np.zeros((0, columns)),
            np.zeros((0, columns)),
            np.zeros((0, columns)),
            np.zeros((int(self._nominal.sum()), 0, settings.buckets)),
        )
        self._unit = 1.0
        self._strength = START
        self._seen = 0

    @classmethod
    def from_settings(cls, settings: NaiveBayesSettings, pool: PoolContext) -> NaiveBayesExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal)

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`."""
        slots = self._slots()
        self._nominal = np.array(nominal, np.bool_)
        old, more = self._counts, len(nominal) - len(slots)
        tables = np.zeros((int(self._nominal.sum()), *old.tables.shape[1:]))
        for slot, f in enumerate(np.flatnonzero(self._nominal)):
            if f < len(slots) and slots[f] >= 0:
                tables[slot] = old.tables[slots[f]]
        known, mean, square = (np.pad(array, ((0, 0), (0, more))) for array in (old.known, old.mean, old.square))
        self._counts = Counts(old.weight, known, mean, square, tables)

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        if features > len(self._nominal):
            self.set_columns((), [*self._nominal, *[False] * (features - len(self._nominal))])
        old, more = self._counts, classes - len(self._counts.weight)
        if more > 0:
            known, mean, square = (np.pad(array, ((0, more), (0, 0))) for array in (old.known, old.mean, old.square))
            tables = np.pad(old.tables, ((0, 0), (0, more), (0, 0)))
            self._counts = Counts(np.pad(old.weight, (0, more)), known, mean, square, tables)

    def _slots(self) -> Ints:
        """Which table each nominal column has [F], -1 for numbers."""
        return np.where(self._nominal, np.cumsum(self._nominal) - 1, -1).astype(np.int64)

    @property
    def nominal(self) -> Bools:
        """Which columns are categories, [F]."""
        return self._nominal.copy()

    @property
    def counts(self) -> Counts:
        """What it has counted, which changes as it learns."""
        return self._counts

    @property
    def progress(self) -> naive_bayes.Progress:
        """What changes with every event beside the counts."""
        return naive_bayes.Progress(self._unit, self._strength, self._seen)

    @property
    def strength(self) -> float:
        """The pseudo-counts that one answer is worth now."""
        return min(self._strength, self._settings.strength)

    def probabilities(self, X: Floats) -> Floats:
        """Class probabilities [B, K] of X [B, F]."""
        rows = np.ascontiguousarray(X, np.float64)
        return naive_bayes.probabilities(self._counts, self._slots(), rows, self._unit)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`; vacuous evidence before anything was learnt."""
        if not self._seen:
            return np.zeros((len(batch), len(self._counts.weight)))
        return proportional(self.probabilities(batch.X), self.strength)

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        fade, most = self._settings.fading_factor, self._settings.strength
        self._unit, self._strength, self._seen = naive_bayes.learn(
            self._counts, self._slots(), labelled(batch.X, y, weight), self.progress, fade, most
        )

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        p, strengths = np.empty((len(asked), len(self._counts.weight))), np.empty(len(asked))
        rates = self._settings.fading_factor, self._settings.strength
        events, questions = labelled(batch.X, y, weight), turns.asked(asked.X, ahead)
        self._unit, self._strength, self._seen = lagged.ask_and_learn(
            self._counts, self._slots(), events, self.progress, rates, questions, p, strengths
        )
        return proportional(p, np.minimum(strengths, self._settings.strength))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        own = {"unit": np.array(self._unit), "strength": np.array(self._strength), "seen": np.array(self._seen)}
        counts = {name: array.copy() for name, array in self._counts._asdict().items()}
        return {**own, **counts, "nominal": self._nominal.copy()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        try:
            counts = Counts(*(np.array(arrays[name], np.float64) for name in Counts._fields))
            nominal = np.array(arrays["nominal"], np.bool_)
            unit, strength, seen = float(arrays["unit"]), float(arrays["strength"]), int(arrays["seen"])
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not the arrays of a naive Bayes expert: {error}") from error
        shape = (len(counts.weight), len(nominal))
        tables = (int(nominal.sum()), len(counts.weight), self._settings.buckets)
        if {shape} != {a.shape for a in (counts.known, counts.mean, counts.square)} or counts.tables.shape != tables:
            raise SnapshotError(f"arrays for {shape} classes and features do not fit one another, or the settings")
        self._counts, self._nominal = counts, nominal
        self._unit, self._strength, self._seen = unit, strength, seen
