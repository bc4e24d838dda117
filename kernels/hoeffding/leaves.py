"""What a leaf says: majority, Naive Bayes or, adaptively, whichever was right more often in this leaf."""

from __future__ import annotations

import math

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    ADAPTIVE,
    BAYES,
    LISTED,
    MEAN,
    N_CLASSES,
    NORM,
    SCALE,
    WEIGHT,
    Header,
    Row,
)
from tocsin.kernels.hoeffding.observers import find, list_class

HALF_LOG_TAU = 0.5 * math.log(math.tau)
CLOSE = 1e-9
"""Log votes nearer than this may round to equal probabilities, so there the probabilities decide, as in
river.
"""


@kernel
def total_weight(pool: Header, e: int, node: int) -> float:
    """The class weights of a node, summed in order of arrival."""
    total = 0.0
    for i in range(at.nodes(pool)[e, node].n_classes):
        total += at.counts(pool)[e, node, at.order(pool)[e, node, i]]
    return total


@kernel
def class_weight(pool: Header, e: int, node: int, k: int) -> float:
    """How much a leaf remembers of a class: its weight, faded where the pool fades."""
    return float(at.faded(pool)[e, node, k] if pool.fading > 0 else at.counts(pool)[e, node, k])


@kernel
def support(pool: Header, e: int, node: int) -> float:
    """How much a leaf's answer rests on: its class weights, faded where the pool fades, summed by class."""
    total = 0.0
    for k in range(pool.K):
        total += class_weight(pool, e, node, k)
    return total


@kernel
def log_density(pool: Header, slot: int, k: int, f: int, x: float) -> float:
    """Log p(x_f = x | k) up to nothing: river adds 0 where it has no density."""
    c = at.nominal(pool)[f]
    if c >= 0:
        entry = find(pool, at.heads(pool)[slot, c, k + 1], x)
        total = at.moments(pool)[slot, k, f, WEIGHT]
        if entry < 0 or total == 0.0:
            return 0.0
        share = at.entries(pool)[entry].weight / total
        return math.log(share) if share > 0.0 else 0.0
    scale = at.moments(pool)[slot, k, f, SCALE]
    if scale == 0.0:
        return 0.0
    away = x - at.moments(pool)[slot, k, f, MEAN]
    density = away * away / scale - HALF_LOG_TAU - at.moments(pool)[slot, k, f, NORM]
    return density if density > -math.inf else 0.0


@kernel
def log_votes(pool: Header, e: int, node: int, x: Row, total: float, votes: Row) -> None:
    """Naive Bayes: the unnormalised log posterior of the i-th class of the leaf into votes[i].

    A class of weight 0 gets a vote of 0, which often wins. That is river's, and kept.
    """
    leaf = at.nodes(pool)[e, node]
    slot = leaf.slot
    event = at.row(x, pool.F)
    vote = at.row(votes, leaf.n_classes)
    for i in range(leaf.n_classes):
        k = at.order(pool)[e, node, i]
        weight = at.counts(pool)[e, node, k]
        belief = 0.0
        if weight > 0.0:
            belief = math.log(weight / total)
            for j in range(at.n_observed(pool)[slot]):
                f = at.observed(pool)[slot, j]
                if not math.isnan(event[f]):
                    belief += log_density(pool, slot, k, f, event[f])
        vote[i] = belief


@kernel
def normalise(votes: Row, n: int) -> None:
    """Log votes to probabilities by log-sum-exp, in place."""
    vote = at.row(votes, n)
    highest = vote[0]
    for i in range(1, n):
        highest = max(highest, vote[i])
    total = 0.0
    for i in range(n):
        total += math.exp(vote[i] - highest)
    total = highest + math.log(total)
    for i in range(n):
        vote[i] = math.exp(vote[i] - total)


@kernel
def bayes_choice(votes: Row, n: int) -> int:
    """Which class of the leaf has the highest probability, the first of equals; votes may come back
    normalised.
    """
    vote = at.row(votes, n)
    best = 0
    for i in range(1, n):
        if vote[i] > vote[best]:
            best = i
    for i in range(n):
        if i != best and vote[best] - vote[i] < CLOSE:
            normalise(votes, n)
            best = 0
            for j in range(1, n):
                if vote[j] > vote[best]:
                    best = j
            return best
    return best


@kernel
def majority_choice(pool: Header, e: int, node: int, total: float) -> int:
    """Which class of the leaf weighs most, the first of equals."""
    factor = 1.0 / total if total != 0.0 else 1.0
    best = 0
    highest = -math.inf
    for i in range(at.nodes(pool)[e, node].n_classes):
        # Scaled before they are compared, for two weights may round to one probability.
        share = class_weight(pool, e, node, at.order(pool)[e, node, i]) * factor
        if share > highest:
            highest = share
            best = i
    return best


@kernel
def uses_bayes(pool: Header, e: int, node: int, total: float) -> bool:
    """Whether the leaf answers by Naive Bayes."""
    leaf = at.nodes(pool)[e, node]
    mode = at.trees(pool)[e].leaf_mode
    if leaf.slot < 0:
        return False
    if mode == ADAPTIVE:
        return bool(leaf.nb_correct >= leaf.mc_correct)
    return bool(mode == BAYES and total >= at.trees(pool)[e].nb_threshold)


@kernel
def predict_leaf(pool: Header, e: int, node: int, x: Row, votes: Row, out: Row) -> bool:
    """The class probabilities of a leaf into the row `out` [K], zeros where it has none. True: `votes` holds
    its log votes.
    """
    n = at.nodes(pool)[e, node].n_classes
    share = at.row(out, at.counters(pool)[N_CLASSES])
    vote = at.row(votes, n)
    share[:] = 0.0
    total = total_weight(pool, e, node)
    if uses_bayes(pool, e, node, total):
        if n == 0 or total == 0.0:
            return False
        log_votes(pool, e, node, x, total, votes)
        highest = vote[0]
        for i in range(1, n):
            highest = max(highest, vote[i])
        norm = 0.0
        for i in range(n):
            norm += math.exp(vote[i] - highest)
        norm = highest + math.log(norm)
        for i in range(n):
            share[at.order(pool)[e, node, i]] = math.exp(vote[i] - norm)
        return True
    if pool.fading > 0:
        total = support(pool, e, node)
    factor = 1.0 / total if total != 0.0 else 1.0
    for i in range(n):
        k = at.order(pool)[e, node, i]
        share[k] = class_weight(pool, e, node, k) * factor
    return False


@kernel
def list_consulted(pool: Header, e: int, node: int, x: Row) -> None:
    """List the leaf's classes with every category observer that Naive Bayes consults.

    river looks a class up in a defaultdict, so a prediction changes its observers' order, and by it the order
    in which later sums run. Here predicting changes nothing and learning does it, as if each event was
    predicted first.
    """
    leaf = at.nodes(pool)[e, node]
    event = at.row(x, pool.F)
    for i in range(leaf.n_classes):
        k = at.order(pool)[e, node, i]
        if at.counts(pool)[e, node, k] > 0.0:
            for j in range(at.n_observed(pool)[leaf.slot]):
                f = at.observed(pool)[leaf.slot, j]
                if (
                    at.nominal(pool)[f] >= 0
                    and not math.isnan(event[f])
                    and at.moments(pool)[leaf.slot, k, f, LISTED] == 0.0
                ):
                    list_class(pool, leaf.slot, f, k)


@kernel
def keep_score(pool: Header, e: int, node: int, x: Row, y: int, w: float, votes: Row, voted: bool) -> None:
    """Before an adaptive leaf learns: which of its two ways would have been right. `voted`: see
    `predict_leaf`.
    """
    leaf = at.nodes(pool)[e, node]
    total = total_weight(pool, e, node)
    if leaf.n_classes == 0:
        leaf.mc_correct += w
        return
    if at.order(pool)[e, node, majority_choice(pool, e, node, total)] == y:
        leaf.mc_correct += w
    if total == 0.0:
        return
    if not voted:
        log_votes(pool, e, node, x, total, votes)
    if at.order(pool)[e, node, bayes_choice(votes, leaf.n_classes)] == y:
        leaf.nb_correct += w
