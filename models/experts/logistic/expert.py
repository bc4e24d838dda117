"""Second-order logistic regression on the features of an event."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tocsin.config.experts.logistic import LogisticSettings
from tocsin.models.experts.base import PoolContext
from tocsin.models.experts.logistic.base import SecondOrderExpert
from tocsin.models.experts.rates import rate_names


class LogisticExpert(SecondOrderExpert):
    """One-vs-rest logistic regression by Newton steps, with a share of wrong labels that is learnt.

    The class probabilities p become evidence N p; N is fitted online by the log loss of N p
    (`tocsin.kernels.decision.calibration`).

    >>> import numpy as np
    >>> from tocsin.models.data.batch import Batch
    >>> expert = LogisticExpert(LogisticSettings(), [False])
    >>> expert.resize(1, 2)
    >>> expert.learn(Batch.of(np.array([[0.0], [9.0], [1.0], [8.0]] * 5)), np.array([0, 1, 0, 1] * 5), np.ones(20))
    >>> expert.evidence(Batch.of(np.array([[2.0], [7.0]]))).argmax(axis=1).tolist()
    [0, 1]
    """

    def __init__(self, settings: LogisticSettings, nominal: Sequence[bool] = (), rated: int = 0) -> None:
        super().__init__(settings, settings.name, settings.strength, nominal, rated)
        self._own = settings

    @classmethod
    def from_settings(cls, settings: LogisticSettings, pool: PoolContext) -> LogisticExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal, pool.rated_classes)

    def _fresh(self) -> LogisticExpert:
        return type(self)(self._own, rated=self._rated)

    def _extra(self, classes: int) -> list[Hashable] | None:
        return rate_names(self._nominal, classes, self._rated) if self._rated else []
