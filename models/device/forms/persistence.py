"""The last known label on a device."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.models.device.forms.arrays import FormOfArrays
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.persistence import PersistenceExpert


class PersistenceForm(FormOfArrays):
    """See `tocsin.models.experts.persistence.PersistenceExpert`. It has no tensors."""

    views: ClassVar[frozenset[View]] = frozenset({"history", "subject_label"})
    expert: PersistenceExpert

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `FormOfArrays`."""
        return {}

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`."""
        last = inputs.last_label
        if self.expert.settings.by != "stream":
            subject = inputs["subject_label"][:, 0]
            last = torch.where(subject >= 0.0, subject, last)
        every = torch.arange(self.expert.classes, device=inputs.place)
        return (last[:, None] == every).to(torch.float64) * self.expert.settings.strength

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        return self.expert.classes
