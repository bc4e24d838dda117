"""A lagged pass of the extremes that tell of rare classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.inputs.clipping import Clipped
from tocsin.kernels.inputs.extremes import Extremes, apply, learn
from tocsin.kernels.lagged.turns import Floats, Ints, due

Bools = NDArray[np.bool_]


class Questions(NamedTuple):
    """n events that are asked about."""

    clipped: Clipped
    ahead: Ints
    """[n], how many labels are learnt before each, see `tocsin.kernels.lagged.turns.Asked`."""


class Labels(NamedTuple):
    """m labelled events."""

    clipped: Clipped
    rare: Bools
    """[m + 1], whether a class was rare before each label, and after all."""
    odd: Bools
    """[m], whether the label is of a class that was rare."""


@kernel
def ask_and_learn(state: Extremes, asked: Questions, labels: Labels, out: Floats, learnt: Floats) -> None:
    """Write the events asked about into `out` [n, F] and those learnt into `learnt` [m, F], as experts see them.

    Where no class is rare before an event, it is clipped, and its label is not counted. See
    `tocsin.kernels.inputs.extremes`.
    """
    done, (hard, soft), (own, stretched) = 0, asked.clipped, labels.clipped
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(labels.odd))
        for b in range(done, stop):
            if labels.rare[b]:
                event = Clipped(own[b : b + 1], stretched[b : b + 1])
                learn(state, event, labels.odd[b : b + 1], learnt[b : b + 1])
            else:
                learnt[b] = own[b]
        done = max(done, stop)
        if i < len(asked.ahead):
            if labels.rare[stop]:
                apply(state, Clipped(hard[i : i + 1], soft[i : i + 1]), out[i : i + 1])
            else:
                out[i] = hard[i]
