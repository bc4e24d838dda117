"""The launch of the Triton kernel of the search: one program for a block of events and a stretch of the window."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.nearest.torch_tensors import NearestRows, RingOfEvents, least, rows_by_age
from tocsin.kernels.device.nearest.triton_kernel import nearest_kernel
from tocsin.kernels.experts.neighbours import LIMIT, UNKNOWN
from tocsin.kernels.fusion.triton_launch import power_of_two

BLOCK, AGES, SPAN = 16, 64, 256
"""Events for each program, how many of the window it looks at together, and how many in all."""


def nearest(ring: RingOfEvents, X: Tensor, k: int, kinds: Tensor) -> NearestRows:
    """As `tocsin.kernels.device.nearest.torch_tensors.nearest`.

    `kinds` int8 [F] are the ring's `nominal` on its device: nothing may be copied there while launches are captured.
    """
    rows = rows_by_age(ring)
    (B, F), W, k = X.shape, len(rows), min(k, len(rows))
    spans = -(-W // SPAN)
    distance, age = X.new_empty((spans, B, k)), torch.empty((spans, B, k), dtype=torch.int32, device=X.device)
    if B and k:
        columns, queries = ring.values.index_select(0, rows).T.contiguous(), X.T.contiguous()
        with np.errstate(all="ignore"):  # the interpreter computes by numpy
            nearest_kernel[((B + BLOCK - 1) // BLOCK, spans)](
                *(part if F else X.new_zeros(1) for part in (queries, columns, ring.factor)),
                kinds if F else torch.zeros(1, dtype=torch.int8, device=X.device),
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
    return NearestRows(found, rows[ages.gather(1, place).clamp(min=0).to(torch.int64)])
