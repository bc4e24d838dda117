"""How the trees of a forest vote, and what their vote is worth as evidence."""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.common.addresses import Address, address_of, floats_at
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.forest.state import Forest, ForestState
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES, Floats, Header, Records
from tocsin.kernels.hoeffding.tree.leaves import predict_leaf, support
from tocsin.kernels.hoeffding.tree.prediction import checked
from tocsin.kernels.hoeffding.tree.traversal import leaf_of

VOTES, SUPPORT = range(2)
"""The sums that go with votes: of the votes themselves, and of the weight behind them."""


@kernel
def vote_weight(accuracy: Records, e: int, K: int, vote_power: float) -> float:
    """How much the vote of a tree weighs: a power of its recent accuracy, which is chance where it has predicted
    nothing."""
    share = (accuracy[e].right + 1.0) / (accuracy[e].seen + K)
    return float(math.pow(share, vote_power))


@kernel
def add_vote(p: Address, weight: float, support: float, votes: Floats, sums: Floats) -> None:
    """Add a tree's probabilities p [K] to `votes` [K], and to `sums` [2] their sum and the weight behind them."""
    share = floats_at(p, len(votes))
    sums[SUPPORT] += support
    for k in range(len(votes)):
        votes[k] += weight * share[k]
        sums[VOTES] += weight * share[k]


@kernel
def votes_to_evidence(votes: Floats, sums: Floats, trees: int, rules: Records) -> None:
    """Make the votes [K] of so many trees evidence in place."""
    if sums[VOTES] > 0.0:
        strength = min(rules[0].strength, sums[SUPPORT] / (trees * rules[0].weight_per_event))
        for k in range(len(votes)):
            votes[k] *= strength / sums[VOTES]


@kernel
def fill_vote_weights(pool: Header, forest: ForestState, out: Floats) -> None:
    """The loop of `vote_weights`, into `out` [T]."""
    for t in range(forest.members.size):
        out[t] = vote_weight(
            forest.accuracy, forest.members[t].front, views.counters(pool)[N_CLASSES], forest.rules[0].vote_power
        )


def vote_weights(forest: Forest) -> Floats:
    """What the vote of each member's front tree weighs, float64 [T]."""
    out = np.empty(len(forest.members))
    fill_vote_weights(forest.pool.header, forest.state, out)
    return out


@kernel
def fill_evidence(pool: Header, forest: ForestState, X: Floats, scratch: Floats, out: Floats) -> None:
    """The loop of `evidence`, into `out` [B, K]; `scratch` is [2 K]."""
    members, rules = forest.members, forest.rules
    K = views.counters(pool)[N_CLASSES]
    votes, p = address_of(scratch), address_of(scratch) + 8 * K
    weights = np.empty(members.size)
    fill_vote_weights(pool, forest, weights)
    sums = np.empty(2)
    for b in range(X.shape[0]):
        x = address_of(X) + 8 * b * X.shape[1]
        out[b] = 0.0
        sums[:] = 0.0
        for t in range(members.size):
            e = members[t].front
            leaf = leaf_of(pool, e, x)
            if leaf >= 0:
                predict_leaf(pool, e, leaf, x, votes, p)
                add_vote(p, weights[t], support(pool, e, leaf), out[b], sums)
        votes_to_evidence(out[b], sums, members.size, rules)


def evidence(forest: Forest, X: Floats) -> Floats:
    """The pseudo-counts N p of the whole forest as one expert, float64 [B, K].

    p is the weighted vote. N is the number of independent events behind it, at most `strength`: the mean weight of the
    answering leaves over what bagging makes of one event.
    """
    X = checked(forest.pool, X)
    K = int(forest.pool.counters[N_CLASSES])
    out = np.empty((len(X), K))
    fill_evidence(forest.pool.header, forest.state, X, np.empty(2 * K), out)
    return out
