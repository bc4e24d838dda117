"""Naive Bayes on PyTorch tensors; the formulae are those of `tocsin.kernels.experts.naive_bayes`.

Logarithms of far values are large, and their differences are what counts. So they are summed up column by column in
the order of that kernel, and each of them by the same operations.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from tocsin.kernels.device.pieces import most_at_once, pieces
from tocsin.kernels.experts.naive_bayes import FARTHEST, MOST


class CountsOnDevice(NamedTuple):
    """What is known of K classes and F columns, N of them categories."""

    weight: Tensor
    """[K]"""
    known: Tensor
    """[K, F], of each class the events whose value is known."""
    mean: Tensor
    """[K, F]"""
    square: Tensor
    """[K, F], mean squared deviations."""
    tables: Tensor
    """[N, K, buckets]"""
    centre: Tensor
    """[F], the mean of all classes."""
    spread: Tensor
    """[F], their variance."""
    kinds: Tensor
    """[N], how many categories a column has had, and one for those to come."""
    unit: Tensor
    """A number: what the last event counted."""
    total: Tensor
    """A number: the weight of all classes."""


def probabilities(counts: CountsOnDevice, X: Tensor, nominal: tuple[bool, ...]) -> Tensor:
    """Class probabilities [B, K] of X [B, F], of whose columns some are categories; what is not finite is left out."""
    K, found = len(counts.weight), []
    if not K:
        return X.new_zeros((len(X), 0))
    densities = _densities(counts)
    for piece in pieces(len(X), K, X.device):
        rows = X[piece]
        logs = torch.log((counts.weight + counts.unit) / (counts.total + K * counts.unit)).expand(len(rows), K)
        at_once, slot = max(1, most_at_once(X.device) // max(K * len(rows), 1)), 0
        for category, run in groupby(range(len(nominal)), key=nominal.__getitem__):
            columns = list(run)
            for first in range(columns[0], columns[-1] + 1, at_once):
                last = min(first + at_once, columns[-1] + 1)
                x = rows[:, first:last, None]
                if category:
                    told = _nominal(counts, x, slice(first, last), slot)
                    slot += last - first
                else:
                    told = _numeric(densities, counts.spread, x, slice(first, last))
                for log in told.unbind(1):
                    logs = logs + log
        logs = torch.exp(logs - logs.amax(dim=1, keepdim=True))
        found.append(logs / logs.sum(dim=1, keepdim=True))
    return torch.cat(found)


def _densities(counts: CountsOnDevice) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and logarithm of the variance of each class, mixed with one event's worth of the
    stream's, [F, K] each."""
    n, centre = counts.known / counts.unit, counts.centre
    mixed = (n * counts.mean + centre) / (n + 1.0)
    apart = n / (n + 1.0) * (counts.mean - centre) ** 2
    variance = (n * counts.square + counts.spread + apart) / (n + 1.0)
    return mixed.T.contiguous(), variance.sqrt().T.contiguous(), variance.log().T.contiguous()


def _numeric(densities: tuple[Tensor, Tensor, Tensor], spread: Tensor, x: Tensor, columns: slice) -> Tensor:
    """What some numbers x [B, n, 1] add to the logarithms, [B, n, K]."""
    mixed, deviation, log_variance = (part[columns] for part in densities)
    z = ((x - mixed).abs() / deviation).clamp(max=FARTHEST)
    told = -0.5 * (z * z + log_variance)
    return torch.where(x.isfinite() & (spread[columns, None] > 1e-24), _bounded(told), 0.0)


def _nominal(counts: CountsOnDevice, x: Tensor, columns: slice, slot: int) -> Tensor:
    """What some categories x [B, n, 1] add, of which the first has the table `slot`, [B, n, K]."""
    tables = counts.tables[slot : slot + x.shape[1]]
    n, _, buckets = tables.shape
    known = x.isfinite()
    bucket = torch.remainder(torch.where(known, x, 0.0).floor(), buckets).to(torch.int64)[..., 0]
    places = torch.arange(n, device=x.device)
    events = tables[places, :, bucket]
    smoothed = events + (counts.unit / counts.kinds[slot : slot + n])[:, None]
    told = torch.log(smoothed / (counts.known[:, columns].T + counts.unit))
    return torch.where(known, _bounded(told), 0.0)


def _bounded(told: Tensor) -> Tensor:
    """No class is further behind the best in one column than `MOST`."""
    return torch.maximum(told, told.amax(dim=2, keepdim=True) - MOST)
