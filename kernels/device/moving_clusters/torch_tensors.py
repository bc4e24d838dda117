"""How likely events are under moving clusters, on PyTorch tensors.

The formulae are those of `tocsin.kernels.experts.moving_clusters.density`, and sums run over the columns in their
order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tocsin.kernels.common.moments import LARGEST
from tocsin.kernels.device.pieces import most_at_once, pieces
from tocsin.kernels.experts.moving_clusters.density import BLUR, FARTHEST, LEAST, TURN

LABEL, AT, SUMS, SPREAD, LOG_SPREAD, LOG_SHARE, PLACE = 0, 1, 2, 6, 7, 8, 9
"""The columns of a cluster's row, see `Clusters`: `SUMS` are four, and from `PLACE` on come the centre [F] and the
velocity [F]."""
NOW, VARIED, SHAPE, TURNS, MAXIMUM_NORM, STRENGTH = range(6)
"""What stands in `numbers`: the events learnt, d, the shape within d, the turns a cluster makes in one column in one
event, whether the maximum norm is the better one (1), and the pseudo-counts of an answer."""


class MovingOnDevice(NamedTuple):
    """C clusters on F columns."""

    clusters: Tensor
    """[C, PLACE + 2 F]"""
    factor: Tensor
    """[F], one over the standard deviations; 0 where a column is left out."""
    numbers: Tensor
    """[6], see `NOW`."""


Distances = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""What `distances` is, by any means."""


def evidence(model: MovingOnDevice, X: Tensor, classes: int, distances: Distances) -> Tensor:
    """The evidence [B, K] for X [B, F]; zeros where no value is known."""
    columns = model.clusters.T.contiguous()
    label = columns[LABEL]
    own = (label[:, None] == torch.arange(classes, device=X.device)).to(torch.float64)
    elapsed = model.numbers[NOW] - columns[AT]
    F = X.shape[1]
    centres = columns[PLACE : PLACE + F] + columns[PLACE + F :] * elapsed
    trace = _trace(columns[SUMS : SUMS + 4], model.numbers[TURNS], elapsed)
    found = []
    for piece in pieces(len(X), len(label), X.device):
        known = (X[piece].isfinite() & (model.factor > 0.0)).sum(dim=1, keepdim=True)
        values = torch.where(X[piece].isfinite(), X[piece].clamp(-LARGEST, LARGEST), torch.nan)
        squared, largest = distances(values, centres, model.factor)
        squared = (squared * model.numbers[VARIED] / known.clamp(min=1)).clamp(min=LEAST)
        logs = _logs(columns, model.numbers, trace, squared, (largest * largest).clamp(min=LEAST))
        logs = torch.where(label >= 0.0, logs, -torch.inf)
        top = logs.amax(dim=1, keepdim=True)
        some = (known > 0) & (top > -torch.inf)
        parts = torch.exp(logs - torch.where(some, top, 0.0))
        shares = parts @ own / parts.sum(dim=1, keepdim=True)
        found.append(torch.where(some, shares * model.numbers[STRENGTH], 0.0))
    return torch.cat(found)


def _logs(columns: Tensor, numbers: Tensor, trace: Tensor, squared: Tensor, largest: Tensor) -> Tensor:
    """The logarithm of share times density [B, C] with the better norm, of squared distances in both."""
    blur = BLUR * trace
    blur = blur * blur / (blur + squared)
    log_squared = torch.log(squared + blur)
    fall = log_squared - columns[LOG_SPREAD] - squared / columns[SPREAD]
    radial = columns[LOG_SHARE] + numbers[SHAPE] * fall
    log_norm = torch.where(numbers[MAXIMUM_NORM] > 0.0, torch.log(largest + blur), log_squared)
    return radial - 0.5 * numbers[VARIED] * log_norm


def distances(X: Tensor, centres: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """The squared distances of X [B, F], NaN where nothing is known, from centres [F, C], and the largest in a column.

    [B, C] each, in standard deviations, over the columns whose `factor` [F] is above 0.
    """
    left_out = X.isnan() | (factor <= 0.0)
    squared, largest = X.new_zeros((2, len(X), centres.shape[1]))
    at_once = max(1, most_at_once(X.device) // max(squared.numel(), 1))
    for first in range(0, X.shape[1], at_once):
        some = slice(first, first + at_once)
        away = ((X[:, some, None] - centres[some]).abs_() * factor[some, None]).clamp_(max=FARTHEST)
        away = away.masked_fill_(left_out[:, some, None], 0.0)
        largest = torch.maximum(largest, away.amax(dim=1))
        for square in (away * away).unbind(1):
            squared = squared + square
    return squared, largest


def _trace(sums: Tensor, turns: Tensor, elapsed: Tensor) -> Tensor:
    """The variance of each centre [C], summed over the columns, with the turns that it may have made."""
    turned = (turns * elapsed).clamp(max=0.5) * TURN / 3.0 * sums[3]
    return (sums[0] + elapsed * (2.0 * sums[1] + elapsed * (sums[2] + turned))).clamp(min=LEAST)
