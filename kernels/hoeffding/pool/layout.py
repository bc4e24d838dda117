"""How a pool of E Hoeffding trees lies in memory: its arrays, their dtypes, and the class that holds them.

Nodes stand in one row per tree, [E, N]. Node numbers belong to one tree, and node 0 is its root; they depend neither
on the other trees nor on how events were cut into batches. A tree can therefore be emptied by its row alone, and a
node is so small that the unused ends of rows cost little.

Observers are what costs memory: the Gaussian moments of every class and feature take kilobytes per leaf. They stand in
*slots* that all trees share, [S, ...]. A slot belongs to one active leaf, and returns to the free slots when that leaf
splits or is deactivated. Slot numbers depend on the order of work, so nothing outside the pool shows them: `snapshot`
writes slots in the order of their leaves.

K, F and N are capacities here. They grow geometrically (`capacity.resize`, and `tree.learning.learn` when it runs out
of room).

Sources: Domingos & Hulten, KDD 2000 (Hoeffding trees); Gama, Rocha & Medas, KDD 2003 (naive Bayes leaves);
Kirkby 2007 (memory management). The oracle is river 0.26.1's `HoeffdingTreeClassifier`: every sum runs in its order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Bytes = NDArray[np.int8]
Records = NDArray[Any]

CRITERIA = ("info_gain", "gini", "hellinger")
INFO_GAIN, GINI, HELLINGER = range(3)
LEAF_MODES = ("mc", "nb", "nba")
MAJORITY, BAYES, ADAPTIVE = range(3)
LEAF, NUMERIC, NOMINAL_BINARY, NOMINAL_MULTIWAY = range(4)
"""Kinds of node. A branch's `value` is the threshold (left: x <= value) or the category (left: x == value)."""

WEIGHT, MEAN, SQUARES, LOWEST, HIGHEST, SCALE, NORM, LISTED = range(8)
"""The columns that a slot keeps for one class and feature.

Of a number: Welford's moments (WEIGHT, MEAN, SQUARES), the range (LOWEST, HIGHEST), and for naive Bayes SCALE = -2
variance (0 while there is no density) and NORM = log(variance) / 2. Of a category: WEIGHT is the sum of the class's
weights. LISTED says whether the class has its place in the observer's order."""
MOMENTS = 8

TREE = np.dtype(
    [
        ("grace_period", "f8"),
        ("delta", "f8"),
        ("tau", "f8"),
        ("nb_threshold", "f8"),
        ("min_branch_fraction", "f8"),
        ("max_share_to_split", "f8"),
        ("max_bytes", "f8"),
        ("memory_estimate_period", "f8"),
        ("fade", "f8"),
        ("subspace", "f8"),
        ("max_depth", "i8"),
        ("n_splits", "i8"),
        ("leaf_mode", "i1"),
        ("criterion", "i1"),
        ("binary_split", "i1"),
        ("stop_mem_management", "i1"),
        ("remove_poor_attrs", "i1"),
        ("merit_preprune", "i1"),
        # The fields above are hyperparameters, those below are state.
        ("key", "i8"),
        ("growth_allowed", "i1"),
        ("n_nodes", "i4"),
        ("n_active", "i4"),
        ("n_inactive", "i4"),
        ("deepest", "i4"),
        ("weight_seen", "f8"),
        ("active_bytes", "f8"),
        ("inactive_bytes", "f8"),
        ("overhead", "f8"),
    ],
    align=True,
)
"""One tree: its hyperparameters, then its state. `key` seeds the draws of its leaves' subspaces; `deepest` is the depth
of its deepest leaf; `active_bytes`, `inactive_bytes` and `overhead` are river's estimates of its size."""

NODE = np.dtype(
    [
        ("kind", "i4"),
        ("feature", "i4"),
        ("value", "f8"),
        ("first", "i4"),
        ("last", "i4"),
        ("next", "i4"),
        ("slot", "i4"),
        ("parent", "i4"),
        ("depth", "i4"),
        ("n_classes", "i4"),
        ("edge", "f8"),
        ("attempted_at", "f8"),
        ("mc_correct", "f8"),
        ("nb_correct", "f8"),
    ],
    align=True,
)
"""One node. `first`, `last` and `next` link a branch to its children in order (of a binary branch: left, right).
`edge` is the category by which a multiway branch reaches this node. `slot` is -1 where a leaf is inactive."""

ENTRY = np.dtype([("value", "f8"), ("weight", "f8"), ("next", "i4")], align=True)
"""One category that a leaf has seen. Entries are linked in order of appearance, into one list per class and one for the
whole observer."""

FREE_SLOTS, FREE_ENTRY, N_FREE_ENTRIES, N_CLASSES, N_FEATURES, N_NOMINAL, MOST_VALUES, NEGATIVE, POSITIVE = range(9)
"""Numbers of the whole pool, by their place in `Pool.counters`: free slots; the first free entry and how many entries
are free; classes, features and nominal features in use; the most categories that any observer has seen; and the
classes that river's Hellinger distance calls negative and positive (-1: none)."""
SAVED_COUNTERS = 9
"""The counters that a snapshot has; those behind them say what changed since a pool began to be watched."""
N_TAUGHT, N_SWITCHED = range(9, 11)
"""How many lessons `Pool.taught` was told of, and how often a leaf lost its observers or got new ones."""
COUNTERS = 11
TAUGHT_TREE, TAUGHT_NODE, TAUGHT_CLASS = range(3)
"""The columns of `Pool.taught`."""

ARRAYS = (
    "trees",
    "nodes",
    "counts",
    "order",
    "faded",
    "disabled",
    "mask",
    "moments",
    "observed",
    "n_observed",
    "classes",
    "n_seen",
    "heads",
    "n_values",
    "entries",
    "free_slots",
    "counters",
    "nominal",
    "class_key",
    "coded",
    "value_key",
    "taken",
    "taught",
)
SIZES = ("E", "N", "K", "F", "S", "C", "M", "V", "fading", "lessons")
"""The sizes that a header holds: E trees, N nodes, K classes, F features, S slots, C nominal features, M entries, V
category codes, the nodes of `faded`, and the lessons that `taught` has room for."""
HEADER = np.dtype([(name, "i8") for name in ARRAYS + SIZES])
Header = Any
"""A HEADER record: where the arrays of a pool stand and how large they are; see `views`."""


@dataclass(frozen=True, eq=False)
class Pool:
    """E trees. A pool never grows in place: more room makes a new pool."""

    trees: Records
    """TREE [E]: hyperparameters and state of each tree."""
    nodes: Records
    """NODE [E, N]."""
    counts: Floats
    """[E, N, K], the class weights of a node; a branch keeps the ones that it had when it split."""
    order: Ints
    """[E, N, K], the first n_classes are the node's classes in order of arrival."""
    faded: Floats
    """[E, N, K], class weights that are multiplied by the tree's `fade` at every event of the leaf; N is 0 where no
    tree fades.
    """
    disabled: Bytes
    """[E, N, F], the features that a leaf does not observe: those outside its subspace, and poor ones it gave up."""
    mask: Bytes
    """[E, F], the features a tree may use (random subspaces)."""
    moments: Floats
    """[S, K, F, MOMENTS], what the observers keep of every class and feature."""
    observed: Ints
    """[S, F], the first n_observed are the slot's features in order of arrival."""
    n_observed: Ints
    """[S]."""
    classes: Ints
    """[S, F, K], the first n_seen are the observer's classes in order of arrival."""
    n_seen: Ints
    """[S, F]."""
    heads: Ints
    """[S, C, K + 1] for C nominal features: the first entry of the observer's list (0) and of each class's (k + 1), or
    -1 for an empty list.
    """
    n_values: Ints
    """[S, C], how many categories an observer has seen."""
    entries: Records
    """ENTRY [M], the entries of all lists of categories, and the free ones."""
    free_slots: Ints
    """[S], a stack whose first `counters[FREE_SLOTS]` numbers are the free slots."""
    counters: NDArray[np.int64]
    """[COUNTERS], numbers of the whole pool."""
    nominal: Ints
    """[F], a feature's number among the nominal ones, or -1."""
    class_key: Ints
    """[K], how classes sort."""
    coded: Bytes
    """[C], whether a nominal feature's values are codes 0, 1, ... which sort by `value_key`."""
    value_key: Floats
    """[C, V], how the codes of a nominal feature sort."""
    taken: NDArray[np.int64]
    """[S], how often a slot was taken: it tells what a slot holds from what it held for another leaf."""
    taught: Ints
    """[R, 3], the last R lessons, in turn: the tree, the leaf and the class. R is 0 where nobody watches the pool."""
    header: Header = field(init=False, repr=False)

    def __post_init__(self) -> None:
        header = np.zeros(1, HEADER)
        for name in ARRAYS:
            array = getattr(self, name)
            if not array.flags.c_contiguous:
                raise ValueError(f"the pool's array {name} is not contiguous")
            # This way to the address takes half a microsecond, `array.ctypes` takes several.
            header[name] = array.__array_interface__["data"][0]
        E, N, K = self.counts.shape
        S, C = self.n_values.shape
        F, M, V, fading = self.mask.shape[1], self.entries.size, self.value_key.shape[1], self.faded.shape[1]
        sizes = (E, N, K, F, S, C, M, V, fading, len(self.taught))
        for name, size in zip(SIZES, sizes, strict=True):
            header[name] = size
        object.__setattr__(self, "header", header[0])

    def replaced(self, **arrays: NDArray[Any]) -> Pool:
        """A pool in which these arrays stand in the place of their namesakes."""
        return replace(self, **arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        # The arrays of a copy stand at other addresses, so its header must be made anew.
        return Pool, tuple(getattr(self, name) for name in ARRAYS)
