"""The hyperparameters of one tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tocsin.kernels.hoeffding.pool.layout import CRITERIA, LEAF_MODES, Pool


@dataclass(frozen=True)
class HoeffdingSettings:
    """The hyperparameters of one tree, under river's names.

    Two are not river's. `leaf_fading_factor` multiplies a leaf's `faded` class weights at each of its events; 1 keeps
    no such weights. `subspace` is the share of the features that each leaf observes, drawn from the tree's `key`
    when the leaf is made (Gomes et al. 2017); 1 draws nothing.
    """

    grace_period: float = 200
    max_depth: int | None = None
    split_criterion: str = "info_gain"
    delta: float = 1e-7
    tau: float = 0.05
    leaf_prediction: str = "nba"
    nb_threshold: float = 0
    n_splits: int = 10
    binary_split: bool = False
    min_branch_fraction: float = 0.01
    max_share_to_split: float = 0.99
    max_size: float = 100.0
    memory_estimate_period: float = 1_000_000
    stop_mem_management: bool = False
    remove_poor_attrs: bool = False
    merit_preprune: bool = True
    leaf_fading_factor: float = 1.0
    subspace: float = 1.0


DEEPEST = 2**31
"""The depth limit that stands for "none". (River's own limit is Python's recursion limit less 20; nothing recurses
here.)"""


def configure(pool: Pool, e: int, settings: HoeffdingSettings) -> None:
    """Give tree `e` its hyperparameters; what it has learnt stays.

    Raises ValueError where a hyperparameter is out of its range.
    """
    if settings.split_criterion not in CRITERIA:
        raise ValueError(f"split_criterion {settings.split_criterion!r} is not one of {CRITERIA}")
    if settings.leaf_prediction not in LEAF_MODES:
        raise ValueError(f"leaf_prediction {settings.leaf_prediction!r} is not one of {LEAF_MODES}")
    if not 0.0 < settings.delta <= 1.0:
        raise ValueError(f"delta {settings.delta} is not in (0, 1]")
    if not 0.0 < settings.leaf_fading_factor <= 1.0:
        raise ValueError(f"leaf_fading_factor {settings.leaf_fading_factor} is not in (0, 1]")
    if settings.n_splits < 1:
        raise ValueError(f"n_splits {settings.n_splits} is below 1")
    if not settings.memory_estimate_period > 0:
        raise ValueError(f"memory_estimate_period {settings.memory_estimate_period} is not above 0")
    tree = pool.trees[e]
    for name in (
        "grace_period",
        "delta",
        "tau",
        "nb_threshold",
        "min_branch_fraction",
        "max_share_to_split",
        "memory_estimate_period",
        "subspace",
        "n_splits",
        "binary_split",
        "stop_mem_management",
        "remove_poor_attrs",
        "merit_preprune",
    ):
        tree[name] = getattr(settings, name)
    tree["fade"] = settings.leaf_fading_factor
    tree["max_depth"] = DEEPEST if settings.max_depth is None else settings.max_depth
    tree["max_bytes"] = settings.max_size * 2**20
    tree["leaf_mode"] = LEAF_MODES.index(settings.leaf_prediction)
    tree["criterion"] = CRITERIA.index(settings.split_criterion)


def clear_state(tree: Any) -> None:
    """Give a TREE record the state of a tree that has learnt nothing; its hyperparameters stay."""
    for name in (
        "key",
        "n_nodes",
        "n_active",
        "n_inactive",
        "deepest",
        "weight_seen",
        "active_bytes",
        "inactive_bytes",
    ):
        tree[name] = 0
    tree["growth_allowed"] = 1
    tree["overhead"] = 1.0
