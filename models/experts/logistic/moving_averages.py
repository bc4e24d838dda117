"""Second-order logistic regression on the features and on how far they are from what they were of late."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.logistic import MovingAveragesSettings
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.experts import logistic, time_features
from tocsin.kernels.lagged import logistic as lagged
from tocsin.kernels.lagged.turns import Asked
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.experts.base import Arrays, PoolContext, SnapshotError
from tocsin.models.experts.logistic.base import SecondOrderExpert


class MovingAveragesExpert(SecondOrderExpert):
    """Sees x, x less its running means over 2, 4, 8, ... 256 labelled events, and the last known label.

    An event is compared with the means of the events learnt by then, and has the label that was known at its own time.

    >>> import numpy as np
    >>> expert = MovingAveragesExpert(MovingAveragesSettings(), [False])
    >>> expert.resize(1, 2)
    >>> level = np.repeat([0.0, 50.0, 20.0, 90.0], 100)
    >>> up = np.tile([0, 1], 200)
    >>> expert.learn(Batch.of((level + up)[:, None]), up, np.ones(400))
    >>> expert.evidence(Batch.of(np.array([[90.0], [91.0]]))).argmax(axis=1).tolist()
    [0, 1]
    """

    def __init__(self, settings: MovingAveragesSettings, nominal: Sequence[bool] = ()) -> None:
        super().__init__(settings, settings.name, settings.strength, nominal)
        self._own = settings
        self._past = time_features.Averages(
            np.zeros((0, len(time_features.HORIZONS))), np.zeros(0), np.zeros(0, np.int64)
        )

    @classmethod
    def from_settings(cls, settings: MovingAveragesSettings, pool: PoolContext) -> MovingAveragesExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal)

    def _fresh(self) -> MovingAveragesExpert:
        return type(self)(self._own)

    @property
    def past(self) -> time_features.Averages:
        """The running means, which change as it learns."""
        return self._past

    def _extra(self, classes: int) -> list[Hashable] | None:
        past, more = self._past, len(self._nominal) - len(self._past.known)
        means, known = np.pad(past.means, ((0, more), (0, 0))), np.pad(past.known, (0, more))
        numbers = np.flatnonzero(~self._nominal).tolist()
        labels: list[Hashable] = [("label", k) for k in range(classes * self._own.history)]
        others = len(self._inputs(range(len(self._nominal)))) + len(labels) + 1
        used = spread_out((self._own.max_inputs - others) // max(len(numbers), 1))
        self._past = time_features.Averages(means, known, used)
        if not numbers or not len(used):
            return None
        return [*((f, "mean", h) for f in numbers for h in used.tolist()), *labels]

    def _last(self, batch: Batch) -> Ints:
        """The place of each event's last known label [B]; -1 for none."""
        if not self._own.history or not batch.history.shape[1]:
            return np.full(len(batch), -1, np.int64)
        return np.ascontiguousarray(batch.history[:, 0], np.int64)

    def _rows_of(self, batch: Batch) -> Floats:
        return np.ascontiguousarray(batch.plain, np.float64)

    def _answer(self, batch: Batch, columns: logistic.Columns, out: Floats) -> None:
        rows, last = self._rows_of(batch), self._last(batch)
        time_features.averages_evidence(self._learner.model, rows, last, columns, self._past, self._own.strength, out)

    def _teach(self, batch: Batch, events: Labelled, columns: logistic.Columns, answers: Floats) -> None:
        learner, last = self._learner, self._last(batch)
        time_features.learn_averages(
            learner.model, events, last, columns, self._past, learner.rates, learner.classes, answers
        )

    def _answer_and_teach(
        self, asked: Batch, questions: Asked, batch: Batch, events: Labelled, columns: logistic.Columns, out: Floats
    ) -> None:
        learner, last = self._learner, lagged.LastLabels(self._last(asked), self._last(batch))
        lagged.ask_and_learn_averages(learner.model, events, last, columns, self._past, learner.rates, questions, out)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return {**super().state_dict(), "means": self._past.means.copy(), "known": self._past.known.copy()}

    def _take_over(self, arrays: Arrays) -> None:
        super()._take_over(arrays)
        past = self._past._replace(
            means=np.array(arrays["means"], np.float64), known=np.array(arrays["known"], np.float64)
        )
        if past.means.shape != self._past.means.shape or past.known.shape != self._past.known.shape:
            raise SnapshotError(f"running means {past.means.shape} do not fit {len(self._nominal)} columns")
        self._past = past


def spread_out(count: int) -> Ints:
    """The places of so many horizons, far from one another; all of them where there are not so many.

    >>> spread_out(2).tolist(), spread_out(99).tolist()
    ([2, 6], [0, 1, 2, 3, 4, 5, 6, 7])
    """
    every = len(time_features.HORIZONS)
    count = min(max(count, 0), every)
    places: Ints = np.round((np.arange(count) + 0.5) * every / max(count, 1) - 0.5).astype(np.int64)
    return places
