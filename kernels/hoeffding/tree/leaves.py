"""What a leaf predicts: by majority, by naive Bayes, or by whichever of the two was right more often in this leaf."""

from __future__ import annotations

import math

from tocsin.kernels.common.addresses import Address, floats_at
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import (
    ADAPTIVE,
    BAYES,
    LISTED,
    MEAN,
    N_CLASSES,
    NORM,
    SCALE,
    WEIGHT,
    Header,
)
from tocsin.kernels.hoeffding.pool.slots import find_entry
from tocsin.kernels.hoeffding.tree.observers import list_class

HALF_LOG_TAU = 0.5 * math.log(math.tau)
CLOSE = 1e-9
"""Log votes nearer to each other than this may round to equal probabilities. There the probabilities decide, as in
river."""


@kernel
def total_weight(pool: Header, e: int, node: int) -> float:
    """The class weights of a node, summed in order of arrival."""
    total = 0.0
    for i in range(views.nodes(pool)[e, node].n_classes):
        total += views.counts(pool)[e, node, views.order(pool)[e, node, i]]
    return total


@kernel
def class_weight(pool: Header, e: int, node: int, k: int) -> float:
    """The weight of a class in a leaf, faded where the pool fades."""
    return float(views.faded(pool)[e, node, k] if pool.fading > 0 else views.counts(pool)[e, node, k])


@kernel
def support(pool: Header, e: int, node: int) -> float:
    """The weight that a leaf's prediction rests on: its class weights, faded where the pool fades, summed by class."""
    total = 0.0
    for k in range(pool.K):
        total += class_weight(pool, e, node, k)
    return total


@kernel
def log_density(pool: Header, slot: int, k: int, f: int, x: float) -> float:
    """log p(x_f = x | k), or 0 where there is no density, as river has it."""
    c = views.nominal(pool)[f]
    if c >= 0:
        entry = find_entry(pool, views.heads(pool)[slot, c, k + 1], x)
        total = views.moments(pool)[slot, k, f, WEIGHT]
        if entry < 0 or total == 0.0:
            return 0.0
        share = views.entries(pool)[entry].weight / total
        return math.log(share) if share > 0.0 else 0.0
    scale = views.moments(pool)[slot, k, f, SCALE]
    if scale == 0.0:
        return 0.0
    away = x - views.moments(pool)[slot, k, f, MEAN]
    density = away * away / scale - HALF_LOG_TAU - views.moments(pool)[slot, k, f, NORM]
    return density if density > -math.inf else 0.0


@kernel
def log_votes(pool: Header, e: int, node: int, x: Address, total: float, votes: Address) -> None:
    """Naive Bayes: write the unnormalised log posterior of the leaf's i-th class to votes[i].

    A class of weight 0 gets a vote of 0, which often wins. River does so, and it is kept.
    """
    n_classes = views.nodes(pool)[e, node].n_classes
    slot = views.nodes(pool)[e, node].slot
    event = floats_at(x, pool.F)
    vote = floats_at(votes, n_classes)
    for i in range(n_classes):
        k = views.order(pool)[e, node, i]
        weight = views.counts(pool)[e, node, k]
        belief = 0.0
        if weight > 0.0:
            belief = math.log(weight / total)
            for j in range(views.n_observed(pool)[slot]):
                f = views.observed(pool)[slot, j]
                if not math.isnan(event[f]):
                    belief += log_density(pool, slot, k, f, event[f])
        vote[i] = belief


@kernel
def log_sum_exp(votes: Address, n: int) -> float:
    """log(sum(exp(votes[i]))) of n votes."""
    vote = floats_at(votes, n)
    highest = vote[0]
    for i in range(1, n):
        highest = max(highest, vote[i])
    total = 0.0
    for i in range(n):
        total += math.exp(vote[i] - highest)
    return float(highest + math.log(total))


@kernel
def first_largest(votes: Address, n: int) -> int:
    """Where the largest of n votes stands, the first of equals."""
    vote = floats_at(votes, n)
    best = 0
    for i in range(1, n):
        if vote[i] > vote[best]:
            best = i
    return best


@kernel
def bayes_choice(votes: Address, n: int) -> int:
    """Which class of the leaf has the highest probability, the first of equals.

    Where votes are close they come back as probabilities.
    """
    vote = floats_at(votes, n)
    best = first_largest(votes, n)
    for i in range(n):
        if i != best and vote[best] - vote[i] < CLOSE:
            norm = log_sum_exp(votes, n)
            for j in range(n):
                vote[j] = math.exp(vote[j] - norm)
            return first_largest(votes, n)
    return best


@kernel
def majority_choice(pool: Header, e: int, node: int, total: float) -> int:
    """Which class of the leaf weighs most, the first of equals."""
    factor = 1.0 / total if total != 0.0 else 1.0
    best = 0
    highest = -math.inf
    for i in range(views.nodes(pool)[e, node].n_classes):
        # River compares probabilities, and two weights may round to the same one.
        share = class_weight(pool, e, node, views.order(pool)[e, node, i]) * factor
        if share > highest:
            highest = share
            best = i
    return best


@kernel
def uses_bayes(pool: Header, e: int, node: int, total: float) -> bool:
    """Whether the leaf predicts by naive Bayes."""
    leaf = views.nodes(pool)[e, node]
    mode = views.trees(pool)[e].leaf_mode
    if leaf.slot < 0:
        return False
    if mode == ADAPTIVE:
        return bool(leaf.nb_correct >= leaf.mc_correct)
    return bool(mode == BAYES and total >= views.trees(pool)[e].nb_threshold)


@kernel
def predict_leaf(pool: Header, e: int, node: int, x: Address, votes: Address, out: Address) -> bool:
    """Write the class probabilities of a leaf to the row `out` [K], zeros where it has none.

    Returns whether `votes` holds the leaf's log votes now.
    """
    n = views.nodes(pool)[e, node].n_classes
    share = floats_at(out, views.counters(pool)[N_CLASSES])
    vote = floats_at(votes, n)
    share[:] = 0.0
    total = total_weight(pool, e, node)
    if uses_bayes(pool, e, node, total):
        if n == 0 or total == 0.0:
            return False
        log_votes(pool, e, node, x, total, votes)
        norm = log_sum_exp(votes, n)
        for i in range(n):
            share[views.order(pool)[e, node, i]] = math.exp(vote[i] - norm)
        return True
    if pool.fading > 0:
        total = support(pool, e, node)
    factor = 1.0 / total if total != 0.0 else 1.0
    for i in range(n):
        k = views.order(pool)[e, node, i]
        share[k] = class_weight(pool, e, node, k) * factor
    return False


@kernel
def list_consulted_classes(pool: Header, e: int, node: int, x: Address) -> None:
    """List the leaf's classes with every nominal observer that naive Bayes looks them up in.

    River looks a class up in a defaultdict. A prediction thereby changes the order of an observer's classes, in which
    later sums run. Here predicting changes nothing, and learning lists the classes as if each event were predicted
    first.
    """
    leaf = views.nodes(pool)[e, node]
    slot = leaf.slot
    event = floats_at(x, pool.F)
    for i in range(leaf.n_classes):
        k = views.order(pool)[e, node, i]
        if views.counts(pool)[e, node, k] > 0.0:
            for j in range(views.n_observed(pool)[slot]):
                f = views.observed(pool)[slot, j]
                if (
                    views.nominal(pool)[f] >= 0
                    and not math.isnan(event[f])
                    and views.moments(pool)[slot, k, f, LISTED] == 0.0
                ):
                    list_class(pool, slot, f, k)


@kernel
def score_both_ways(pool: Header, e: int, node: int, x: Address, y: int, w: float, votes: Address, voted: bool) -> None:
    """Before an adaptive leaf learns, count by weight which of its two ways of predicting would have been right.

    `voted` says that `votes` holds the leaf's log votes for x; see `predict_leaf`.
    """
    leaf = views.nodes(pool)[e, node]
    total = total_weight(pool, e, node)
    if leaf.n_classes == 0:
        leaf.mc_correct += w
        return
    if views.order(pool)[e, node, majority_choice(pool, e, node, total)] == y:
        leaf.mc_correct += w
    if total == 0.0:
        return
    if not voted:
        log_votes(pool, e, node, x, total, votes)
    if views.order(pool)[e, node, bayes_choice(votes, leaf.n_classes)] == y:
        leaf.nb_correct += w
