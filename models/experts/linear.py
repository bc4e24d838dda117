"""A linear expert: multinomial logistic regression on standardised inputs, online."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.linear import LinearSettings
from tocsin.kernels.common.labelled import labelled
from tocsin.kernels.common.moments import Moments
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
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError
from tocsin.models.experts.evidence import proportional
from tocsin.models.experts.rates import numbers_and_rates, rate_names

BIAS = "bias"
GAP_STEP = 0.1
"""Experts whose steps are longer than this do not see gaps: they would follow each one."""


class LinearExpert(Expert):
    """Softmax regression trained by RMS-normalised SGD, one event at a time.

    Numbers and booleans are standardised. A category is seen by how often each class came with it (`Batch.rates`), or
    hashed to `buckets` one-hot columns where there are no rates. From the first gap on that tells something
    (`Batch.gaps`), gaps are inputs, too, one a feature.
    """

    def __init__(self, settings: LinearSettings, nominal: Sequence[bool] = (), rated: int = 0) -> None:
        self.name = settings.name
        self._settings = settings
        self._rated = rated
        """The most classes whose rates stand for a category; 0 where categories are hashed."""
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._gaps = False
        self._row: list[Hashable] = []
        """What the kernel sees of an event, by names that stay when columns come."""
        self._scaler = Standardiser()
        self._seen = 0.0
        self._rows = 0
        self._weights = np.zeros((0, 1))
        self._squares = np.zeros_like(self._weights)
        self._lay_out(np.array(nominal, np.bool_), gaps=False, classes=0)

    @classmethod
    def from_settings(cls, settings: LinearSettings, pool: PoolContext) -> LinearExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal, pool.rated_classes)

    def _kinds(self) -> Bools:
        """Which of the columns that the kernel sees are hashed categories."""
        hashed = np.zeros(0, np.bool_) if self._rated else self._nominal
        return np.append(hashed, np.zeros(len(self._row) - len(hashed), np.bool_))

    def _inputs_of(self, row: Sequence[Hashable], nominal: Bools) -> list[Hashable]:
        """The names of the inputs: those of a row, the buckets of each hashed category, and the bias."""
        hashed = [] if self._rated else np.flatnonzero(nominal).tolist()
        return [*row, *((f, bucket) for f in hashed for bucket in range(self._settings.buckets)), BIAS]

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`."""
        self._lay_out(np.array(nominal, np.bool_), self._gaps, len(self._weights))

    def _lay_out(self, nominal: Bools, gaps: bool, classes: int) -> None:
        """Make room for more columns, for gaps, or for more classes; what is known of those that stay is kept."""
        row: list[Hashable] = [f for f, category in enumerate(nominal.tolist()) if not (category and self._rated)]
        if gaps:
            row += [("gap", f) for f in range(len(nominal))]
        if self._rated:
            row += rate_names(nominal, classes, self._rated)
        before, after = self._inputs_of(self._row, self._nominal), self._inputs_of(row, nominal)
        place = {name: d for d, name in enumerate(after)}
        stay = [d for d, name in enumerate(before) if name in place]
        to = [place[before[d]] for d in stay]
        for name in ("_weights", "_squares"):
            old = getattr(self, name)
            wider = np.zeros((classes, len(after)))
            wider[: len(old), to] = old[:, stay]
            setattr(self, name, wider)
        self._scaler = self._scaler.rearranged(self._row, row)
        if gaps and not self._gaps:  # a gap that was no input was 0 in every row
            new = [place["gap", f] for f in range(len(nominal))]
            self._scaler.count[new] = min(float(self._rows), self._scaler.memory)
        self._nominal, self._gaps, self._row = nominal, gaps, row

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        more, classes = features - len(self._nominal), max(classes, len(self._weights))
        if more > 0 or classes > len(self._weights):
            self._lay_out(np.append(self._nominal, np.zeros(max(more, 0), np.bool_)), self._gaps, classes)

    def _inputs(self, batch: Batch) -> Floats:
        """The columns that the kernel sees, [B, width of a row]."""
        if not self._gaps and not (self._rated and self._nominal.any()):
            return np.ascontiguousarray(batch.ranked, np.float64)
        gaps = np.zeros((len(batch), 0))
        if self._gaps:
            gaps = np.zeros_like(batch.ranked) if batch.gaps is None else batch.gaps
        if not self._rated:
            return np.concatenate([batch.ranked, gaps], axis=1)
        numbers, rates = numbers_and_rates(batch, self._nominal, len(self._weights), self._rated)
        return np.concatenate([numbers, gaps, rates], axis=1)

    @property
    def settings(self) -> LinearSettings:
        """How it learns and answers."""
        return self._settings

    @property
    def nominal(self) -> Bools:
        """Which features are categories, [F]."""
        return self._nominal.copy()

    @property
    def most_rated(self) -> int:
        """The most classes whose rates stand for a category; 0 where categories are hashed."""
        return self._rated

    @property
    def sees_gaps(self) -> bool:
        """Whether gaps are inputs by now."""
        return self._gaps

    @property
    def strength(self) -> float:
        """The pseudo-counts that one answer is worth now."""
        return min(self._seen / max(len(self._weights), 1), self._settings.strength)

    @property
    def moments(self) -> Moments:
        """Those of the columns of a row, which change as it learns."""
        return self._scaler.moments

    @property
    def model(self) -> kernel.Linear:
        """The arrays that it answers by, which change as it learns."""
        scaler = self._scaler
        return kernel.Linear(self._weights, self._squares, self._kinds(), scaler.count, scaler.mean, scaler.square)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`; N grows with what was learnt, up to the configured strength."""
        p = np.empty((len(batch), self._weights.shape[0]))
        kernel.probabilities(self.model, self._inputs(batch), self._settings.buckets, p)
        return proportional(p, self.strength)

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
        self._seen = lagged.ask_and_learn(self.model, events, self._rates(), self._seen, questions, p, weights)
        self._rows += len(batch)
        return proportional(p, np.minimum(weights / len(self._weights), self._settings.strength))

    def _learn(self, batch: Batch, y: Ints, weight: Floats, answers: Floats) -> None:
        if self._begins_to_see_gaps(batch):
            self._lay_out(self._nominal, gaps=True, classes=len(self._weights))
        events = labelled(self._inputs(batch), y, weight)
        self._seen = kernel.learn(self.model, events, self._rates(), self._seen, answers)
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
                one._lay_out(one._nominal, gaps=True, classes=len(one._weights))
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
        """Weights [K, D] on the inputs: the numbers in their order, gaps, rates or hashed categories, bias."""
        return self._weights.copy()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        scaler = with_prefix("scaler.", self._scaler.state_dict())
        state = {"weights": self._weights.copy(), "squares": self._squares.copy(), "seen": np.array(self._seen)}
        seen = {"nominal": self._nominal, "rows": np.array(self._rows), "gaps": np.array(self._gaps)}
        return {**state, **scaler, **seen}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        fresh = type(self)(self._settings, rated=self._rated)
        weights = np.array(arrays["weights"])
        fresh._lay_out(np.array(arrays["nominal"], np.bool_), bool(arrays["gaps"]), len(weights))
        if weights.shape != fresh._weights.shape:
            raise SnapshotError(f"weights {weights.shape} of expert {self.name} are not {fresh._weights.shape}")
        fresh._weights, fresh._squares = weights, np.array(arrays["squares"])
        fresh._seen, fresh._rows = float(arrays["seen"]), int(arrays["rows"])
        fresh._scaler.load_state_dict(without_prefix("scaler.", arrays))
        self.__dict__.update(vars(fresh))
