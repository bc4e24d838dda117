"""The expert that hears the others, on a device."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from tocsin.models.data.batch import Batch, Floats
from tocsin.models.device.forms.regression.logistic import SecondOrderForm
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.stack.expert import FAINT, StackExpert


class StackForm(SecondOrderForm):
    """See `tocsin.models.experts.stack.expert.StackExpert`. The traits of texts are counted on the CPU."""

    views: ClassVar[frozenset[View]] = frozenset()
    expert: StackExpert

    def own_columns(self, batch: Batch) -> Floats | None:
        """See `Form`: the traits of the events' texts."""
        return self.expert.traits_of(batch) if self.answers else None

    def rows(self, inputs: Inputs) -> Tensor:
        """See `SecondOrderForm`: the traits, and behind them for each class what the experts say of it."""
        said = inputs.said
        if said is None:
            shape = len(inputs), self.expert.heard, self.expert.classes
            said = torch.zeros(shape, dtype=torch.float64, device=inputs.place)
        total = said.sum(dim=2, keepdim=True)
        logs = torch.where(total > 0.0, said / total, 1.0).clamp(min=FAINT).log()
        logs = logs - logs.mean(dim=2, keepdim=True)
        by_class = logs.transpose(1, 2).flatten(1)
        return by_class if inputs.own is None else torch.cat([inputs.own, by_class], dim=1)
