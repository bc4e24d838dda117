"""A batch of events as tensors: the views of it that are asked for, in one copy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.place import Place
from tocsin.models.data.batch import Batch, Floats

View = Literal["X", "filled", "ranked", "plain", "given", "history", "subject_label", "gaps", "rates"]
"""What a form may ask for of a batch, by its name in `tocsin.models.data.batch.Batch`."""

VIEWS: dict[View, Callable[[Batch], Floats | None]] = {
    "X": lambda batch: batch.X,
    "filled": lambda batch: batch.filled,
    "ranked": lambda batch: batch.ranked,
    "plain": lambda batch: batch.plain,
    "given": lambda batch: batch.given,
    "history": lambda batch: batch.history.astype(np.float64),
    "subject_label": lambda batch: batch.subject_label[:, None].astype(np.float64),
    "gaps": lambda batch: batch.gaps,
    "rates": lambda batch: batch.rates,
}


class Packed(NamedTuple):
    """The views of B events side by side."""

    rows: Floats
    """[B, W]"""
    columns: tuple[tuple[View, int, int], ...]
    """Each view that there is, and its columns from and to."""


def packed(batch: Batch, views: Collection[View]) -> Packed:
    """These views of a batch; one that the batch has not is left out."""
    found: list[tuple[View, Floats]] = []
    for view in sorted(views):
        if (values := VIEWS[view](batch)) is not None:
            found.append((view, values))
    columns, stop = [], 0
    for view, values in found:
        columns.append((view, stop, stop + values.shape[1]))
        stop += values.shape[1]
    rows = np.concatenate([values for _, values in found], axis=1) if found else np.zeros((len(batch), 0))
    return Packed(np.ascontiguousarray(rows, np.float64), tuple(columns))


class Inputs:
    """Views of B events as tensors float64 [B, n]. A view that was not packed, or that the batch has not, is None."""

    def __init__(self, rows: Tensor, columns: tuple[tuple[View, int, int], ...]) -> None:
        self._rows = rows
        self._columns = {view: (start, stop) for view, start, stop in columns}
        self.said: Tensor | None = None
        """[B, E, K], what the experts before the one that is asked have said."""
        self.own: Tensor | None = None
        """[B, n], what the form that is asked made of the events by itself (`Form.own_columns`)."""

    @classmethod
    def of(cls, batch: Batch, views: Collection[View], place: Place) -> Inputs:
        """Those of a batch, copied to a place."""
        own = packed(batch, views)
        return cls(torch.from_numpy(own.rows).to(place.device), own.columns)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def place(self) -> torch.device:
        """The device of all tensors."""
        return self._rows.device

    def view(self, name: View) -> Tensor | None:
        """A view of the events [B, n]; None where there is none."""
        if name not in self._columns:
            return None
        start, stop = self._columns[name]
        return self._rows[:, start:stop]

    def __getitem__(self, name: View) -> Tensor:
        """A view of the events [B, n] that there must be. Raises KeyError."""
        start, stop = self._columns[name]
        return self._rows[:, start:stop]

    @property
    def ranked_where_known(self) -> Tensor:
        """[B, F], `ranked` with NaN where `X` is; both must have been packed."""
        X = self["X"]
        return torch.where(torch.isnan(X), X, self["ranked"])

    @property
    def last_label(self) -> Tensor:
        """The stream's last label that is known of each event, float64 [B], -1 where none is."""
        history = self.view("history")
        if history is None or not history.shape[1]:
            return torch.full((len(self),), -1.0, dtype=torch.float64, device=self.place)
        return history[:, 0]
