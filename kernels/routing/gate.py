"""The gate: whom to ask about an event first, and from which margin of their vote on the others need not be asked.

The experts stand in an order, by the share of the routing that each holds for what it costs. Of every beginning of this
order (a *front*) the gate knows, from events about which all were asked, how often the front's own vote names another
class than all of them decided for, by the margin of that vote. So the cheapest front whose changed decisions stay
within a bound can be chosen, with the margin from which on it speaks alone.

The vote of a front weighs each expert by its mean reliability: with evidence e, S = sum e + s and weight w,

    V_k = sum over the front of w e_k / (S - w (S - s));   q_k = (V_k + 1 / K) / (sum V + 1),

which is BetP under cumulative fusion (see `tocsin.kernels.routing.fused_loss`); its margin is the difference between
the two largest q. `reference_*` are the same in plain numpy, and a test holds the two together.

Sources: Read-ME, arXiv 2410.19123 (a gate that is apart from the experts, so that events can be grouped by expert);
Viola and Jones 2001 (cascades: cheap parts first); AdaMoE, arXiv 2406.13233 (fewer experts for what is easy).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import inverse_scale, learn_row
from tocsin.kernels.routing.lifecycle import answer_of, part_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BINS = 50
"""Margins from 0 to 1 are counted in so many steps."""
SEEN, SINCE = range(2)
"""What `GateState.counters` holds: events about which all were asked, and those since the order was made."""
EVERY = 50
"""After so many of them the order is made anew."""
STEP = 0.1
"""The learning rate of an event's difficulty."""
CLIP = 3.0
"""Standardised features are clipped here."""
SCALER_MEMORY = 1_000.0
"""Events over which features are standardised."""
GAIN = 0.95
"""A front is worth a second question only where it spares more than the rest of what all cost."""


class GateState(NamedTuple):
    """What the gate knows of E experts, of which N can stand in a front; changed in place."""

    share: Floats
    """[E], each expert's mean share of the routing, faded."""
    trust: Floats
    """[E], its mean reliability where it had evidence, faded."""
    usual: Floats
    """[E], its mean evidence for all classes together, faded."""
    right: Floats
    """[E], the share of the events on which it named the label's class, faded."""
    heard: Floats
    """[E], how many events these means rest on."""
    order: Ints
    """[N], the experts that can stand in a front, in the gate's order."""
    counts: Floats
    """[N, BINS], events by the margin of the vote of each front, faded."""
    changed: Floats
    """[N, BINS], of those the ones of which the front names another class than all."""
    counters: Ints
    """[2]"""
    weights: Floats
    """[F + 1], how much each standardised feature tells of the difficulty of an event, and the constant."""
    rows: Floats
    """[F], see `tocsin.kernels.common.moments`."""
    mean: Floats
    """[F]"""
    square: Floats
    """[F]"""


class Labels(NamedTuple):
    """What is known of B events at last."""

    y: Ints
    """[B], their classes."""
    decided: Ints
    """[B], what was decided for; -1 where no class was known."""
    counted: Bools
    """[B], whether the gate learns of them: all experts were asked, whatever the gate made of the event."""


class Terms(NamedTuple):
    """By what the gate learns."""

    active: Bools
    """[E], which experts answer."""
    cost: Floats
    """[E], see `tocsin.config.experts.base.ExpertSettings.cost`."""
    prior: float
    """The prior weight s of an opinion."""
    memory: float
    """What is kept of the past at each event."""


class Choice(NamedTuple):
    """The front that is asked first, and when it speaks alone."""

    length: int
    """How many experts of the order are the front; all of them where the gate knows none that would do."""
    least: float
    """The margin from which on the front speaks alone; above 1 where it never does."""


def new(experts: int, features: int, order: Ints) -> GateState:
    """A gate that has learnt nothing."""
    N = len(order)
    return GateState(
        share=np.zeros(experts),
        trust=np.zeros(experts),
        usual=np.zeros(experts),
        right=np.zeros(experts),
        heard=np.zeros(experts),
        order=order.astype(np.int64),
        counts=np.zeros((N, BINS)),
        changed=np.zeros((N, BINS)),
        counters=np.zeros(2, np.int64),
        weights=np.zeros(features + 1),
        rows=np.zeros(features),
        mean=np.zeros(features),
        square=np.zeros(features),
    )


def widened(state: GateState, features: int) -> GateState:
    """The gate with room for more columns, which tell nothing yet."""
    more = features - len(state.mean)
    if more <= 0:
        return state
    return state._replace(
        weights=np.insert(state.weights, len(state.mean), np.zeros(more)),
        rows=np.pad(state.rows, (0, more)),
        mean=np.pad(state.mean, (0, more)),
        square=np.pad(state.square, (0, more)),
    )


@kernel
def difficulty(state: GateState, x: Floats, z: Floats) -> float:
    """How much of the routing is likely to name another class than all together will, from x [F] alone.

    The standardised features are left in `z` [F]; what is not known is taken to be at the mean.
    """
    total = state.weights[x.size]
    for f in range(x.size):
        value = (x[f] - state.mean[f]) * inverse_scale(state.rows, state.square, f)
        z[f] = 0.0 if math.isnan(value) else min(max(value, -CLIP), CLIP)
        total += state.weights[f] * z[f]
    return 1.0 / (1.0 + math.exp(-min(max(total, -30.0), 30.0)))


@kernel
def learn_difficulty(state: GateState, x: Floats, apart: float, z: Floats) -> None:
    """One step of logistic regression towards the share `apart` of the routing that named another class."""
    error = difficulty(state, x, z) - apart
    length = 1.0
    for f in range(x.size):
        length += z[f] * z[f]
    step = STEP * error / length
    for f in range(x.size):
        state.weights[f] -= step * z[f]
    state.weights[x.size] -= step
    learn_row(state.rows, state.mean, state.square, SCALER_MEMORY, x)


@kernel
def add_vote(evidence: Floats, weight: float, prior: float, V: Floats) -> None:
    """Add an expert's vote, from its evidence [K], to V [K]."""
    total = prior
    for k in range(V.size):
        total += evidence[k]
    share = weight / (total - weight * (total - prior))
    for k in range(V.size):
        V[k] += share * evidence[k]


@kernel
def favourite(V: Floats) -> int:
    """The class with the most votes, the first of equals."""
    best = 0
    for k in range(1, V.size):
        if V[k] > V[best]:
            best = k
    return best


@kernel
def margin_of(V: Floats, best: int) -> float:
    """The difference between the two largest q, see above."""
    total, second = 1.0, 0.0
    for k in range(V.size):
        total += V[k]
        if k != best:
            second = max(second, V[k])
    margin: float = (V[best] - second) / total
    return margin


@kernel
def margins(state: GateState, X: Floats, answers: Floats, front: Ints, prior: float, out: Floats) -> None:
    """The margin [B] of the front's vote on B events from X [B, F] and the answers [B, E, K], into `out`."""
    V, z = np.empty(answers.shape[2]), np.empty(X.shape[1])
    for b in range(answers.shape[0]):
        V[:] = 0.0
        for i in range(front.size):
            add_vote(answers[b, front[i]], state.trust[front[i]], prior, V)
        out[b] = margin_of(V, favourite(V)) * (1.0 - difficulty(state, X[b], z))


@kernel
def learn_rows(state: GateState, X: Floats, answers: Floats, rho: Floats, labels: Labels, terms: Terms) -> None:
    """Learn of B events in order, those of them that are counted.

    What is learnt does not depend on how events are cut into calls. X [B, F], `answers` [B, E, K] and reliabilities
    `rho` [B, E] are of each event's own time.
    """
    y, decided, counted = labels
    V, z = np.empty(answers.shape[2]), np.empty(X.shape[1])
    parts = np.empty(answers.shape[1])
    for b in range(answers.shape[0]):
        if counted[b] and decided[b] >= 0:
            ease = 1.0 - difficulty(state, X[b], z)
            count_fronts(state, answers[b], decided[b], ease, terms, V)
            state.counters[SEEN] += 1
            state.counters[SINCE] += 1
            follow(state, answers[b], rho[b], y[b], terms, parts)
            learn_difficulty(state, X[b], apart(answers[b], parts, decided[b]), z)
            if state.counters[SINCE] >= EVERY:
                reorder(state, terms.cost)
                state.counters[SINCE] = 0


@kernel
def apart(answers: Floats, parts: Floats, decided: int) -> float:
    """The share of the routing, of which each expert has `parts` [E], that named another class than was decided for."""
    total, other = 0.0, 0.0
    for e in range(parts.size):
        total += parts[e]
        if answer_of(answers[e]) != decided:
            other += parts[e]
    return other / total if total > 0.0 else 1.0


@kernel
def count_fronts(state: GateState, answers: Floats, decided: int, ease: float, terms: Terms, V: Floats) -> None:
    """Count one event for every front; `ease` is one less its difficulty, V [K] is room to work in."""
    V[:] = 0.0
    for i in range(state.order.size):
        e = state.order[i]
        add_vote(answers[e], state.trust[e], terms.prior, V)
        best = favourite(V)
        step = min(int(margin_of(V, best) * ease * BINS), BINS - 1)
        for s in range(BINS):
            state.counts[i, s] *= terms.memory
            state.changed[i, s] *= terms.memory
        state.counts[i, step] += 1.0
        if best != decided:
            state.changed[i, step] += 1.0


@kernel
def follow(state: GateState, answers: Floats, rho: Floats, y: int, terms: Terms, parts: Floats) -> None:
    """Move the means of the active experts towards one event of class y; `parts` [E] is room to work in."""
    total = 0.0
    for e in range(rho.size):
        parts[e] = part_of(answers[e], rho[e], terms.prior)
        total += parts[e]
    for e in range(rho.size):
        if not terms.active[e]:
            continue
        state.heard[e] += 1.0
        rate = max(1.0 - terms.memory, 1.0 / state.heard[e])
        right = 1.0 if answer_of(answers[e]) == y else 0.0
        state.right[e] += rate * (right - state.right[e])
        evidence = 0.0
        for k in range(answers.shape[1]):
            evidence += answers[e, k]
        state.usual[e] += rate * (evidence - state.usual[e])
        if evidence > 0.0:
            state.trust[e] += rate * (rho[e] - state.trust[e])
        if total > 0.0:
            state.share[e] += rate * (parts[e] / total - state.share[e])


@kernel
def reorder(state: GateState, cost: Floats) -> None:
    """Sort the order by the share of the routing for the cost, in steps of a factor of 2, so that it seldom changes.

    What was counted of a front is kept while the same experts stand in it.
    """
    N = state.order.size
    step = np.empty(N)
    for i in range(N):
        e = state.order[i]
        step[i] = math.floor(math.log(max(state.share[e], 1e-6) / cost[e]) / math.log(2.0))
    for i in range(1, N):  # an insertion sort, which leaves equals as they are
        j = i
        while j > 0 and step[j] > step[j - 1]:
            step[j], step[j - 1] = step[j - 1], step[j]
            state.order[j], state.order[j - 1] = state.order[j - 1], state.order[j]
            # The front that ends between the two has another expert now.
            state.counts[j - 1] = 0.0
            state.changed[j - 1] = 0.0
            j -= 1


@kernel
def chosen(state: GateState, cost: Floats, active: Bools, bound: float, floor: float, fewest: float) -> Choice:
    """The cheapest front whose changed decisions stay within the share `bound` of all events.

    To the cost of the experts each changed decision adds that of asking all: a bound that allows many is not used up
    where next to nothing is spared by it.

    `floor` is the share of events about which all are asked in any case, `fewest` how many events a front must have
    been counted on. Experts that are not `active` [E] cost nothing, and a front of none but such is not chosen.
    """
    N = state.order.size
    whole = 0.0
    for e in range(cost.size):
        if active[e]:
            whole += cost[e]
    best, length, least = GAIN * whole, N, 2.0
    front, speakers = 0.0, 0
    for i in range(N):
        if active[state.order[i]]:
            front += cost[state.order[i]]
            speakers += 1
        events = state.counts[i].sum()
        if events < fewest or speakers == 0:
            continue
        lost, alone, step = 1.0, 0.0, BINS
        while step > 0 and lost + state.changed[i, step - 1] <= bound * events:
            step -= 1
            lost += state.changed[i, step]
            alone += state.counts[i, step]
        expected = front + (1.0 - (1.0 - floor) * alone / events) * (whole - front) + lost / events * whole
        if step < BINS and expected < best:
            best, length, least = expected, i + 1, step / BINS
    return Choice(length, least)


# ------------------------------------------------------------ reference


def reference_margin(answers: Floats, front: Ints, trust: Floats, prior: float) -> tuple[int, float]:
    """The class that a front votes for and the margin of that vote, of one event: answers [E, K]."""
    said, weight = answers[front], trust[front][:, None]
    S = said.sum(axis=1, keepdims=True) + prior
    V = (weight * said / (S - weight * (S - prior))).sum(axis=0)
    q = np.sort((V + 1.0 / V.size) / (V.sum() + 1.0))
    return int(V.argmax()), float(q[-1] - (q[-2] if V.size > 1 else 1.0 / (V.sum() + 1.0)))


def reference_difficulty(state: GateState, x: Floats) -> float:
    """The difficulty of one event x [F]."""
    scale = np.sqrt(state.square)
    usable = (scale > 1e-12) & (state.rows > 1) & ~np.isnan(x)
    z = np.where(usable, (x - state.mean) / np.where(scale > 1e-12, scale, 1.0), 0.0)
    total = float(state.weights[:-1] @ np.clip(z, -CLIP, CLIP) + state.weights[-1])
    return 1.0 / (1.0 + math.exp(-min(max(total, -30.0), 30.0)))


def reference_chosen(
    state: GateState, cost: Floats, active: Bools, bound: float, floor: float, fewest: float
) -> tuple[float, Choice]:
    """The expected cost of the cheapest front, and which it is: every front is tried with its least margin."""
    paid = np.where(active, cost, 0.0)
    whole = float(paid.sum())
    found = [(GAIN * whole, Choice(len(state.order), 2.0))]
    for i, (counts, changed) in enumerate(zip(state.counts, state.changed, strict=True)):
        front, events = float(paid[state.order[: i + 1]].sum()), float(counts.sum())
        steps = [s for s in range(BINS) if events >= fewest and 1.0 + changed[s:].sum() <= bound * events]
        if steps:
            alone = (1.0 - floor) * counts[steps[0] :].sum() / events
            lost = (1.0 + changed[steps[0] :].sum()) / events
            found.append((front + (1.0 - alone) * (whole - front) + lost * whole, Choice(i + 1, steps[0] / BINS)))
    return min(found, key=lambda one: one[0])
