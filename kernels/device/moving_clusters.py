"""How likely events are under moving clusters, on PyTorch tensors.

The formulae are those of `tocsin.kernels.experts.moving_clusters.density`, and sums run over the columns in their
order.
"""

from __future__ import annotations

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


def evidence(model: MovingOnDevice, X: Tensor, classes: int) -> Tensor:
    """The evidence [B, K] for X [B, F]; zeros where no value is known."""
    columns = model.clusters.T.contiguous()
    label = columns[LABEL]
    own = (label[:, None] == torch.arange(classes, device=X.device)).to(torch.float64)
    found = []
    for piece in pieces(len(X), len(label), X.device):
        logs, known = _logs(model, columns, X[piece])
        logs = torch.where(label >= 0.0, logs, -torch.inf)
        top = logs.amax(dim=1, keepdim=True)
        some = known & (top > -torch.inf)
        parts = torch.exp(logs - torch.where(some, top, 0.0))
        shares = parts @ own / parts.sum(dim=1, keepdim=True)
        found.append(torch.where(some, shares * model.numbers[STRENGTH], 0.0))
    return torch.cat(found)


def _logs(model: MovingOnDevice, columns: Tensor, X: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of share times density [B, C] with the better norm, and whether anything is known [B, 1]."""
    numbers = model.numbers
    elapsed = numbers[NOW] - columns[AT]
    squared, largest, known = _distances(model, columns, elapsed, X)
    trace = _trace(columns[SUMS : SUMS + 4], numbers[TURNS], elapsed)
    blur = BLUR * trace
    blur = blur * blur / (blur + squared)
    log_squared = torch.log(squared + blur)
    fall = log_squared - columns[LOG_SPREAD] - squared / columns[SPREAD]
    radial = columns[LOG_SHARE] + numbers[SHAPE] * fall
    log_norm = torch.where(numbers[MAXIMUM_NORM] > 0.0, torch.log(largest + blur), log_squared)
    return radial - 0.5 * numbers[VARIED] * log_norm, known


def _distances(model: MovingOnDevice, columns: Tensor, elapsed: Tensor, X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Squared distances [B, C] in both norms, and whether anything is known [B, 1]."""
    F, factor = X.shape[1], model.factor
    centres = columns[PLACE : PLACE + F] + columns[PLACE + F :] * elapsed
    counted = X.isfinite() & (factor > 0.0)
    values = X.clamp(-LARGEST, LARGEST)
    squared, largest = X.new_zeros((2, len(X), len(elapsed)))
    at_once = max(1, most_at_once(X.device) // max(squared.numel(), 1))
    for first in range(0, F, at_once):
        some = slice(first, first + at_once)
        away = ((values[:, some, None] - centres[some]).abs_() * factor[some, None]).clamp_(max=FARTHEST)
        away = away.masked_fill_(~counted[:, some, None], 0.0)
        largest = torch.maximum(largest, away.amax(dim=1))
        for square in (away * away).unbind(1):
            squared = squared + square
    known = counted.sum(dim=1, keepdim=True)
    squared = (squared * model.numbers[VARIED] / known.clamp(min=1)).clamp(min=LEAST)
    return squared, (largest * largest).clamp(min=LEAST), known > 0


def _trace(sums: Tensor, turns: Tensor, elapsed: Tensor) -> Tensor:
    """The variance of each centre [C], summed over the columns, with the turns that it may have made."""
    turned = (turns * elapsed).clamp(max=0.5) * TURN / 3.0 * sums[3]
    return (sums[0] + elapsed * (2.0 * sums[1] + elapsed * (sums[2] + turned))).clamp(min=LEAST)
