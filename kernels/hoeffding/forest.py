"""An adaptive forest's learning and voting, compiled: online bagging, a drift detector and a stand-by for every tree.

Each of T members has two rows in a pool of 2T Hoeffding trees: the tree that votes, and the one that grows in the
background once the member's errors look as if they rise (warning), to take over when they surely do (drift).
Sources: Gomes et al., "Adaptive random forests for evolving data stream classification", Machine Learning 106,
2017; Oza & Russell, "Online bagging and boosting", 2001; Bifet, Holmes & Pfahringer, "Leveraging bagging for
evolving data streams", 2010 (Poisson weights of mean 6).

One call learns a batch. What is learnt depends on the records and their order alone: a record's weight for a tree
is drawn from (seed, tree, records learnt before it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common import draws
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import adwin, at
from tocsin.kernels.hoeffding.answer import checked
from tocsin.kernels.hoeffding.layout import (
    FREE_SLOTS,
    N_CLASSES,
    N_FEATURES,
    N_NOMINAL,
    Header,
    Ints,
    Pool,
    Row,
    grown,
)
from tocsin.kernels.hoeffding.learning import (
    ENFORCE,
    ESTIMATE,
    WHOLE,
    foretell,
    has_room,
    is_due,
    learn_event,
    most_children,
)
from tocsin.kernels.hoeffding.leaves import predict_leaf
from tocsin.kernels.hoeffding.leaves import support as weight_behind
from tocsin.kernels.hoeffding.memory import enforce, estimate
from tocsin.kernels.hoeffding.turnover import empty
from tocsin.kernels.hoeffding.walk import leaf_of, walk

Floats = NDArray[np.float64]
Records = NDArray[Any]

MEMBER = np.dtype(
    [
        ("front", "i4"),
        ("back", "i4"),
        ("growing", "i1"),
        ("missed", "i1"),
        ("warnings", "i8"),
        ("drifts", "i8"),
        ("since", "i8"),
    ],
    align=True,
)
"""`front` and `back` are the member's rows in the pool, the second in use while `growing`; `missed` whether the front
tree was wrong about the record at hand; `since` the record that the front tree began with."""

RECORD = np.dtype([("right", "f8"), ("seen", "f8")])
"""A tree's faded counts of records foretold and foretold rightly."""

COUNTERS = np.dtype([("learnt", "i8"), ("births", "i8")])
"""Records learnt, and trees begun."""

RULES = np.dtype(
    [
        ("seed", "i8"),
        ("warning", "f8"),
        ("drift", "f8"),
        ("fade", "f8"),
        ("share", "f8"),
        ("vote_power", "f8"),
        ("spread", "f8"),
        ("strength", "f8"),
        ("adapts", "i1"),
    ],
    align=True,
)
"""Settings of the whole forest. `warning` and `drift` are ADWIN's delta; `fade` is how fast a tree's record forgets;
`share` of the features is what each tree may use (1: all); a vote weighs accuracy ** `vote_power`; `spread` is the
weight in a leaf that one independent record is worth; `strength` the most pseudo-counts of an answer; `adapts` is 0
where trees are never replaced."""

FRONT, BACK = range(2)
DONE = ESTIMATE + 1
SUBSPACES, KEYS = -1, -2
"""Streams of draws that are no tree's weights."""


@dataclass(frozen=True, eq=False)
class Forest:
    """T members; `learn` makes a new one where the pool grows."""

    pool: Pool
    """2T trees."""
    members: Records
    """MEMBER [T]."""
    record: Records
    """RECORD [2T], by row of the pool."""
    windows: Records
    """adwin.WINDOW [2T]: of member t the warning's (2t) and the drift's (2t + 1)."""
    counters: Records
    """COUNTERS [1]."""
    rules: Records
    """RULES [1]."""
    table: Floats
    """`draws.poisson_table` of the bagging weights."""


@kernel
def choose_features(pool: Header, e: int, share: float) -> None:
    """Draw the features that a tree may use, at least one."""
    n = at.counters(pool)[N_FEATURES]
    mask = at.mask(pool)[e]
    mask[:] = 1
    if share < 1.0:
        draws.choose(at.trees(pool)[e].key, SUBSPACES, max(1, round(share * n)), mask[:n])


@kernel
def begin(pool: Header, e: int, record: Records, counters: Records, rules: Records) -> None:
    """Make a row of the pool a new tree."""
    birth = counters[0].births
    counters[0].births += 1
    empty(pool, e, int(draws.bits(rules[0].seed, KEYS, birth) >> draws.S11))
    choose_features(pool, e, rules[0].share)
    record[e].right = 0.0
    record[e].seen = 0.0


@kernel
def keep_record(record: Records, e: int, p: Row, y: int, K: int, fade: float) -> bool:
    """Note whether a tree foretold a record rightly; the first of equals is its answer, and none is wrong."""
    share = at.row(p, K)
    best = -1
    highest = 0.0
    for k in range(K):
        if share[k] > highest:
            highest = share[k]
            best = k
    record[e].right = fade * record[e].right + (1.0 if best == y else 0.0)
    record[e].seen = fade * record[e].seen + 1.0
    return best == y


@kernel
def teach(
    pool: Header, e: int, x: Row, y: int, w: float, columns: Row, votes: Row, p: Row, step: int
) -> tuple[int, int]:
    """Foretell an event into the row p [K] and learn it, from `step` on.

    Returns the step that lacks slots (DONE: none does) and how many.
    """
    lacking = 0
    if step == WHOLE:
        node = walk(pool, e, 0, x) if at.trees(pool)[e].n_nodes > 0 else -1
        hint = foretell(pool, e, node, x, votes, p)
        if w > 0.0:
            lacking = learn_event(pool, e, node, x, y, w, columns, votes, hint)
    elif step == ENFORCE:
        lacking = enforce(pool, e)
    if lacking > 0:
        return ENFORCE, lacking
    if w > 0.0 and is_due(pool, e):
        lacking = estimate(pool, e)
        if lacking > 0:
            return ESTIMATE, lacking
    return DONE, 0


@kernel
def watch(
    pool: Header, t: int, members: Records, record: Records, windows: Records, counters: Records, rules: Records
) -> None:
    """Let a member's detectors see whether it was wrong: begin a tree in the background, or let it take over."""
    member = members[t]
    missed = float(member.missed)
    if adwin.rose(windows, 2 * t, missed, rules[0].warning):
        member.warnings += 1
        member.growing = 1
        begin(pool, member.back, record, counters, rules)
        adwin.clear(windows, 2 * t)
    if adwin.rose(windows, 2 * t + 1, missed, rules[0].drift):
        member.drifts += 1
        if member.growing == 0:
            begin(pool, member.back, record, counters, rules)
        front = member.front
        member.front = member.back
        member.back = front
        member.growing = 0
        member.since = counters[0].learnt
        # The old tree's observers go back to the pool at once.
        empty(pool, front, 0)
        adwin.clear(windows, 2 * t)
        adwin.clear(windows, 2 * t + 1)


@kernel
def trust(record: Records, e: int, K: int, vote_power: float) -> float:
    """How much a tree's vote weighs: its recent accuracy, taken for chance where it has no record."""
    accuracy = (record[e].right + 1.0) / (record[e].seen + K)
    return float(math.pow(accuracy, vote_power))


@kernel
def add_vote(share: Floats, weight: float, support: float, votes: Floats, sums: Floats) -> None:
    """Add a tree's vote: its shares [K] to `votes` [K], their sum and its support to `sums` [2]."""
    sums[1] += support
    for k in range(len(votes)):
        votes[k] += weight * share[k]
        sums[0] += weight * share[k]


@kernel
def count_votes(votes: Floats, sums: Floats, trees: int, rules: Records) -> None:
    """Make votes [K] evidence, by the `sums` [2] of all votes and all support."""
    if sums[0] > 0.0:
        support = min(rules[0].strength, sums[1] / (trees * rules[0].spread))
        for k in range(len(votes)):
            votes[k] *= support / sums[0]


@kernel
def learn_rows(
    pool: Header,
    X: Floats,
    y: Ints,
    weight: Floats,
    columns: Ints,
    table: Floats,
    members: Records,
    record: Records,
    windows: Records,
    counters: Records,
    rules: Records,
    scratch: Floats,
    said: Floats,
    sums: Floats,
    b: int,
    t: int,
    part: int,
    step: int,
) -> tuple[int, int, int, int, int]:
    """Learn from row b, member t, front or background tree, and step on.

    `said` [B, K] and `sums` [B, 2], zeros at first, take the evidence of each row just before it is learnt, and the
    votes and support behind it; [0, 0] where nobody asks.
    Returns where room ran out (row, member, part, step, slots lacking); row B when all is done.
    """
    K = at.counters(pool)[N_CLASSES]
    order, votes, p = columns.ctypes.data, scratch.ctypes.data, scratch.ctypes.data + 8 * K
    while b < X.shape[0]:
        x = X.ctypes.data + 8 * b * X.shape[1]
        while t < members.size:
            member = members[t]
            u = draws.uniform(rules[0].seed, t, counters[0].learnt)
            w = weight[b] * draws.poisson(table, u)
            while part <= BACK:
                e = member.front if part == FRONT else member.back
                if part == FRONT or member.growing != 0:
                    if step == WHOLE and not has_room(pool, e):
                        return b, t, part, WHOLE, 0
                    first = step == WHOLE
                    asked = first and part == FRONT and len(said) > 0
                    support, weighs = 0.0, 0.0
                    if asked:
                        leaf = leaf_of(pool, e, x)
                        support = weight_behind(pool, e, leaf) if leaf >= 0 else 0.0
                        weighs = trust(record, e, K, rules[0].vote_power)
                    step, lacking = teach(pool, e, x, y[b], w, order, votes, p, step)
                    if asked:
                        add_vote(at.row(p, K), weighs, support, said[b], sums[b])
                    if first:
                        right = keep_record(record, e, p, y[b], K, rules[0].fade)
                        if part == FRONT:
                            member.missed = 0 if right else 1
                    if step != DONE:
                        return b, t, part, step, lacking
                part += 1
                step = WHOLE
            if rules[0].adapts != 0:
                watch(pool, t, members, record, windows, counters, rules)
            t += 1
            part = FRONT
        if len(said) > 0:
            count_votes(said[b], sums[b], members.size, rules)
        counters[0].learnt += 1
        b += 1
        t = 0
    return b, 0, FRONT, WHOLE, 0


@kernel
def plant_rows(pool: Header, members: Records, record: Records, counters: Records, rules: Records) -> None:
    """Begin every member's first tree."""
    for t in range(members.size):
        begin(pool, members[t].front, record, counters, rules)


@kernel
def widen_rows(pool: Header, rules: Records, old: int) -> None:
    """See `widen`."""
    n = at.counters(pool)[N_FEATURES]
    for e in range(pool.E):
        mask = at.mask(pool)[e]
        if at.trees(pool)[e].n_nodes == 0:
            choose_features(pool, e, rules[0].share)
            continue
        for f in range(old, n):
            mask[f] = 1 if draws.uniform(at.trees(pool)[e].key, SUBSPACES, f) < rules[0].share else 0


@kernel
def vote_rows(
    pool: Header, X: Floats, members: Records, record: Records, rules: Records, scratch: Floats, out: Floats
) -> None:
    """See `evidence`."""
    K = at.counters(pool)[N_CLASSES]
    votes, p = scratch.ctypes.data, scratch.ctypes.data + 8 * K
    share = at.row(p, K)
    weights = np.empty(members.size)
    for t in range(members.size):
        weights[t] = trust(record, members[t].front, K, rules[0].vote_power)
    sums = np.empty(2)
    for b in range(X.shape[0]):
        x = X.ctypes.data + 8 * b * X.shape[1]
        out[b] = 0.0
        sums[:] = 0.0
        for t in range(members.size):
            e = members[t].front
            leaf = leaf_of(pool, e, x)
            if leaf >= 0:
                predict_leaf(pool, e, leaf, x, votes, p)
                add_vote(share, weights[t], weight_behind(pool, e, leaf), out[b], sums)
        count_votes(out[b], sums, members.size, rules)


def plant(forest: Forest) -> None:
    """Begin every member's first tree, in rows of the pool that are empty."""
    plant_rows(forest.pool.header, forest.members, forest.record, forest.counters, forest.rules)


def widen(forest: Forest, old: int) -> None:
    """Draw the columns from `old` on, which `hoeffding.resize` added, into the trees' subspaces."""
    widen_rows(forest.pool.header, forest.rules, old)


def evidence(forest: Forest, X: Floats) -> Floats:
    """Pseudo-counts of the whole forest as one witness, float64 [B, K]: N * p.

    p is the weighted vote; N the independent records behind it (the mean weight of the leaves that answer, over
    what bagging made of one), at most `strength`.
    """
    X = checked(forest.pool, X)
    K = int(forest.pool.counters[N_CLASSES])
    out = np.empty((len(X), K))
    vote_rows(forest.pool.header, X, forest.members, forest.record, forest.rules, np.empty(2 * K), out)
    return out


def learn(forest: Forest, X: Floats, y: NDArray[Any], weight: Floats, said: Floats | None = None) -> Pool:
    """Learn B records in order; the result does not depend on how they are cut into batches.

    Parameters
    ----------
    forest
        Changed in place; go on with the pool that is returned, whose arrays may be larger.
    X
        float64 [B, F]; NaN is a value that is not known.
    y
        integers [B], class indices below the pool's K.
    weight
        float64 [B], finite and >= 0, by which the bagging weights are multiplied.
    said
        float64 [B, K] to be filled with the `evidence` for each record just before it is learnt.
    """
    X = checked(forest.pool, X)
    classes = np.ascontiguousarray(y, np.int32)
    weights = np.ascontiguousarray(weight, np.float64)
    pool = forest.pool
    F, K = int(pool.counters[N_FEATURES]), int(pool.counters[N_CLASSES])
    if classes.shape != X.shape[:1] or weights.shape != X.shape[:1]:
        raise ValueError(f"y {classes.shape} and weight {weights.shape} are not [{X.shape[0]}]")
    if classes.size and (classes.min() < 0 or classes.max() >= K):
        raise ValueError(f"y is not below the pool's {K} classes")
    if not bool(np.all((weights >= 0.0) & np.isfinite(weights))):
        raise ValueError("a weight is negative or not finite")
    order, scratch = np.arange(F, dtype=np.int32), np.empty(2 * K)
    if said is not None:
        if said.shape != (len(X), K):
            raise ValueError(f"said {said.shape} is not [{len(X)}, {K}]")
        said[:] = 0.0
    answers = np.empty((0, 0)) if said is None else said
    sums = np.zeros((len(answers), 2))
    state = forest.table, forest.members, forest.record, forest.windows, forest.counters, forest.rules
    row, member, part, step = 0, 0, FRONT, WHOLE
    while row < len(X):
        row, member, part, step, lacking = learn_rows(
            pool.header, X, classes, weights, order, *state, scratch, answers, sums, row, member, part, step
        )
        if row < len(X):
            e = int(forest.members["front" if part == FRONT else "back"][member])
            children = most_children(pool.header, e)
            pool = grown(
                pool,
                int(pool.trees["n_nodes"][e]) + children,
                max(children, int(pool.counters[FREE_SLOTS]) + lacking),
                2 * int(pool.counters[N_NOMINAL]),
            )
    return pool
