"""Second-order logistic regression on the features and on how far they are from the mean of the last season."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.logistic import SeasonalSettings
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.experts import logistic, time_features
from tocsin.kernels.lagged import logistic as lagged
from tocsin.kernels.lagged.turns import Asked
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.experts.base import Arrays, PoolContext, SnapshotError
from tocsin.models.experts.logistic.base import SecondOrderExpert


class SeasonalExpert(SecondOrderExpert):
    """Sees x, and x less its mean over the last season of labelled events, once a season is found in them.

    How a season is found: `tocsin.kernels.experts.time_features`. Until then the evidence is vacuous.
    """

    def __init__(self, settings: SeasonalSettings, nominal: Sequence[bool] = ()) -> None:
        super().__init__(settings, settings.name, settings.strength, nominal)
        self._own = settings
        self._past = time_features.Season(
            np.zeros((0, time_features.REMEMBERED)), np.zeros(0), np.zeros(0), np.zeros(2, np.int64)
        )

    @classmethod
    def from_settings(cls, settings: SeasonalSettings, pool: PoolContext) -> SeasonalExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal)

    def _fresh(self) -> SeasonalExpert:
        return type(self)(self._own)

    @property
    def season(self) -> int:
        """The season in events; 0 while none is known."""
        return int(self._past.state[time_features.LENGTH])

    @property
    def past(self) -> time_features.Season:
        """The latest events and the sums of the last season, which change as it learns."""
        return self._past

    def _extra(self, classes: int) -> list[Hashable] | None:
        past, more = self._past, len(self._nominal) - len(self._past.sums)
        if more:
            values = np.pad(past.values, ((0, more), (0, 0)), constant_values=np.nan)
            sums, known = np.pad(past.sums, (0, more)), np.pad(past.known, (0, more))
            self._past = time_features.Season(values, sums, known, past.state)
        return [(f, "season") for f in np.flatnonzero(~self._nominal).tolist()] or None

    def _rows_of(self, batch: Batch) -> Floats:
        return np.ascontiguousarray(batch.plain, np.float64)

    def _answer(self, batch: Batch, columns: logistic.Columns, out: Floats) -> None:
        if self.season:
            rows = self._rows_of(batch)
            time_features.season_evidence(self._learner.model, rows, columns, self._past, self._own.strength, out)

    def _teach(self, batch: Batch, events: Labelled, columns: logistic.Columns, answers: Floats) -> None:
        learner = self._learner
        time_features.learn_season(learner.model, events, columns, self._past, learner.rates, learner.classes, answers)

    def _answer_and_teach(
        self, asked: Batch, questions: Asked, batch: Batch, events: Labelled, columns: logistic.Columns, out: Floats
    ) -> None:
        learner = self._learner
        lagged.ask_and_learn_season(learner.model, events, columns, self._past, learner.rates, questions, out)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        past = {f"past.{name}": array.copy() for name, array in self._past._asdict().items()}
        return {**super().state_dict(), **past}

    def _take_over(self, arrays: Arrays) -> None:
        super()._take_over(arrays)
        old = self._past
        past = time_features.Season(*(np.array(arrays[f"past.{name}"], a.dtype) for name, a in old._asdict().items()))
        found, needed = [array.shape for array in past], [array.shape for array in old]
        length, taken = past.state.tolist() if found == needed else (0, 0)
        if found != needed or not 0 <= length <= time_features.LONGEST or taken < 0:
            raise SnapshotError(f"arrays {found} of the past are not {needed}, or its season {length} is no season")
        self._past = past
