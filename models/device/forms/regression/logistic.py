"""Second-order logistic regression on a device: on the features of an event."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.regression import one_against_rest, one_hot, standardised
from tocsin.models.data.batch import Bools, Ints
from tocsin.models.device.forms.arrays import FormOfArrays
from tocsin.models.device.forms.regression.seen import numbers_of, rates_of, scales
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.logistic.base import SecondOrderExpert


class SecondOrderForm(FormOfArrays):
    """What the forms of `tocsin.models.experts.logistic.base.SecondOrderExpert` share.

    The covariances of the weights stay where they are: no answer needs them.
    """

    expert: SecondOrderExpert

    @abstractmethod
    def rows(self, inputs: Inputs) -> Tensor:
        """The values of B events that become inputs, [B, width of a row]."""

    @property
    def answers(self) -> bool:
        """Whether it has anything to say, whatever the event."""
        return not self.expert.silent

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `FormOfArrays`."""
        if not self.answers:
            return {}
        expert, columns = self.expert, self.expert.columns
        return {
            "weights": expert.model.weights,
            "noise": expert.model.noise[:, 0],
            "strength": np.array([expert.strength]),
            "scales": scales(columns.moments),
            "places": numbers_of(expert.nominal),
            "hashed": np.flatnonzero(columns.nominal),
            "order": order_of(columns.nominal, columns.buckets),
        }

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`."""
        if not self.answers:
            return torch.zeros((len(inputs), self.expert.classes), dtype=torch.float64, device=inputs.place)
        z = self._inputs(self.rows(inputs))
        p = one_against_rest(z, self.copies["weights"], self.copies["noise"], self.expert.classes)
        return p * self.copies["strength"]

    def _inputs(self, rows: Tensor) -> Tensor:
        """The inputs but for the bias, [B, D - 1]."""
        columns, z = self.expert.columns, standardised(rows, self.copies["scales"])
        if not columns.nominal.any():
            return z
        hot = one_hot(rows.index_select(1, self.copies["hashed"]), columns.buckets)
        return torch.cat([z, hot.flatten(1)], dim=1).index_select(1, self.copies["order"])

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        expert = self.expert
        if not self.answers:  # where it is silent, it has no columns to speak of
            return False, expert.classes
        columns = expert.columns
        hashed = columns.nominal.tobytes(), expert.nominal.tobytes()
        return self.answers, expert.classes, expert.model.weights.shape, hashed


def order_of(nominal: Bools, buckets: int) -> Ints:
    """Where the inputs of a row stand among all its columns and, behind them, the buckets of its categories.

    >>> order_of(np.array([False, True, False]), 2).tolist()
    [0, 3, 4, 2]
    """
    first, places = len(nominal), list[int]()
    for f, category in enumerate(nominal.tolist()):
        places += range(first, first + buckets) if category else [f]
        first += buckets if category else 0
    return np.array(places, np.int64)


class LogisticForm(SecondOrderForm):
    """See `tocsin.models.experts.logistic.expert.LogisticExpert`."""

    views: ClassVar[frozenset[View]] = frozenset({"ranked", "rates"})

    def rows(self, inputs: Inputs) -> Tensor:
        """See `SecondOrderForm`."""
        expert, ranked = self.expert, inputs["ranked"]
        if not (expert.most_rated and expert.nominal.any()):
            return ranked
        numbers = ranked.index_select(1, self.copies["places"])
        return torch.cat([numbers, rates_of(inputs, expert.nominal, expert.classes, expert.most_rated)], dim=1)
