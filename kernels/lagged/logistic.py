"""Lagged passes of second-order logistic regression: on the features, and beside what they were of late."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.experts.logistic import Columns, Logistic, Rates, evidence, learn
from tocsin.kernels.experts.time_features import (
    LENGTH,
    Averages,
    Season,
    averages_evidence,
    learn_averages,
    learn_season,
    season_evidence,
)
from tocsin.kernels.lagged.turns import Asked, Floats, Ints, due, part


class LastLabels(NamedTuple):
    """The last label that was known at each event's own time; -1 for none."""

    asked: Ints
    """[n]"""
    learnt: Ints
    """[m]"""


@kernel
def ask_and_learn(model: Logistic, events: Labelled, columns: Columns, rates: Rates, asked: Asked, out: Floats) -> None:
    """The evidence for the events asked about into `out` [n, K]; see `tocsin.kernels.experts.logistic`."""
    nobody, classes = np.empty((0, 0)), out.shape[1]
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(events.y))
        if stop > done:
            learn(model, part(events, done, stop), columns, rates, classes, nobody)
            done = stop
        if i < len(asked.ahead):
            evidence(model, asked.X[i : i + 1], columns, rates.most_strength, out[i : i + 1])


@kernel
def ask_and_learn_averages(
    model: Logistic,
    events: Labelled,
    last: LastLabels,
    columns: Columns,
    past: Averages,
    rates: Rates,
    asked: Asked,
    out: Floats,
) -> None:
    """The same beside running means; see `tocsin.kernels.experts.time_features`."""
    nobody, classes, most = np.empty((0, 0)), out.shape[1], rates.most_strength
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(events.y))
        if stop > done:
            these = part(events, done, stop)
            learn_averages(model, these, last.learnt[done:stop], columns, past, rates, classes, nobody)
            done = stop
        if i < len(asked.ahead):
            one, label = asked.X[i : i + 1], last.asked[i : i + 1]
            averages_evidence(model, one, label, columns, past, most, out[i : i + 1])


@kernel
def ask_and_learn_season(
    model: Logistic, events: Labelled, columns: Columns, past: Season, rates: Rates, asked: Asked, out: Floats
) -> None:
    """The same beside the mean of the last season; zeros while there is none."""
    nobody, classes = np.empty((0, 0)), out.shape[1]
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(events.y))
        if stop > done:
            learn_season(model, part(events, done, stop), columns, past, rates, classes, nobody)
            done = stop
        if i < len(asked.ahead):
            if past.state[LENGTH] > 0:
                season_evidence(model, asked.X[i : i + 1], columns, past, rates.most_strength, out[i : i + 1])
            else:
                out[i] = 0.0
