"""An adaptive random forest: online bagging, a drift detector per tree, and a background tree to take over."""

from tocsin.kernels.hoeffding.forest.learning import learn
from tocsin.kernels.hoeffding.forest.members import extend_subspaces, start
from tocsin.kernels.hoeffding.forest.state import ACCURACY, COUNTERS, MEMBER, RULES, Forest, ForestState
from tocsin.kernels.hoeffding.forest.voting import evidence, vote_weights

__all__ = [
    "ACCURACY",
    "COUNTERS",
    "MEMBER",
    "RULES",
    "Forest",
    "ForestState",
    "evidence",
    "extend_subspaces",
    "learn",
    "start",
    "vote_weights",
]
