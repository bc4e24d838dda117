"""How a forest learns: online bagging, prequential accuracy and drift detection, one event after the other.

What is learnt depends on the events and their order alone: the weight of an event for a tree is drawn from (seed,
member, number of events learnt before it).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common import draws
from tocsin.kernels.common.addresses import Address, address_of, floats_at
from tocsin.kernels.common.compiled import inlined, kernel
from tocsin.kernels.hoeffding.forest.members import detect_drift
from tocsin.kernels.hoeffding.forest.state import Forest, ForestState
from tocsin.kernels.hoeffding.forest.voting import add_vote, vote_weight, votes_to_evidence
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES, Floats, Header, Ints, Pool, Records
from tocsin.kernels.hoeffding.tree.learning import (
    DONE,
    FROM_START,
    Event,
    checked_events,
    finish_event,
    has_room,
    learn_event,
    predict_event,
    walk_from_root,
    with_room_for_event,
)
from tocsin.kernels.hoeffding.tree.leaves import support
from tocsin.kernels.hoeffding.tree.traversal import leaf_below

FRONT, BACK = range(2)
"""The two trees of a member."""
Events = tuple[Floats, Ints, Floats]
"""X [B, F], y [B] and weights [B]."""
Place = NDArray[np.int64]
"""Where learning stopped, int64 [5]."""
AT_ROW, AT_MEMBER, AT_TREE, AT_STEP, LACKING = range(5)
"""The numbers of a place: the row, the member, its front or background tree, the step of `tree.learning`, and how many
free slots it lacks."""


@kernel
def update_accuracy(accuracy: Records, e: int, p: Address, y: int, K: int, fade: float) -> bool:
    """Count whether a tree's probabilities p [K] predict class y; the first of equals is the prediction, and zeros are
    none."""
    share = floats_at(p, K)
    best = -1
    highest = 0.0
    for k in range(K):
        if share[k] > highest:
            highest = share[k]
            best = k
    accuracy[e].right = fade * accuracy[e].right + (1.0 if best == y else 0.0)
    accuracy[e].seen = fade * accuracy[e].seen + 1.0
    return best == y


@inlined
def learn_member(
    pool: Header, forest: ForestState, t: int, event: Event, p: Address, answer: Floats, sums: Floats, place: Place
) -> bool:
    """Let the trees of a member predict and learn an event, from a place on; False where room ran out.

    `answer` [K] takes the vote of the front tree, [0] where nobody asks. p [K] is scratch for probabilities.
    """
    member, accuracy, rules = forest.members[t], forest.accuracy, forest.rules[0]
    K = views.counters(pool)[N_CLASSES]
    for part in range(place[AT_TREE], BACK + 1):
        if part == BACK and member.growing == 0:
            continue
        e = member.front if part == FRONT else member.back
        step, lacking = place[AT_STEP], 0
        if step == FROM_START:
            if not has_room(pool, e):
                place[AT_TREE], place[LACKING] = part, 0
                return False
            node = walk_from_root(pool, e, event.x)
            hint = predict_event(pool, e, node, event.x, event.votes, p)
            if part == FRONT and len(answer) > 0:
                behind = support(pool, e, leaf_below(pool, e, node, event.x)) if node >= 0 else 0.0
                add_vote(p, vote_weight(accuracy, e, K, rules.vote_power), behind, answer, sums)
            right = update_accuracy(accuracy, e, p, event.y, K, rules.fade)
            if part == FRONT:
                member.missed = 0 if right else 1
            if event.weight > 0.0:
                lacking = learn_event(pool, e, node, event, hint)
        step, lacking = finish_event(pool, e, event.weight, step, lacking)
        if step != DONE:
            place[AT_TREE], place[AT_STEP], place[LACKING] = part, step, lacking
            return False
        place[AT_STEP] = FROM_START
    place[AT_TREE] = FRONT
    return True


@kernel
def learn_rows(
    pool: Header, forest: ForestState, events: Events, columns: Ints, answers: Floats, scratch: Floats, place: Place
) -> None:
    """Learn from a place on, and leave in `place` where room ran out (row B: nowhere).

    `answers` [B, K], zeros at first, takes the evidence for each row just before it is learnt; [0, 0] where nobody
    asks. `scratch` [2 K + 2] has room for votes and probabilities, and then the sums of votes for the row at hand.
    """
    X, y, weight = events
    members, counters, rules, table = forest.members, forest.counters, forest.rules, forest.table
    K = views.counters(pool)[N_CLASSES]
    order, votes, p = address_of(columns), address_of(scratch), address_of(scratch) + 8 * K
    sums, answer = scratch[2 * K :], np.empty(0)
    for b in range(place[AT_ROW], X.shape[0]):
        x = address_of(X) + 8 * b * X.shape[1]
        if len(answers) > 0:
            answer = answers[b]
        for t in range(place[AT_MEMBER], members.size):
            w = weight[b] * draws.poisson(table, draws.uniform(rules[0].seed, t, counters[0].learnt))
            if not learn_member(pool, forest, t, Event(x, y[b], w, order, votes), p, answer, sums, place):
                place[AT_ROW], place[AT_MEMBER] = b, t
                return
            if rules[0].adapts != 0:
                detect_drift(pool, forest, t)
        place[AT_MEMBER] = 0
        if len(answer) > 0:
            votes_to_evidence(answer, sums, members.size, rules)
            sums[:] = 0.0
        counters[0].learnt += 1
    place[AT_ROW] = X.shape[0]


def learn(forest: Forest, X: Floats, y: NDArray[Any], weight: Floats, answers: Floats | None = None) -> Pool:
    """Learn B events in order; the result does not depend on how they are cut into batches.

    Parameters
    ----------
    forest
        It changes in place. Go on with the pool that is returned, whose arrays may be larger.
    X
        float64 [B, F]; NaN is a value that is not known.
    y
        integers [B], class indices below the pool's K.
    weight
        float64 [B], finite and >= 0, by which the bagging weights are multiplied.
    answers
        float64 [B, K], filled with the `evidence` for each event just before it is learnt.

    Raises
    ------
    ValueError
        Where an array does not fit the pool.
    """
    pool = forest.pool
    rows, classes = checked_events(pool, X, y)
    weights = np.ascontiguousarray(weight, np.float64)
    B, K = len(rows), int(pool.counters[N_CLASSES])
    if weights.shape != (B,):
        raise ValueError(f"weight {weights.shape} is not [{B}]")
    if not bool(np.all((weights >= 0.0) & np.isfinite(weights))):
        raise ValueError("a weight is negative or not finite")
    if answers is not None:
        if answers.shape != (B, K):
            raise ValueError(f"answers {answers.shape} is not [{B}, {K}]")
        answers[:] = 0.0
    evidence = np.empty((0, 0)) if answers is None else answers
    columns, scratch, place = np.arange(rows.shape[1], dtype=np.int32), np.zeros(2 * K + 2), np.zeros(5, np.int64)
    learn_rows(pool.header, forest.state, (rows, classes, weights), columns, evidence, scratch, place)
    while place[AT_ROW] < B:
        member = forest.members[place[AT_MEMBER]]
        tree = int(member["front"] if place[AT_TREE] == FRONT else member["back"])
        pool = with_room_for_event(pool, tree, int(place[LACKING]))
        learn_rows(pool.header, forest.state, (rows, classes, weights), columns, evidence, scratch, place)
    return pool
