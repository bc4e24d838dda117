"""The nearest events of a ring by plain PyTorch, column by column, and how they vote."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tocsin.kernels.common.window import NEAR
from tocsin.kernels.device.pieces import pieces
from tocsin.kernels.experts.neighbours import LIMIT, UNKNOWN

FEW = 8
"""Up to so many neighbours are found one after the other; more of them by a sort, which costs more than one pass."""


class RingOfEvents(NamedTuple):
    """The latest of the events that were learnt: event number n is in row n modulo W."""

    values: Tensor
    """float64 [W, F]; NaN is not known."""
    newest: Tensor
    """int64, a number: the row of the latest event."""
    held: Tensor
    """int64, a number: how many of the latest events are searched, at most W."""
    factor: Tensor
    """float64 [F], see `tocsin.kernels.experts.neighbours.Query`."""
    nominal: tuple[bool, ...]
    """F, which columns hold category codes."""


class NearestRows(NamedTuple):
    """The nearest events of B queries, nearest first: k, or W where the ring has fewer rows."""

    distance: Tensor
    """float64 [B, k], squared; infinite where the ring holds fewer events."""
    row: Tensor
    """int64 [B, k], the row of each in the ring; without a meaning where the distance is infinite."""


def rows_by_age(ring: RingOfEvents) -> Tensor:
    """The rows of the ring [W] from the latest event back."""
    W = len(ring.values)
    return torch.remainder(ring.newest - torch.arange(W, device=ring.values.device), max(W, 1))


def nearest(ring: RingOfEvents, X: Tensor, k: int) -> NearestRows:
    """The k nearest events of the ring to X, float64 [B, F]."""
    rows = rows_by_age(ring)
    columns, queries = ring.values.index_select(0, rows).T.contiguous(), X.T.contiguous()
    older = torch.arange(len(rows), device=X.device) >= ring.held
    distances, ages = [], []
    for piece in pieces(len(X), len(rows), X.device):
        squared = squared_distances(queries[:, piece], columns, ring.factor, ring.nominal)
        distance, age = least(squared.masked_fill_(older, torch.inf), k)
        distances.append(distance)
        ages.append(age)
    return NearestRows(torch.cat(distances), rows[torch.cat(ages)])


def squared_distances(X: Tensor, columns: Tensor, factor: Tensor, nominal: tuple[bool, ...]) -> Tensor:
    """Squared distances [B, W] of events X [F, B] to those of `columns` [F, W]."""
    squared = X.new_zeros((X.shape[1], columns.shape[1]))
    left_out = X.isnan() | (factor == 0.0)[:, None]
    for f, category in enumerate(nominal):
        x, column = X[f, :, None], columns[f]
        if category:
            apart = (x != column).to(torch.float64).mul_(UNKNOWN)
        else:
            apart = (x - column).abs_().mul_(factor[f]).clamp_(max=LIMIT)
            apart = apart.mul_(apart).nan_to_num_(nan=UNKNOWN)
        squared += apart.masked_fill_(left_out[f, :, None], 0.0)
    return squared


def least(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k least of each row of `values` [B, W] and their places, both [B, k]; of equals the first comes first.

    `values` are changed.
    """
    k = min(k, values.shape[1])
    if k > FEW:
        ordered, places = torch.sort(values, dim=1, stable=True)  # topk promises no order among equals
        return ordered[:, :k], places[:, :k]
    found, at = [], []
    for _ in range(k):
        smallest, place = values.min(dim=1, keepdim=True)  # the first of equals
        values.scatter_(1, place, torch.inf)
        found.append(smallest)
        at.append(place)
    if not k:
        return values[:, :0], torch.zeros((len(values), 0), dtype=torch.int64, device=values.device)
    return torch.cat(found, dim=1), torch.cat(at, dim=1)


def votes(distance: Tensor, labels: Tensor, weights: Tensor, classes: int) -> Tensor:
    """Class shares [B, K] of neighbours: squared distances, class indices and weights, all [B, k].

    See `tocsin.kernels.common.window.vote`, whose sums run in the same order.
    """
    share = weights / (distance.sqrt() + NEAR)
    every = torch.arange(classes, device=share.device)
    shares, total = share.new_zeros((len(share), classes)), share.new_zeros((len(share), 1))
    for j in range(share.shape[1]):
        one = share[:, j, None]
        shares = shares + torch.where(labels[:, j, None] == every, one, 0.0)
        total = total + one
    return torch.where(total > 0.0, shares / total, 0.0)
