"""How far events lie from the nearest of those labelled of late, on a device."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.nearest.search import nearest_at
from tocsin.kernels.device.nearest.torch_tensors import RingOfEvents
from tocsin.kernels.experts.neighbours import UNKNOWN
from tocsin.models.data.batch import Floats
from tocsin.models.decision.novelty import Novelty
from tocsin.models.device.forms.form import Copies
from tocsin.models.device.forms.rings import LatestRows
from tocsin.models.device.inputs import Inputs, View

NEWEST, HELD = range(2)
"""What stands in `numbers`."""


class NoveltyDistances:
    """The first score of `tocsin.models.decision.novelty`, as tensors; see `Form` for how they follow."""

    views: ClassVar[frozenset[View]] = frozenset({"X"})
    """The views of a batch that `distances` reads."""

    def __init__(self, novelty: Novelty, copies: Copies) -> None:
        self.novelty, self.copies = novelty, copies
        self._latest = LatestRows(copies, "events")

    @property
    def _shape(self) -> tuple[int, int]:
        """How many events are remembered at the most, and their columns."""
        columns, memory = self.novelty.remembered[0].shape
        return memory, columns

    def follow(self) -> None:
        """Put what was learnt since the last time."""
        values, taken = self.novelty.remembered
        memory, held = self._shape[0], min(taken, self._shape[0])

        def rows(n: int) -> Floats:
            return np.ascontiguousarray(values[:, np.arange(taken - n, taken) % memory].T)

        self._latest.follow(values, self._shape, taken, held, rows)
        self.copies.put("numbers", np.array([(taken - 1) % memory, held], np.int64))
        self.copies.put("factor", self.novelty.factors)
        self.copies.put("kinds", self.novelty.nominal.astype(np.int8))

    def distances(self, inputs: Inputs) -> Tensor:
        """The squared distance of each event, float64 [B]; 0 while nothing is remembered.

        A value that is not known counts as in an event that is remembered: an event of which little is known is not
        usual for that.
        """
        X, factor, numbers = inputs["X"], self.copies["factor"], self.copies["numbers"]
        nominal = tuple(self.novelty.nominal.tolist())
        ring = RingOfEvents(self.copies["events"], numbers[NEWEST], numbers[HELD], factor, nominal)
        found = nearest_at(self.copies.mirror.place, ring, X, 1, self.copies["kinds"])
        gaps = (X.isnan() & (factor != 0.0)).sum(dim=1)
        return torch.where(numbers[HELD] > 0, found.distance[:, 0] + UNKNOWN * gaps, 0.0)

    def bytes_needed(self) -> int:
        """What its tensors take on the device, in bytes."""
        memory, columns = self._shape
        return 8 * memory * columns + 9 * columns + 8 * 2

    @property
    def structure(self) -> Hashable:
        """Equal as long as `distances` runs the same operations on tensors of the same shapes."""
        return self._shape, self.novelty.nominal.tobytes()
