"""Softmax regression on a device."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.regression import added_buckets, softmax, standardised
from tocsin.models.device.forms.arrays import FormOfArrays
from tocsin.models.device.forms.regression.seen import numbers_of, rates_of, scales
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.linear import LinearExpert


class LinearForm(FormOfArrays):
    """See `tocsin.models.experts.linear.LinearExpert`."""

    views: ClassVar[frozenset[View]] = frozenset({"ranked", "gaps", "rates"})
    expert: LinearExpert

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `FormOfArrays`."""
        expert, model = self.expert, self.expert.model
        return {
            "weights": model.weights,
            "scales": scales(expert.moments, model.nominal),
            "places": numbers_of(expert.nominal),
            "hashed": np.flatnonzero(model.nominal),
            "strength": np.array([expert.strength]),
        }

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`."""
        weights, rows = self.copies["weights"], self._rows(inputs)
        (K, D), F, buckets = weights.shape, rows.shape[1], self.expert.settings.buckets
        logits = standardised(rows, self.copies["scales"]) @ weights[:, :F].T + weights[:, -1]
        if D > F + 1:
            hashed = weights[:, F:-1].T.reshape((D - 1 - F) // buckets, buckets, K)
            logits = added_buckets(logits, rows.index_select(1, self.copies["hashed"]), hashed)
        return softmax(logits) * self.copies["strength"]

    def _rows(self, inputs: Inputs) -> Tensor:
        """The columns that the model sees, [B, width of a row]."""
        ranked, expert = inputs["ranked"], self.expert
        rated = expert.most_rated and bool(expert.nominal.any())
        parts = [ranked.index_select(1, self.copies["places"]) if rated else ranked]
        if expert.sees_gaps:
            gaps = inputs.view("gaps")
            parts.append(torch.zeros_like(ranked) if gaps is None else gaps)
        if rated:
            parts.append(rates_of(inputs, expert.nominal, len(expert.model.weights), expert.most_rated))
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        expert = self.expert
        return expert.model.weights.shape, expert.nominal.tobytes(), expert.sees_gaps
