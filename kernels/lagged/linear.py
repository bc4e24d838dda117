"""A lagged pass of softmax regression."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.experts.linear import Linear, Rates, learn, probabilities
from tocsin.kernels.lagged.turns import Asked, Floats, due, part


@kernel
def ask_and_learn(
    model: Linear, events: Labelled, rates: Rates, seen: float, asked: Asked, p: Floats, weights: Floats
) -> float:
    """Class probabilities of the events asked about into `p` [n, K], with the weight seen by then into `weights` [n].

    Returns the weight seen after all events were learnt.
    """
    nobody = np.empty((0, 0))
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(events.y))
        if stop > done:
            seen = learn(model, part(events, done, stop), rates, seen, nobody)
            done = stop
        if i < len(asked.ahead):
            probabilities(model, asked.X[i : i + 1], rates.buckets, p[i : i + 1])
            weights[i] = seen
    return seen
