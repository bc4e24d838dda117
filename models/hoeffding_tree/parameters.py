"""A tree's parameters, under river's names, and the settings of the kernel that they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tocsin.kernels import hoeffding
from tocsin.models.data.snapshot import SnapshotError

if TYPE_CHECKING:
    from river.tree.splitter import GaussianSplitter

NAMES = (
    "grace_period",
    "max_depth",
    "split_criterion",
    "delta",
    "tau",
    "leaf_prediction",
    "nb_threshold",
    "binary_split",
    "min_branch_fraction",
    "max_share_to_split",
    "max_size",
    "memory_estimate_period",
    "stop_mem_management",
    "remove_poor_attrs",
    "merit_preprune",
)
"""The parameters that river and the kernel call alike."""
FIXED = (
    "max_depth",
    "criterion",
    "leaf_mode",
    "nb_threshold",
    "n_splits",
    "binary_split",
    "min_branch_fraction",
    "max_share_to_split",
    "max_bytes",
    "memory_estimate_period",
    "stop_mem_management",
    "remove_poor_attrs",
    "merit_preprune",
)
"""The kernel's names of the parameters that a snapshot and the tree that takes it over must share."""
DEFAULT_SPLITS = 10
"""How many splits of a number are tried where no splitter is given; river's own default."""


class Mutable:
    """A parameter that may be changed while the tree grows, as river's `mutate` does.

    The tree's `_mutate` is told the new value, and takes it back by raising ValueError.
    """

    def __init__(self, description: str) -> None:
        self.__doc__ = description

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, tree: Any, owner: type) -> Any:
        return self if tree is None else tree._mutables[self._name]

    def __set__(self, tree: Any, value: Any) -> None:
        tree._mutate(self._name, value)


def check_splitter(splitter: object) -> None:
    """Raises ValueError for a splitter that the kernel does not have."""
    if splitter is None:
        return
    # river's trees load pandas and scikit-learn, which takes two seconds: only for those who have loaded them already.
    from river.tree.splitter import GaussianSplitter

    if not isinstance(splitter, GaussianSplitter):
        raise ValueError("only river's GaussianSplitter is supported")


def gaussian_splitter(n_splits: int) -> GaussianSplitter:
    """River's splitter that tries so many splits of a number."""
    from river.tree.splitter import GaussianSplitter

    return GaussianSplitter(n_splits)


def kernel_settings(tree: Any) -> hoeffding.HoeffdingSettings:
    """The kernel's settings for the parameters of a tree, which are its attributes."""
    n_splits = DEFAULT_SPLITS if tree.splitter is None else tree.splitter.n_splits
    return hoeffding.HoeffdingSettings(n_splits=n_splits, **{name: getattr(tree, name) for name in NAMES})


def check_same(mine: hoeffding.Pool, saved: hoeffding.Pool) -> None:
    """Raises SnapshotError where a saved tree was grown with other parameters that may not change."""
    for name in FIXED:
        if saved.trees[name][0] != mine.trees[name][0]:
            raise SnapshotError(f"{name} is {saved.trees[name][0]} in the snapshot, {mine.trees[name][0]} here")
