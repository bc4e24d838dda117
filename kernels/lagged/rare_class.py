"""A lagged pass of what is learnt of rare classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.experts.rare_class.learning import evidence, learn
from tocsin.kernels.experts.rare_class.state import Model, Rates
from tocsin.kernels.lagged.turns import Asked, Floats, due, part


class Heard(NamedTuple):
    """What the experts said of events at the time of each, [.., E, K]."""

    asked: Floats
    """Of those asked about."""
    learnt: Floats
    """Of those learnt."""


@kernel
def ask_and_learn(model: Model, events: Labelled, heard: Heard, rates: Rates, asked: Asked, out: Floats) -> None:
    """The evidence for the events asked about into `out` [n, K]."""
    nobody = np.empty((0, 0))
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(events.y))
        if stop > done:
            learn(model, part(events, done, stop), heard.learnt[done:stop], rates, nobody)
            done = stop
        if i < len(asked.ahead):
            evidence(model, asked.X[i : i + 1], heard.asked[i : i + 1], rates, out[i : i + 1])
