"""What the logistic experts share: columns that become inputs, a second-order model of them, and its evidence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.logistic import SecondOrderSettings
from tocsin.kernels.common.labelled import Labelled, labelled
from tocsin.kernels.experts import logistic as kernel
from tocsin.kernels.lagged import logistic as lagged
from tocsin.kernels.lagged import turns
from tocsin.kernels.lagged.turns import Asked
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.data.features import Standardiser
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.experts.base import Arrays, Expert, SnapshotError
from tocsin.models.experts.logistic.second_order import SecondOrder
from tocsin.models.experts.rates import numbers_and_rates

BIAS = "bias"


class SecondOrderExpert(Expert):
    """An expert that learns by second-order logistic regression from a row of values of each event.

    A row begins with the features. A kind of expert says by `_extra` what stands behind them, and one that works out
    inputs of its own answers and learns by kernels of its own. Numbers are standardised
    by the rows before, each category is hashed to `buckets` one-hot inputs, and what is not known is 0. Where there are
    rates of categories (`Batch.rates`), a kind may see those instead: then the row has numbers only. With more than
    `max_inputs` inputs the expert keeps nothing, learns nothing, and its evidence is vacuous.
    """

    def __init__(
        self, settings: SecondOrderSettings, name: str, strength: float, nominal: Sequence[bool] = (), rated: int = 0
    ) -> None:
        self.name = name
        self._settings = settings
        self._rated = rated
        """The most classes whose rates stand for a category; 0 where categories are hashed."""
        self._nominal: Bools = np.array(nominal, np.bool_)
        self._learner = SecondOrder(settings, strength)
        self._row: list[Hashable] = self._features()
        """What stands in a row, by names that stay when columns come."""
        self._scaler = Standardiser(len(self._row))

    # What a kind of expert says

    def _extra(self, classes: int) -> list[Hashable] | None:
        """The names of what stands behind the features in a row, all of them numbers; None where the expert is to be
        silent, because there is nothing to add or no room for it."""
        return []

    def _answer(self, batch: Batch, columns: kernel.Columns, out: Floats) -> None:
        """Fill `out` [B, K] with the evidence for B events."""
        learner = self._learner
        kernel.evidence(learner.model, self._rows_of(batch), columns, learner.rates.most_strength, out)

    def _teach(self, batch: Batch, events: Labelled, columns: kernel.Columns, answers: Floats) -> None:
        """Learn B events, after filling `answers` [B, K] if there are any."""
        learner = self._learner
        kernel.learn(learner.model, events, columns, learner.rates, learner.classes, answers)

    def _answer_and_teach(
        self, asked: Batch, questions: Asked, batch: Batch, events: Labelled, columns: kernel.Columns, out: Floats
    ) -> None:
        """Learn events, and fill `out` [n, K] with the evidence for those that are `asked` about in turn."""
        learner = self._learner
        lagged.ask_and_learn(learner.model, events, columns, learner.rates, questions, out)

    # Columns and classes

    def _features(self) -> list[Hashable]:
        """The names of the features that stand in a row: all, or the numbers where categories are seen by rates."""
        return [f for f, category in enumerate(self._nominal.tolist()) if not (category and self._rated)]

    def _rows_of(self, batch: Batch) -> Floats:
        """The values of B events that the kernel sees, float64 [B, width of a row], but for what it works out."""
        if not (self._rated and self._nominal.any()):
            return np.ascontiguousarray(batch.ranked, np.float64)
        return np.concatenate(numbers_and_rates(batch, self._nominal, self._learner.classes, self._rated), axis=1)

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`."""
        self._nominal = np.array(nominal, np.bool_)
        self._arrange(self._learner.classes)

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        more = features - len(self._nominal)
        if more > 0:
            self._nominal = np.append(self._nominal, np.zeros(more, np.bool_))
        self._arrange(max(classes, self._learner.classes))

    def _arrange(self, classes: int) -> None:
        """Make room for the columns and for so many classes; what is known of those that stay is kept."""
        extra = self._extra(classes)
        row: list[Hashable] = [*self._features(), *(extra or [])]
        inputs: list[Hashable] = [*self._inputs(row), BIAS]
        if extra is None or len(inputs) > self._settings.max_inputs:
            row, inputs = [], []
        if row != self._row:
            self._scaler = self._scaler.rearranged(self._row, row)
            self._row = row
        self._learner.resize(inputs, classes)

    def _inputs(self, row: Sequence[Hashable]) -> list[Hashable]:
        """The names of the inputs, in the order of `tocsin.kernels.experts.logistic.inputs_of`."""
        if self._rated:
            return list(row)
        buckets, F = range(self._settings.buckets), len(self._nominal)
        names: list[Hashable] = []
        for f, category in enumerate(self._nominal.tolist()):
            names += [(f, bucket) for bucket in buckets] if category else [f]
        return names + list(row[F:])

    def _columns(self) -> kernel.Columns:
        hashed = np.zeros(0, np.bool_) if self._rated else self._nominal
        nominal = np.append(hashed, np.zeros(len(self._row) - len(hashed), np.bool_))
        return kernel.Columns(nominal, self._scaler.moments, self._settings.buckets)

    @property
    def nominal(self) -> Bools:
        """Which features are categories, [F]."""
        return self._nominal.copy()

    @property
    def most_rated(self) -> int:
        """The most classes whose rates stand for a category; 0 where categories are hashed."""
        return self._rated

    @property
    def classes(self) -> int:
        """K"""
        return self._learner.classes

    @property
    def model(self) -> kernel.Logistic:
        """The arrays that it answers by, which change as it learns."""
        return self._learner.model

    @property
    def columns(self) -> kernel.Columns:
        """How the values of a row become inputs."""
        return self._columns()

    @property
    def strength(self) -> float:
        """The pseudo-counts that one answer is worth now."""
        fit = self._learner.model.fit
        if not fit[kernel.SEEN] > 0.0:
            return 0.0
        return min(float(fit[kernel.STRENGTH]), self._learner.rates.most_strength)

    @property
    def silent(self) -> bool:
        """Whether there are too many inputs."""
        return not self._learner.inputs

    # Evidence and learning

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`; vacuous before anything was learnt, and with too many inputs."""
        out = np.zeros((len(batch), self._learner.classes))
        if not self.silent:
            self._answer(batch, self._columns(), out)
        return out

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        if not self.silent:
            self._teach(batch, labelled(self._rows_of(batch), y, weight), self._columns(), np.empty((0, 0)))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.zeros((len(batch), self._learner.classes))
        if not self.silent:
            self._teach(batch, labelled(self._rows_of(batch), y, weight), self._columns(), answers)
        return answers

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        out = np.zeros((len(asked), self._learner.classes))
        if not self.silent:
            events, columns = labelled(self._rows_of(batch), y, weight), self._columns()
            self._answer_and_teach(asked, turns.asked(self._rows_of(asked), ahead), batch, events, columns, out)
        return out

    # Snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        scaler = with_prefix("scaler.", self._scaler.state_dict())
        return {**self._learner.state_dict(), **scaler, "nominal": self._nominal.copy()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        fresh = self._fresh()
        try:
            fresh._take_over(arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not the arrays of expert {self.name}: {error}") from error
        self.__dict__.update(vars(fresh))

    @abstractmethod
    def _fresh(self) -> SecondOrderExpert:
        """An expert of the same settings that has learnt nothing."""

    def _take_over(self, arrays: Arrays) -> None:
        """Take over a state in this expert, which is fresh. Raises KeyError, TypeError, ValueError, SnapshotError."""
        self._nominal = np.array(arrays["nominal"], np.bool_)
        classes = int(arrays["classes"])
        if classes > max(2, len(arrays["weights"])):
            raise SnapshotError(f"{len(arrays['weights'])} models are not those of {classes} classes")
        self._arrange(classes)
        scaler = Standardiser(memory=self._scaler.memory)
        scaler.load_state_dict(without_prefix("scaler.", arrays))
        shapes = {array.shape for array in scaler.state_dict().values()}
        if shapes != {(len(self._row),)}:
            raise SnapshotError(f"moments of {shapes} columns do not fit {len(self._row)}")
        self._scaler = scaler
        self._learner.load_state_dict(arrays)
