"""How experts that add up numbers see categories: by how often each class came with them (`Batch.rates`)."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from tocsin.kernels.inputs.target_statistics import rated
from tocsin.models.data.batch import Batch, Bools, Floats


def rate_names(nominal: Bools, classes: int, most: int) -> list[Hashable]:
    """The names of the columns of `Batch.rates` for features of which `nominal` [F] are categories.

    >>> rate_names(np.array([False, True]), 2, 10), rate_names(np.array([True]), 3, 10)
    ([('rate', 1, 1)], [('rate', 0, 0), ('rate', 0, 1), ('rate', 0, 2)])
    """
    return [("rate", f, k) for f in np.flatnonzero(nominal).tolist() for k in rated(classes, most).tolist()]


def numbers_and_rates(batch: Batch, nominal: Bools, classes: int, most: int) -> tuple[Floats, Floats]:
    """The ranked numbers [B, N] of B events, and their rates [B, C R]: NaN where they are not known."""
    numbers, rates = batch.ranked[:, ~nominal], batch.rates
    width = int(nominal.sum()) * len(rated(classes, most))
    return numbers, np.full((len(batch), width), np.nan) if rates is None else rates
