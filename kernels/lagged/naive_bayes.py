"""A lagged pass of naive Bayes."""

from __future__ import annotations

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.experts.naive_bayes import Counts, Progress, learn, probabilities
from tocsin.kernels.lagged.turns import Asked, Floats, Ints, due, part


@kernel
def ask_and_learn(
    counts: Counts,
    slots: Ints,
    events: Labelled,
    progress: Progress,
    rates: tuple[float, float],
    asked: Asked,
    p: Floats,
    strengths: Floats,
) -> tuple[float, float, int]:
    """Class probabilities of the events asked about into `p` [n, K], with the strength by then into `strengths` [n].

    Both are 0 before anything was learnt. `rates` are what a count keeps at an event, and the bound on the strength.
    Returns the progress after all events were learnt.
    """
    unit, strength, seen = progress
    fade, most = rates
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(events.y))
        if stop > done:
            unit, strength, seen = learn(
                counts, slots, part(events, done, stop), Progress(unit, strength, seen), fade, most
            )
            done = stop
        if i < len(asked.ahead):
            p[i], strengths[i] = 0.0, 0.0
            if seen > 0:
                p[i] = probabilities(counts, slots, asked.X[i : i + 1], unit)[0]
                strengths[i] = strength
    return unit, strength, seen
