"""The launch of the Triton kernel of the search: one program for a block of events and a stretch of the window."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.nearest.torch_tensors import NearestRows, RingOfEvents, least, rows_by_age
from tocsin.kernels.device.nearest.triton_kernel import nearest_kernel
from tocsin.kernels.device.pieces import pieces
from tocsin.kernels.experts.neighbours import LIMIT, UNKNOWN
from tocsin.kernels.fusion.triton_launch import power_of_two

BLOCK, AGES, SPAN = 16, 64, 256
"""Events for each program, how many of the window it looks at together, and how many in all."""


def nearest(ring: RingOfEvents, X: Tensor, k: int, kinds: Tensor) -> NearestRows:
    """As `tocsin.kernels.device.nearest.torch_tensors.nearest`.

    `kinds` int8 [F] are the ring's `nominal` on its device: nothing may be copied there while launches are captured.
    """
    rows = rows_by_age(ring)
    W, k = len(rows), min(k, len(rows))
    columns = ring.values.index_select(0, rows).T.contiguous()
    distances, ages = [], []
    for piece in pieces(len(X), k * -(-W // SPAN), X.device):
        distance, age = _searched(ring, columns, X[piece], k, kinds)
        distances.append(distance)
        ages.append(age)
    return NearestRows(torch.cat(distances), rows[torch.cat(ages)])


def _searched(ring: RingOfEvents, columns: Tensor, X: Tensor, k: int, kinds: Tensor) -> tuple[Tensor, Tensor]:
    """The distances and the ages [B, k] of the nearest of `columns` [F, W], the ring by age."""
    (B, F), W = X.shape, columns.shape[1]
    spans = -(-W // SPAN)
    distance, age = X.new_empty((spans, B, k)), torch.empty((spans, B, k), dtype=torch.int32, device=X.device)
    if B and k:
        # Without columns numbers are passed of which nothing is read: they must have an address.
        parts = (X.T.contiguous(), columns, ring.factor, kinds) if F else (X.new_zeros(1),) * 4
        with np.errstate(all="ignore"):  # the interpreter computes by numpy
            nearest_kernel[((B + BLOCK - 1) // BLOCK, spans)](
                *parts,
                ring.held,
                distance,
                age,
                B,
                W,
                F,
                k,
                KP=power_of_two(k),
                BLOCK=BLOCK,
                AGES=AGES,
                SPAN=SPAN,
                FAR=LIMIT,
                UNKNOWN=UNKNOWN,
                enable_fp_fusion=False,
            )
    # Later stretches hold older events, so that the first of equals is the latest.
    together, ages = (part.transpose(0, 1).reshape(B, spans * k) for part in (distance, age))
    found, place = least(together.clone(), k)
    return found, ages.gather(1, place).clamp(min=0).to(torch.int64)
