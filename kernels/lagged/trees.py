"""Lagged passes of a Hoeffding tree and of a forest.

The arrays of a pool cannot grow inside a compiled function. So a pass stops where room runs out, and goes on when its
caller has made room.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.forest import learning as forest_learning
from tocsin.kernels.hoeffding.forest.learning import AT_MEMBER, AT_ROW, AT_TREE, FRONT
from tocsin.kernels.hoeffding.forest.learning import LACKING as FOREST_LACKING
from tocsin.kernels.hoeffding.forest.learning import Events as ForestEvents
from tocsin.kernels.hoeffding.forest.state import Forest, ForestState
from tocsin.kernels.hoeffding.forest.voting import fill_evidence
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES, Floats, Header, Ints, Pool
from tocsin.kernels.hoeffding.tree import learning as tree_learning
from tocsin.kernels.hoeffding.tree.learning import LACKING, ROW, TREE, checked_events, with_room_for_event
from tocsin.kernels.hoeffding.tree.prediction import checked, fill_probabilities, fill_supports
from tocsin.kernels.lagged import turns
from tocsin.kernels.lagged.turns import Asked, asked, due

Place = NDArray[np.int64]
"""Where learning stopped, as the learning of a tree or a forest has it."""
Labels = NDArray[Any]


@kernel
def tree_rows(
    pool: Header, events: ForestEvents, columns: Ints, wanted: Asked, first: int, place: Place, out: Floats
) -> int:
    """Go on with the pass at question `first`; returns that at which room ran out, n + 1 where the pass is done.

    `out` [n, K + 1] takes the probabilities of the first tree, and behind them the weight of the leaf that answers.
    """
    X, y, weight = events
    K, questions = out.shape[1] - 1, len(wanted.ahead)
    nobody = (np.empty((0, 0, 0)), np.empty((0, 0)))
    scratch, p, n = np.empty(K), np.empty((1, pool.E, K)), np.empty((1, pool.E))
    w = weight.reshape(len(weight), 1)
    for i in range(first, questions + 1):
        stop = due(wanted.ahead, i, len(y))
        if stop > place[ROW]:
            tree_learning.learn_rows(pool, X[:stop], y[:stop], w[:stop], columns, nobody, scratch, place)
            if place[ROW] < stop:
                return i
        if i < questions:
            fill_probabilities(pool, wanted.X[i : i + 1], scratch, p)
            fill_supports(pool, wanted.X[i : i + 1], n)
            for k in range(K):
                out[i, k] = p[0, 0, k]
            out[i, K] = n[0, 0]
    return questions + 1


def tree(
    pool: Pool, X: Floats, y: Labels, weight: Floats, questions: Floats, ahead: turns.Ints
) -> tuple[Pool, Floats, Floats]:
    """Learn the rows of X [m, F] with classes y [m] by the one tree of a pool, and ask it about `questions` [n, F].

    Returns the pool to go on with, the class probabilities [n, K], and the weight of the leaf that answered, [n].
    Raises ValueError where an array does not fit the pool.
    """
    rows, classes = checked_events(pool, X, y)
    wanted, K = asked(checked(pool, questions), ahead), int(pool.counters[N_CLASSES])
    events = rows, classes, np.ascontiguousarray(weight, np.float64)
    columns, place = np.arange(rows.shape[1], dtype=np.int32), np.zeros(4, np.int64)
    out = np.empty((len(wanted.X), K + 1))
    at = tree_rows(pool.header, events, columns, wanted, 0, place, out)
    while at <= len(wanted.X):
        pool = with_room_for_event(pool, int(place[TREE]), int(place[LACKING]))
        at = tree_rows(pool.header, events, columns, wanted, at, place, out)
    return pool, out[:, :K], out[:, K]


@kernel
def forest_rows(
    pool: Header,
    forest: ForestState,
    events: ForestEvents,
    columns: Ints,
    wanted: Asked,
    first: int,
    place: Place,
    out: Floats,
) -> int:
    """As `tree_rows`, of a forest: `out` [n, K] takes its evidence."""
    X, y, weight = events
    K, questions = out.shape[1], len(wanted.ahead)
    nobody, votes, scratch = np.empty((0, 0)), np.empty(2 * K), np.zeros(2 * K + 2)
    for i in range(first, questions + 1):
        stop = due(wanted.ahead, i, len(y))
        if stop > place[AT_ROW]:
            these = (X[:stop], y[:stop], weight[:stop])
            forest_learning.learn_rows(pool, forest, these, columns, nobody, scratch, place)
            if place[AT_ROW] < stop:
                return i
        if i < questions:
            fill_evidence(pool, forest, wanted.X[i : i + 1], votes, out[i : i + 1])
    return questions + 1


def forest(
    state: Forest, X: Floats, y: Labels, weight: Floats, questions: Floats, ahead: turns.Ints
) -> tuple[Pool, Floats]:
    """Learn the rows of X [m, F] with classes y [m], and ask the forest about `questions` [n, F].

    Returns the pool to go on with, and the evidence [n, K]. Raises ValueError where an array does not fit the pool.
    """
    pool = state.pool
    rows, classes = checked_events(pool, X, y)
    wanted = asked(checked(pool, questions), ahead)
    events = rows, classes, np.ascontiguousarray(weight, np.float64)
    columns, place = np.arange(rows.shape[1], dtype=np.int32), np.zeros(5, np.int64)
    out = np.empty((len(wanted.X), int(pool.counters[N_CLASSES])))
    at = forest_rows(pool.header, state.state, events, columns, wanted, 0, place, out)
    while at <= len(wanted.X):
        member = state.members[place[AT_MEMBER]]
        number = int(member["front"] if place[AT_TREE] == FRONT else member["back"])
        pool = with_room_for_event(pool, number, int(place[FOREST_LACKING]))
        at = forest_rows(pool.header, state.state, events, columns, wanted, at, place, out)
    return pool, out
