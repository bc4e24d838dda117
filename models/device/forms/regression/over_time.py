"""Logistic regression on what an event is beside those before it, on a device."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.models.device.forms.regression.logistic import SecondOrderForm
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.logistic.moving_averages import MovingAveragesExpert
from tocsin.models.experts.logistic.seasonal import SeasonalExpert


class MovingAveragesForm(SecondOrderForm):
    """See `tocsin.models.experts.logistic.moving_averages.MovingAveragesExpert`."""

    views: ClassVar[frozenset[View]] = frozenset({"plain", "history"})
    expert: MovingAveragesExpert

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `FormOfArrays`; the means [numbers, horizons that are used] are NaN where none is known."""
        if not self.answers:
            return {}
        past, numbers = self.expert.past, ~self.expert.nominal
        means = np.where(past.known[:, None] > 0.0, past.means[:, past.used], np.nan)
        return super().arrays() | {"means": means[numbers]}

    def rows(self, inputs: Inputs) -> Tensor:
        """See `SecondOrderForm`."""
        plain, means, scaled = inputs["plain"], self.copies["means"], self.copies["scales"]
        numbers = plain.index_select(1, self.copies["places"])
        apart = (numbers[:, :, None] - means).flatten(1)
        labels = scaled.shape[1] - plain.shape[1] - apart.shape[1]
        every = torch.arange(labels, device=inputs.place)
        last = (inputs.last_label[:, None] == every).to(torch.float64)
        return torch.cat([plain, apart, last], dim=1)


class SeasonalForm(SecondOrderForm):
    """See `tocsin.models.experts.logistic.seasonal.SeasonalExpert`."""

    views: ClassVar[frozenset[View]] = frozenset({"plain"})
    expert: SeasonalExpert

    @property
    def answers(self) -> bool:
        """See `SecondOrderForm`: nothing before a season was found."""
        return super().answers and self.expert.season > 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `FormOfArrays`; the means of the last season [numbers] are NaN where none is known."""
        if not self.answers:
            return {}
        past = self.expert.past
        means = np.divide(past.sums, past.known, out=np.full_like(past.sums, np.nan), where=past.known > 0.0)
        return super().arrays() | {"means": means[~self.expert.nominal]}

    def rows(self, inputs: Inputs) -> Tensor:
        """See `SecondOrderForm`."""
        plain = inputs["plain"]
        return torch.cat([plain, plain.index_select(1, self.copies["places"]) - self.copies["means"]], dim=1)
