"""In which turns events are asked about and learnt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Asked(NamedTuple):
    """n events that are asked about, in their order."""

    X: Floats
    """[n, F]"""
    ahead: Ints
    """[n], how many of the events to be learnt are learnt before each is asked about; it never falls."""


def asked(X: ArrayLike, ahead: Ints) -> Asked:
    """The events as contiguous arrays of these types, so that a kernel is compiled for one layout alone."""
    return Asked(np.ascontiguousarray(X, np.float64), np.ascontiguousarray(ahead, np.int64))


@kernel
def due(ahead: Ints, i: int, learnt: int) -> int:
    """How many of `learnt` events are learnt before event i is asked about; all of them after the last one."""
    return ahead[i] if i < len(ahead) else learnt


@kernel
def part(events: Labelled, start: int, stop: int) -> Labelled:
    """The events from start up to stop."""
    return Labelled(events.X[start:stop], events.y[start:stop], events.weight[start:stop])
