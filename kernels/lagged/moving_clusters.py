"""A lagged pass of moving clusters."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.experts.moving_clusters.learning import evidence, learn
from tocsin.kernels.experts.moving_clusters.state import Model
from tocsin.kernels.lagged.turns import Asked, Floats, due, part


@kernel
def ask_and_learn(model: Model, events: Labelled, most: float, seen: int, asked: Asked, out: Floats) -> int:
    """The evidence for the events asked about into `out` [n, K]; returns how many events were learnt by the end."""
    nobody = np.empty((0, 0))
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(events.y))
        if stop > done:
            seen = learn(model, part(events, done, stop), most, seen, nobody)
            done = stop
        if i < len(asked.ahead):
            evidence(model, asked.X[i : i + 1], seen, most, out[i : i + 1])
    return seen
