"""A lagged pass of a sliding window that votes."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common import window
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.common.moments import Moments
from tocsin.kernels.common.window import Progress, Voting, Window, factors, vote
from tocsin.kernels.experts.neighbours import Query, Remembered, none_found, search
from tocsin.kernels.lagged.turns import Asked, Floats, due, part


@kernel
def ask_and_learn(
    remembered: Window,
    moments: Moments,
    events: Labelled,
    voting: Voting,
    progress: Progress,
    asked: Asked,
    votes: Floats,
    strengths: Floats,
) -> tuple[int, float, int]:
    """Class shares of the events asked about into `votes` [n, K], with the strength by then into `strengths` [n].

    Returns the progress after all events were learnt, as `tocsin.kernels.common.window.learn` does.
    """
    stop, strength, seen = progress
    horizons, nobody = np.empty(1, np.int64), np.empty((0, 0))
    horizons[0] = voting.length
    done = 0
    for i in range(len(asked.ahead) + 1):
        until = due(asked.ahead, i, len(events.y))
        if until > done:
            now = Progress(stop, strength, seen)
            stop, strength, seen = window.learn(remembered, moments, part(events, done, until), voting, now, nobody)
            done = until
        if i < len(asked.ahead):
            factor = factors(remembered.nominal, moments.rows, moments.square)
            found = none_found(1, voting.k)
            query = Query(asked.X[i : i + 1], factor, remembered.nominal, horizons, voting.k)
            search(Remembered(remembered.values, max(0, stop - voting.length), stop), query, found)
            votes[i] = vote(found, remembered, stop, voting.classes)[0]
            strengths[i] = strength
    return stop, strength, seen
