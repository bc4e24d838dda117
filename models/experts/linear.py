"""A linear expert: multinomial logistic regression on standardised inputs, online."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.linear import LinearSettings
from tocsin.kernels.common.labelled import labelled
from tocsin.kernels.experts import linear as kernel
from tocsin.kernels.lagged import linear as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import (
    Batch,
    Bools,
    Floats,
    Ints,
)
from tocsin.models.data.features import Standardiser
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.experts.base import Arrays, Expert, PoolContext
from tocsin.models.experts.evidence import proportional

GAP_STEP = 0.1
"""Experts whose steps are longer than this do not see gaps: they would follow each one."""


class LinearExpert(Expert):
    """Softmax regression trained by RMS-normalised SGD, one event at a time.

    Numbers and booleans are standardised; each category is hashed to `buckets` one-hot columns. From the first gap on
    that tells something (`Batch.gaps`), gaps are inputs, too, one a feature.
    """

    def __init__(self, settings: LinearSettings, nominal: Sequence[bool] = ()) -> None:
        self.name = settings.name
        self._settings = settings
        self._nominal: Bools = np.array(nominal, np.bool_)
        self._scaler = Standardiser(len(nominal))
        self._seen = 0.0
        self._rows = 0
        self._gaps = False
        self._weights = np.zeros((0, self._columns()))
        self._squares = np.zeros_like(self._weights)

    @classmethod
    def from_settings(cls, settings: LinearSettings, pool: PoolContext) -> LinearExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal)

    def _kinds(self) -> Bools:
        """Which of the columns that the kernel sees are categories: those of the features, then those of their gaps."""
        F = len(self._nominal)
        return np.concatenate([self._nominal, np.zeros(F, np.bool_)]) if self._gaps else self._nominal

    def _columns(self) -> int:
        return len(self._kinds()) + int(self._nominal.sum()) * self._settings.buckets + 1

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`."""
        self._lay_out(np.array(nominal, np.bool_), self._gaps)

    def _lay_out(self, nominal: Bools, gaps: bool) -> None:
        """Make room for more columns, or for gaps: features, their gaps, the buckets of each category, and the bias."""
        before, there, buckets = (
            len(self._nominal),
            len(self._kinds()),
            int(self._nominal.sum()) * self._settings.buckets,
        )
        self._nominal, self._gaps = nominal, gaps
        after, width = len(nominal), len(self._kinds())
        for name in ("_weights", "_squares"):
            old = getattr(self, name)
            wider = np.zeros((len(old), self._columns()))
            wider[:, :before] = old[:, :before]
            wider[:, after : after + there - before] = old[:, before:there]
            wider[:, width : width + buckets] = old[:, there : there + buckets]
            wider[:, -1] = old[:, -1]
            setattr(self, name, wider)
        # A gap that was no input was 0 in every row.
        fresh = Standardiser(width)
        fresh.count[after:] = min(float(self._rows), self._scaler.memory)
        for name in ("count", "mean", "square"):
            old, new = getattr(self._scaler, name), getattr(fresh, name)
            new[:before], new[after : after + there - before] = old[:before], old[before:there]
        self._scaler = fresh

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        if features > len(self._nominal):
            self.set_columns((), [*self._nominal, *[False] * (features - len(self._nominal))])
        more = classes - self._weights.shape[0]
        if more > 0:
            self._weights = np.pad(self._weights, ((0, more), (0, 0)))
            self._squares = np.pad(self._squares, ((0, more), (0, 0)))

    def _inputs(self, batch: Batch) -> Floats:
        """The columns that the kernel sees, [B, F] or [B, 2 F]."""
        if not self._gaps:
            return np.ascontiguousarray(batch.ranked, np.float64)
        gaps = np.zeros_like(batch.ranked) if batch.gaps is None else batch.gaps
        return np.concatenate([batch.ranked, gaps], axis=1)

    def _model(self) -> kernel.Linear:
        scaler = self._scaler
        return kernel.Linear(self._weights, self._squares, self._kinds(), scaler.count, scaler.mean, scaler.square)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`; N grows with what was learnt, up to the configured strength."""
        p = np.empty((len(batch), self._weights.shape[0]))
        kernel.probabilities(self._model(), self._inputs(batch), self._settings.buckets, p)
        return proportional(p, min(self._seen / self._weights.shape[0], self._settings.strength))

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        self._learn(batch, y, weight, np.empty((0, 0)))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.empty((len(batch), self._weights.shape[0]))
        self._learn(batch, y, weight, answers)
        return answers

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        if self._begins_to_see_gaps(batch):
            return super().ask_and_learn(asked, ahead, batch, y, weight)
        p, weights = np.empty((len(asked), len(self._weights))), np.empty(len(asked))
        events, questions = labelled(self._inputs(batch), y, weight), turns.asked(self._inputs(asked), ahead)
        self._seen = lagged.ask_and_learn(self._model(), events, self._rates(), self._seen, questions, p, weights)
        self._rows += len(batch)
        return proportional(p, np.minimum(weights / len(self._weights), self._settings.strength))

    def _learn(self, batch: Batch, y: Ints, weight: Floats, answers: Floats) -> None:
        if self._begins_to_see_gaps(batch):
            self._lay_out(self._nominal, gaps=True)
        events = labelled(self._inputs(batch), y, weight)
        self._seen = kernel.learn(self._model(), events, self._rates(), self._seen, answers)
        self._rows += len(batch)

    def _begins_to_see_gaps(self, batch: Batch) -> bool:
        told = batch.gaps is not None and bool(batch.gaps.any())
        return told and not self._gaps and self._settings.step <= GAP_STEP

    def _rates(self) -> kernel.Rates:
        settings = self._settings
        return kernel.Rates(settings.buckets, settings.step, self._scaler.memory, settings.strength)

    def merge(self, other: LinearExpert, share: float) -> None:
        """See `Expert`; the weights of the other are first made those on inputs standardised as these are.

        Raises ValueError where the two have other columns or classes.
        """
        if self._gaps != other._gaps and len(self._nominal) == len(other._nominal):
            for one in (self, other):
                one._lay_out(one._nominal, gaps=True)
        if self._weights.shape != other._weights.shape or not np.array_equal(self._nominal, other._nominal):
            raise ValueError(f"weights {other._weights.shape} cannot be merged into {self._weights.shape}")
        theirs = self._restandardised(other)
        self._weights = (1.0 - share) * self._weights + share * theirs
        self._squares = (1.0 - share) * self._squares + share * other._squares
        self._seen = (1.0 - share) * self._seen + share * other._seen

    def _restandardised(self, other: LinearExpert) -> Floats:
        """The other's weights for inputs standardised by this scaler: the same logits wherever nothing is clipped."""
        F = len(self._kinds())
        own, theirs = self._scaler, other._scaler
        varied = (own.square > 0) & (theirs.square > 0) & ~self._kinds()
        ratio = np.sqrt(np.divide(own.square, theirs.square, out=np.ones(F), where=varied))
        shift = np.divide(own.mean - theirs.mean, np.sqrt(theirs.square), out=np.zeros(F), where=varied)
        weights = other._weights.copy()
        weights[:, -1] += other._weights[:, :F] @ shift
        weights[:, :F] *= ratio
        return weights

    def coefficients(self) -> Floats:
        """Weights [K, D] on the inputs: the features in their order, hashed categories, bias."""
        return self._weights.copy()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        scaler = with_prefix("scaler.", self._scaler.state_dict())
        state = {"weights": self._weights.copy(), "squares": self._squares.copy(), "seen": np.array(self._seen)}
        seen = {"nominal": self._nominal, "rows": np.array(self._rows), "gaps": np.array(self._gaps)}
        return {**state, **scaler, **seen}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        self._nominal = np.array(arrays["nominal"])
        self._weights, self._squares = np.array(arrays["weights"]), np.array(arrays["squares"])
        self._seen, self._rows, self._gaps = float(arrays["seen"]), int(arrays["rows"]), bool(arrays["gaps"])
        self._scaler.load_state_dict(without_prefix("scaler.", arrays))
