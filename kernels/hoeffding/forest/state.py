"""What an adaptive forest consists of, and the settings of the whole forest.

Each of T members has two rows in a pool of 2T Hoeffding trees: the front tree, which votes, and the background tree,
which grows while the member's errors look as if they rise (a warning), and which takes over when they surely do (a
drift).

Sources: Gomes et al., "Adaptive random forests for evolving data stream classification", Machine Learning 106, 2017;
Oza & Russell, "Online bagging and boosting", 2001; Bifet, Holmes & Pfahringer, "Leveraging bagging for evolving data
streams", 2010 (Poisson weights of mean 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tocsin.kernels.hoeffding.pool.layout import Floats, Pool, Records

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
"""`front` and `back` are the member's rows in the pool, and the second is in use while `growing`. `missed` is whether
the front tree was wrong about the event at hand; `since` is the event with which the front tree began."""

ACCURACY = np.dtype([("right", "f8"), ("seen", "f8")])
"""The prequential accuracy of a tree: fading counts of the events that it predicted, and predicted rightly."""

COUNTERS = np.dtype([("learnt", "i8"), ("births", "i8")])
"""Events learnt, and trees begun."""

RULES = np.dtype(
    [
        ("seed", "i8"),
        ("warning", "f8"),
        ("drift", "f8"),
        ("fade", "f8"),
        ("share", "f8"),
        ("vote_power", "f8"),
        ("weight_per_event", "f8"),
        ("strength", "f8"),
        ("adapts", "i1"),
    ],
    align=True,
)
"""The settings of the whole forest. `warning` and `drift` are ADWIN's delta. `fade` is how fast the accuracy of a tree
forgets. `share` is the share of the features that each tree may use (1: all of them). A vote weighs accuracy **
`vote_power`. `weight_per_event` is the weight in a leaf that one independent event is worth, and `strength` the most
pseudo-counts of an answer. `adapts` is 0 where trees are never replaced."""


class ForestState(NamedTuple):
    """What a forest has besides its trees, as the kernels take it; see `Forest`."""

    members: Records
    accuracy: Records
    windows: Records
    counters: Records
    rules: Records
    table: Floats


@dataclass(frozen=True, eq=False)
class Forest:
    """T members. `learn` returns the pool that goes on, because a pool that grows is a new one."""

    pool: Pool
    """2T trees."""
    members: Records
    """MEMBER [T]"""
    accuracy: Records
    """ACCURACY [2T], by row of the pool."""
    windows: Records
    """adwin.WINDOW [2T]: of member t the warning's (2t) and the drift's (2t + 1)."""
    counters: Records
    """COUNTERS [1]"""
    rules: Records
    """RULES [1]"""
    table: Floats
    """`draws.poisson_table` of the bagging weights."""

    @property
    def state(self) -> ForestState:
        """All but the pool; the kernels change these arrays in place."""
        return ForestState(self.members, self.accuracy, self.windows, self.counters, self.rules, self.table)
