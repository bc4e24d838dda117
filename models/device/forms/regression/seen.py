"""What linear and logistic experts see of an event, on a device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tocsin.kernels.common.moments import Moments
from tocsin.kernels.inputs.target_statistics import rated
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.device.inputs import Inputs


def scales(moments: Moments, left_out: Bools | None = None) -> Floats:
    """The mean of each column and one over its standard deviation, [2, n]; see `tocsin.kernels.device.regression`.

    Columns that are `left_out` [n] have 0 for the second, as one has that never varied.
    """
    scale = np.sqrt(moments.square)
    varied = (scale > 1e-12) & (moments.rows > 1.0)
    if left_out is not None:
        varied &= ~left_out
    return np.stack([moments.mean, np.divide(1.0, scale, out=np.zeros_like(scale), where=varied)])


def numbers_of(nominal: Bools) -> Ints:
    """The places of the features that are numbers."""
    return np.flatnonzero(~nominal)


def rates_of(inputs: Inputs, nominal: Bools, classes: int, most: int) -> Tensor:
    """The rates of categories [B, C R], see `tocsin.models.experts.rates`; NaN where they are not known."""
    rates = inputs.view("rates")
    if rates is not None:
        return rates
    width = int(nominal.sum()) * len(rated(classes, most))
    return torch.full((len(inputs), width), torch.nan, dtype=torch.float64, device=inputs.place)
