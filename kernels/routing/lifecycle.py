"""What is counted of every expert over a window of feedback records.

A record is *routed* to the experts by how much each can add to log P, as a share of what all can, the router's load:
with evidence e, S = sum e + s and reliability rho, log(1 + rho max e / (S - rho (S - s))). Its *leader* is the expert
with the largest share. `reference_observe` is the same in plain numpy, and a test holds the two together.

Source of the local consistency: "Not all models suit expert offloading: on local routing consistency of
mixture-of-expert models", arXiv 2505.16056 (there, of consecutive tokens).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

RECORDS, RIGHT, ENGAGED, LEADER = range(4)
"""What `Window.counters` holds: records, those that the pool decided rightly, experts engaged by all of them together,
and the leader of the last record, -1 where it had none."""
COUNTERS = 4


class Window(NamedTuple):
    """The counts of one window, changed in place; int64 but for `parts` and `trust`. E experts, K classes, P pairs."""

    counters: Ints
    """[COUNTERS]"""
    parts: Floats
    """[E], the sum of each expert's shares of the routing."""
    trust: Floats
    """[E], the sum of its reliabilities for the records that it had evidence for."""
    spoke: Ints
    """[E], records for which it had evidence."""
    right: Ints
    """[E], of those the ones it was right about."""
    engaged: Ints
    """[E], records for which it was engaged and had evidence."""
    engaged_right: Ints
    """[E], of those the ones it was right about."""
    answers: Ints
    """[E, K], its answers by class."""
    labels: Ints
    """[K], the records by class."""
    both: Ints
    """[P], records for which both experts of a pair had evidence."""
    alike: Ints
    """[P], of those the ones with the same answer of both."""
    led: Ints
    """[E], records whose predecessor it led."""
    stayed: Ints
    """[E], of those the ones that it led as well."""


def new(experts: int, classes: int, pairs: int) -> Window:
    """A window of no records."""
    counters = np.zeros(COUNTERS, np.int64)
    counters[LEADER] = -1
    E, K, P = experts, classes, pairs

    def zeros(*shape: int) -> Ints:
        return np.zeros(shape, np.int64)

    return Window(
        counters=counters,
        parts=np.zeros(E),
        trust=np.zeros(E),
        spoke=zeros(E),
        right=zeros(E),
        engaged=zeros(E),
        engaged_right=zeros(E),
        answers=zeros(E, K),
        labels=zeros(K),
        both=zeros(P),
        alike=zeros(P),
        led=zeros(E),
        stayed=zeros(E),
    )


def widened(window: Window, classes: int) -> Window:
    """The window with room for more classes."""
    more = classes - len(window.labels)
    if more <= 0:
        return window
    return window._replace(
        answers=np.pad(window.answers, ((0, 0), (0, more))),
        labels=np.pad(window.labels, (0, more)),
    )


def begin(window: Window) -> None:
    """Empty the window for the next records; who led the last one is kept."""
    leader = window.counters[LEADER]
    for array in window:
        array[:] = 0
    window.counters[LEADER] = leader


@kernel
def answer_of(evidence: Floats) -> int:
    """The class with the most evidence [K], the first of equals; -1 where there is none."""
    best = 0
    for k in range(1, evidence.size):
        if evidence[k] > evidence[best]:
            best = k
    return best if evidence[best] > 0.0 else -1


@kernel
def part_of(evidence: Floats, rho: float, prior: float) -> float:
    """How much an expert can add to log P by its evidence [K]."""
    total = prior
    top = 0.0
    for k in range(evidence.size):
        total += evidence[k]
        top = max(top, evidence[k])
    return math.log1p(rho * top / (total - rho * (total - prior)))


@kernel
def route(window: Window, evidence: Floats, rho: Floats, prior: float, parts: Floats) -> None:
    """Count a record's shares of the routing and its leader; `parts` [E] is room to work in."""
    E = rho.size
    total = 0.0
    leader = -1
    for e in range(E):
        parts[e] = part_of(evidence[e], rho[e], prior)
        total += parts[e]
        if parts[e] > 0.0 and (leader < 0 or parts[e] > parts[leader]):
            leader = e
    if total > 0.0:
        for e in range(E):
            window.parts[e] += parts[e] / total
    before = window.counters[LEADER]
    if before >= 0:
        window.led[before] += 1
        if leader == before:
            window.stayed[before] += 1
    window.counters[LEADER] = leader


@kernel
def observe(
    window: Window, evidence: Floats, rho: Floats, engaged: Bools, y: Ints, decided: Ints, pairs: Ints, prior: float
) -> None:
    """Count B records in order; a window's counts do not depend on how they are cut into calls.

    Parameters
    ----------
    evidence, rho, engaged
        float64 [B, E, K], float64 [B, E] and bool [B, E].
    y, decided
        int64 [B], the class of each record, and the one that the pool decided for, -1 where it knew none.
    pairs
        int64 [P, 2], the experts whose answers are compared.
    prior
        The prior weight s of an opinion.
    """
    B, E = rho.shape
    parts = np.empty(E)
    answers = np.empty(E, np.int64)
    for b in range(B):
        window.counters[RECORDS] += 1
        window.labels[y[b]] += 1
        if decided[b] == y[b]:
            window.counters[RIGHT] += 1
        for e in range(E):
            answers[e] = answer_of(evidence[b, e])
            if engaged[b, e]:
                window.counters[ENGAGED] += 1
            if answers[e] < 0:
                continue
            right = 1 if answers[e] == y[b] else 0
            window.trust[e] += rho[b, e]
            window.spoke[e] += 1
            window.right[e] += right
            window.answers[e, answers[e]] += 1
            if engaged[b, e]:
                window.engaged[e] += 1
                window.engaged_right[e] += right
        for p in range(pairs.shape[0]):
            one, other = answers[pairs[p, 0]], answers[pairs[p, 1]]
            if one >= 0 and other >= 0:
                window.both[p] += 1
                if one == other:
                    window.alike[p] += 1
        route(window, evidence[b], rho[b], prior, parts)


# ------------------------------------------------------------ reference


def reference_observe(
    window: Window, evidence: Floats, rho: Floats, engaged: Bools, y: Ints, decided: Ints, pairs: Ints, prior: float
) -> None:
    """`observe` of all records at once."""
    B, E, K = evidence.shape
    total = evidence.sum(axis=2) + prior
    parts = np.log1p(rho * evidence.max(axis=2) / (total - rho * (total - prior)))
    shares = parts / np.where(parts.sum(axis=1, keepdims=True) > 0, parts.sum(axis=1, keepdims=True), 1.0)
    leaders = np.where(parts.max(axis=1) > 0, parts.argmax(axis=1), -1)
    before = np.concatenate([window.counters[LEADER:], leaders[:-1]])
    spoke = evidence.max(axis=2) > 0
    answers = evidence.argmax(axis=2)
    right = spoke & (answers == y[:, None])
    window.counters[:] += np.array([B, (decided == y).sum(), engaged.sum(), 0])
    window.counters[LEADER] = leaders[-1]
    window.parts[:] += shares.sum(axis=0)
    window.trust[:] += (rho * spoke).sum(axis=0)
    window.spoke[:] += spoke.sum(axis=0)
    window.right[:] += right.sum(axis=0)
    window.engaged[:] += (engaged & spoke).sum(axis=0)
    window.engaged_right[:] += (engaged & right).sum(axis=0)
    window.labels[:] += np.bincount(y, minlength=K)
    for e in range(E):
        window.answers[e] += np.bincount(answers[spoke[:, e], e], minlength=K)
        window.led[e] += (before == e).sum()
        window.stayed[e] += ((before == e) & (leaders == e)).sum()
    for p, (one, other) in enumerate(pairs.tolist()):
        both = spoke[:, one] & spoke[:, other]
        window.both[p] += both.sum()
        window.alike[p] += (both & (answers[:, one] == answers[:, other])).sum()
