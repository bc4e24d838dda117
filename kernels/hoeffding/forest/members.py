"""How the trees of a forest begin and are replaced."""

from __future__ import annotations

from tocsin.kernels.common import draws
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.forest import adwin
from tocsin.kernels.hoeffding.forest.state import Forest, ForestState
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.layout import N_FEATURES, Header
from tocsin.kernels.hoeffding.pool.reset import reset_tree

SUBSPACES, KEYS = -1, -2
"""The streams of draws for the features of a tree and for the keys of new trees. Bagging weights are drawn from the
streams 0 to T - 1, one per member."""


@kernel
def choose_features(pool: Header, e: int, share: float) -> None:
    """Draw the features that a tree may use, at least one."""
    n = views.counters(pool)[N_FEATURES]
    mask = views.mask(pool)[e]
    mask[:] = 1
    if share < 1.0:
        draws.choose(views.trees(pool)[e].key, SUBSPACES, max(1, round(share * n)), mask[:n])


@kernel
def start_tree(pool: Header, e: int, forest: ForestState) -> None:
    """Begin a new tree in a row of the pool."""
    birth = forest.counters[0].births
    forest.counters[0].births += 1
    reset_tree(pool, e, int(draws.bits(forest.rules[0].seed, KEYS, birth) >> draws.S11))
    choose_features(pool, e, forest.rules[0].share)
    forest.accuracy[e].right = 0.0
    forest.accuracy[e].seen = 0.0


@kernel
def detect_drift(pool: Header, forest: ForestState, t: int) -> None:
    """Show a member's detectors whether its front tree was wrong.

    A warning begins a tree in the background, and a drift lets that tree (or a new one) take over.
    """
    member, windows, rules = forest.members[t], forest.windows, forest.rules[0]
    missed = float(member.missed)
    if adwin.update_and_test_rise(windows, 2 * t, missed, rules.warning):
        member.warnings += 1
        member.growing = 1
        start_tree(pool, member.back, forest)
        adwin.clear(windows, 2 * t)
    if adwin.update_and_test_rise(windows, 2 * t + 1, missed, rules.drift):
        member.drifts += 1
        if member.growing == 0:
            start_tree(pool, member.back, forest)
        front = member.front
        member.front = member.back
        member.back = front
        member.growing = 0
        member.since = forest.counters[0].learnt
        # The observers of the old tree return to the pool at once.
        reset_tree(pool, front, 0)
        adwin.clear(windows, 2 * t)
        adwin.clear(windows, 2 * t + 1)


@kernel
def start_front_trees(pool: Header, forest: ForestState) -> None:
    """The loop of `start`."""
    for t in range(forest.members.size):
        start_tree(pool, forest.members[t].front, forest)


@kernel
def draw_new_columns(pool: Header, forest: ForestState, old: int) -> None:
    """The loop of `extend_subspaces`."""
    n = views.counters(pool)[N_FEATURES]
    share = forest.rules[0].share
    for e in range(pool.E):
        mask = views.mask(pool)[e]
        if views.trees(pool)[e].n_nodes == 0:
            choose_features(pool, e, share)
            continue
        for f in range(old, n):
            mask[f] = 1 if draws.uniform(views.trees(pool)[e].key, SUBSPACES, f) < share else 0


def start(forest: Forest) -> None:
    """Begin the first tree of every member, in empty rows of the pool."""
    start_front_trees(forest.pool.header, forest.state)


def extend_subspaces(forest: Forest, old: int) -> None:
    """Draw which trees may use the columns from `old` on, which `resize` added to the pool."""
    draw_new_columns(forest.pool.header, forest.state, old)
