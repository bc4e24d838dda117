"""A lagged pass of what is done to inputs: clipping, heavy tails by rank, relevance, and target statistics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.inputs import clipping, relevance, tails, target_statistics
from tocsin.kernels.inputs.clipping import Clipped, Limits, Usual
from tocsin.kernels.inputs.relevance import Gate as Telling
from tocsin.kernels.inputs.relevance import Relevance
from tocsin.kernels.inputs.tails import Gate, Seen, Tails
from tocsin.kernels.inputs.target_statistics import Rates, Table
from tocsin.kernels.lagged.turns import Asked, Floats, Ints, due

Bools = NDArray[np.bool_]


class ClippedInTurns(NamedTuple):
    """Where values go as they are clipped."""

    asked: Clipped
    """Those of events asked about."""
    learnt: Clipped
    """Those of events learnt, each just before it was."""


@kernel
def clip(usual: Usual, nominal: Bools, limits: Limits, asked: Asked, X: Floats, told: ClippedInTurns) -> None:
    """Clip the events asked about, and learn X [m, F].

    See `tocsin.kernels.inputs.clipping`.
    """
    (out, soft), (learnt, stretched), done = told.asked, told.learnt, 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(X))
        if stop > done:
            clipping.learn(usual, nominal, X[done:stop], limits, Clipped(learnt[done:stop], stretched[done:stop]))
            done = stop
        if i < len(asked.ahead):
            row = Clipped(out[i : i + 1], soft[i : i + 1])
            clipping.clip(usual, nominal, asked.X[i : i + 1], limits.deviations, row)


class SeenInTurns(NamedTuple):
    """Where values go as they are seen."""

    asked: Seen
    """Those of events asked about."""
    learnt: Seen
    """Those of events learnt, each just before it was."""


@kernel
def rank(state: Tails, nominal: Bools, gate: Gate, asked: Asked, X: Floats, known: Bools, told: SeenInTurns) -> None:
    """Write the events asked about as they are seen, and learn the `known` values of X [m, F].

    See `tocsin.kernels.inputs.tails`.
    """
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(X))
        if stop > done:
            by_rank, by_size, on_time = told.learnt
            learnt = Seen(by_rank[done:stop], by_size[done:stop], on_time[done:stop])
            tails.learn(state, nominal, known[done:stop], X[done:stop], gate, learnt)
            done = stop
        if i < len(asked.ahead):
            by_rank, by_size, on_time = told.asked
            out = Seen(by_rank[i : i + 1], by_size[i : i + 1], on_time[i : i + 1])
            tails.apply(state, nominal, asked.X[i : i + 1], out)


class Told(NamedTuple):
    """Where what is seen of events goes, [.., columns]."""

    asked: Floats
    """Of those asked about."""
    learnt: Floats
    """Of those learnt, each just before it was."""


@kernel
def rate(
    table: Table, columns: Ints, classes: Ints, rates: Rates, asked: Asked, X: Floats, y: Ints, told: Told
) -> None:
    """Write the rates of the events asked about, and learn X [m, F] with labels y [m].

    See `tocsin.kernels.inputs.target_statistics`.
    """
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(X))
        if stop > done:
            learnt = told.learnt[done:stop]
            target_statistics.learn(table, columns, classes, X[done:stop], y[done:stop], rates, learnt)
            done = stop
        if i < len(asked.ahead):
            target_statistics.apply(table, columns, classes, asked.X[i : i + 1], rates, told.asked[i : i + 1])


@kernel
def leave_out(
    state: Relevance, nominal: Bools, known: Bools, asked: Asked, X: Floats, y: Ints, gate: Telling, told: Told
) -> None:
    """Leave out the columns that tell nothing, of the events asked about and of X [m, F] with labels y [m], which are
    learnt where they are `known` [m, F].

    See `tocsin.kernels.inputs.relevance`.
    """
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(X))
        if stop > done:
            learnt = told.learnt[done:stop]
            relevance.learn(state, nominal, known[done:stop], X[done:stop], y[done:stop], gate, learnt)
            done = stop
        if i < len(asked.ahead):
            relevance.apply(state, asked.X[i : i + 1], told.asked[i : i + 1])
