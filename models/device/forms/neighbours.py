"""Nearest neighbours on a device: the window lies there as a ring, and each new event travels once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.nearest.search import nearest_at
from tocsin.kernels.device.nearest.torch_tensors import NearestRows, RingOfEvents, votes
from tocsin.models.data.batch import Floats
from tocsin.models.device.forms.form import Copies, Form
from tocsin.models.device.forms.rings import LatestRows
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.neighbours import NeighboursExpert

LABEL, WEIGHT, VALUES = range(3)
"""The columns of an event's row: its label, its weight, and from there on its values."""
STRENGTH, NEWEST, HELD = range(3)
"""What stands in `numbers`."""


class NeighboursForm(Form):
    """See `tocsin.models.experts.neighbours.NeighboursExpert`. On a CUDA device a Triton kernel searches."""

    views: ClassVar[frozenset[View]] = frozenset({"X", "ranked"})
    expert: NeighboursExpert

    def __init__(self, expert: NeighboursExpert, copies: Copies) -> None:
        super().__init__(expert, copies)
        self._latest = LatestRows(copies, "events")

    @property
    def _shape(self) -> tuple[int, int]:
        """The window, and the width of a row."""
        return self.expert.settings.window, VALUES + len(self.expert.nominal)

    def follow(self) -> None:
        """See `Form`."""
        expert, latest = self.expert, self.expert.latest
        held = len(latest.labels)

        def rows(n: int) -> Floats:
            some = slice(held - n, held)
            return np.column_stack([latest.labels[some], latest.weights[some], latest.values[:, some].T])

        self._latest.follow(latest.source, self._shape, latest.learnt, held, rows)
        newest = (latest.learnt - 1) % self._shape[0]
        self.copies.put("numbers", np.array([expert.strength, newest, held], np.float64))
        self.copies.put("factor", expert.factors)
        self.copies.put("kinds", expert.nominal.astype(np.int8))

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`."""
        numbers = self.copies["numbers"]
        found = self._nearest(inputs.ranked_where_known)
        told = self.copies["events"][:, :VALUES][found.row]
        return votes(found.distance, told[..., LABEL], told[..., WEIGHT], self.expert.classes) * numbers[STRENGTH]

    def _nearest(self, X: Tensor) -> NearestRows:
        numbers, nominal = self.copies["numbers"].to(torch.int64), tuple(self.expert.nominal.tolist())
        values = self.copies["events"][:, VALUES:]
        ring = RingOfEvents(values, numbers[NEWEST], numbers[HELD], self.copies["factor"], nominal)
        return nearest_at(self.copies.mirror.place, ring, X, self.expert.settings.k, self.copies["kinds"])

    def bytes_needed(self) -> int:
        """See `Form`."""
        window, width = self._shape
        return 8 * window * width + 9 * (width - VALUES) + 8 * 3

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        return self.expert.settings.k, self.expert.classes, self._shape, self.expert.nominal.tobytes()
