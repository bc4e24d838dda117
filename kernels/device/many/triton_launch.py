"""The launch of the Triton kernel of many models: one program for a block of events, whatever models they are of."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.device.many import layout
from tocsin.kernels.device.many.packed import ManyModels
from tocsin.kernels.device.many.results import by_size, empty_results
from tocsin.kernels.device.many.triton_kernel import many_kernel
from tocsin.kernels.fusion.interface import Floats, Ints
from tocsin.kernels.fusion.triton_launch import CELLS, power_of_two
from tocsin.kernels.routing.inverse_temperature import LEAST
from tocsin.kernels.routing.reliability import CLIP, LEAK, LOGIT, MAX_RELIABILITY


def launch(many: ManyModels, X: Floats, of_pool: Ints) -> list[Tensor]:
    """Decide B events, X [B, W]; the fields of `ManyScored`. Nothing is checked.

    The tiles of a program follow from the largest model that is packed. If they followed from the batch, so would an
    event's bits. A larger model that is packed later may change the last bits of all.
    """
    results = empty_results(many, len(X))
    B, W = X.shape
    if not B:
        return results
    place = many.place.device
    _, E, K, H = many.widest
    width, height, units = power_of_two(K), power_of_two(E + 1), power_of_two(H)
    block = max(1, CELLS // max(width, height, units))
    # Without features one column is passed: nothing is read of it, but it must have an address.
    rows = X if W else np.zeros((B, 1))
    given = [torch.from_numpy(array).to(place) for array in (rows, of_pool, by_size(many, of_pool))]
    packed = [many[name] for name in (*layout.ARRAYS, "table", "terms")]
    with np.errstate(all="ignore"):  # the interpreter computes by numpy
        many_kernel[((B + block - 1) // block,)](
            *packed, *given, *results, B, rows.shape[1], E, K,
            KP=width, EP=height, HP=units, BLOCK=block,
            LOGIT=LOGIT, CLIP=CLIP, LEAK=LEAK, MOST=MAX_RELIABILITY, LEAST=LEAST,
            enable_fp_fusion=False,
        )  # fmt: skip
    return results
