"""A pool of E Hoeffding trees as flat arrays.

Nodes stand in one row a tree, [E, N]: a tree's node numbers are its own, 0 is its root, and they never depend
on what the other trees do or on how a batch was cut. So `leaf_ids` can be kept, a tree is reset, swapped or
copied by its row, and the few bytes of a node make the unused ends of the rows cheap. Observers (the Gaussian
moments of every class and feature, kilobytes a leaf) are what costs, so they stand in *slots* shared by the
whole pool, [S, ...]: a slot belongs to one active leaf and goes back to the free ones when the leaf splits or
is deactivated. Slot numbers do depend on the order of work, so nothing outside shows them: `snapshot` writes
slots in the order of their leaves.

K, F and N here are capacities. They grow geometrically (`resize`, and `learn` when it runs out of room).
Sources: Domingos & Hulten, KDD 2000 (Hoeffding trees); Gama, Rocha & Medas, KDD 2003 (Naive Bayes leaves);
Kirkby 2007 (memory management). The oracle is river 0.26.1's `HoeffdingTreeClassifier`; every sum runs in its
order.
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
"""Kinds of node. `value` is the threshold (left: x <= value) or the category (left: x == value)."""

WEIGHT, MEAN, SQUARES, LOWEST, HIGHEST, SCALE, NORM, LISTED = range(8)
"""What a slot keeps of one class and feature: Welford's moments, the range, and for Naive Bayes SCALE = -2
variance (0 where there is no density yet) and NORM = log(variance) / 2. Of a category: WEIGHT is the class's
sum, and LISTED whether the class already has its place in the observer's order."""
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
        # What follows is state.
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
"""`first`, `last` and `next` link a branch to its children in order (a binary branch: left, right); `edge` is
the category by which a multiway branch reaches this node; `slot` is -1 where a leaf is inactive."""

ENTRY = np.dtype([("value", "f8"), ("weight", "f8"), ("next", "i4")], align=True)
"""One category seen in a leaf, in a list by order of appearance: of one class, or of the whole observer."""

FREE_SLOTS, FREE_ENTRY, N_FREE_ENTRIES, N_CLASSES, N_FEATURES, N_NOMINAL, MOST_VALUES, NEGATIVE, POSITIVE = range(9)
COUNTERS = 9


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
)
SIZES = ("E", "N", "K", "F", "S", "C", "M", "V", "fading")
HEADER = np.dtype([(name, "i8") for name in ARRAYS + SIZES])
Header = Any
"""A HEADER record: where the arrays of a pool stand and how large they are; see `at`."""
Row = int
"""The address of a row of numbers; see `at.row`."""


@dataclass(frozen=True, eq=False)
class Pool:
    """E trees. Growing makes a new pool."""

    trees: Records
    """TREE [E]: hyperparameters and state of each tree."""
    nodes: Records
    """NODE [E, N]."""
    counts: Floats
    """[E, N, K], the class weights of a node; a branch keeps those it had when it split."""
    order: Ints
    """[E, N, K], the first n_classes are the node's classes in order of arrival."""
    faded: Floats
    """[E, N, K], class weights that fade by the tree's `fade` at every event of the leaf; N is 0 if none
    fades.
    """
    disabled: Bytes
    """[E, N, F], features that a leaf does not observe: outside its subspace, or poor ones that it gave up."""
    mask: Bytes
    """[E, F], the features a tree may use (random subspaces)."""
    moments: Floats
    """[S, K, F, MOMENTS]."""
    observed: Ints
    """[S, F], the first n_observed are the slot's features in order of arrival."""
    n_observed: Ints
    """[S]."""
    classes: Ints
    """[S, F, K], the first n_seen are the observer's classes in order of arrival."""
    n_seen: Ints
    """[S, F]."""
    heads: Ints
    """[S, C, K + 1] for C nominal features: first entry of the list of values (0) and of each class (k + 1),
    or -1.
    """
    n_values: Ints
    """[S, C], categories seen."""
    entries: Records
    """ENTRY [M]."""
    free_slots: Ints
    """[S], a stack."""
    counters: NDArray[np.int64]
    """[COUNTERS]."""
    nominal: Ints
    """[F], a feature's number among the nominal ones, or -1."""
    class_key: Ints
    """[K], how classes sort."""
    coded: Bytes
    """[C], whether a nominal feature's values are codes 0, 1, ... that sort by `value_key`."""
    value_key: Floats
    """[C, V]."""
    header: Header = field(init=False, repr=False)

    def __post_init__(self) -> None:
        header = np.zeros(1, HEADER)
        for name in ARRAYS:
            array = getattr(self, name)
            if not array.flags.c_contiguous:
                raise ValueError(f"{name} is not contiguous")
            # The address, by the way that takes half a microsecond; `array.ctypes` takes several.
            header[name] = array.__array_interface__["data"][0]
        E, N, K = self.counts.shape
        S, C = self.n_values.shape
        sizes = (
            E,
            N,
            K,
            self.mask.shape[1],
            S,
            C,
            self.entries.size,
            self.value_key.shape[1],
            self.faded.shape[1],
        )
        for name, size in zip(SIZES, sizes, strict=True):
            header[name] = size
        object.__setattr__(self, "header", header[0])

    def replaced(self, **arrays: NDArray[Any]) -> Pool:
        """The pool with other arrays in some places."""
        return replace(self, **arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy's arrays stand elsewhere, so its header is made anew.
        return Pool, tuple(getattr(self, name) for name in ARRAYS)


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of one tree, named as river names them.

    `fade` is the factor by which a leaf's `faded` class weights shrink at each of its events; 1 keeps none.
    `subspace` is the share of the features that each leaf observes, drawn for the leaf when it is made from the
    tree's `key` (Gomes et al. 2017); 1 draws nothing.
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
    fade: float = 1.0
    subspace: float = 1.0


DEEPEST = 2**31
"""No limit. (river's is Python's recursion limit less 20; nothing recurses here.)"""


def configure(pool: Pool, e: int, settings: Settings) -> None:
    """Give tree `e` its hyperparameters; its state stays."""
    if settings.split_criterion not in CRITERIA:
        raise ValueError(f"split_criterion {settings.split_criterion!r} is none of {CRITERIA}")
    if settings.leaf_prediction not in LEAF_MODES:
        raise ValueError(f"leaf_prediction {settings.leaf_prediction!r} is none of {LEAF_MODES}")
    if not 0.0 < settings.delta <= 1.0:
        raise ValueError(f"delta {settings.delta} is not in (0, 1]")
    if not 0.0 < settings.fade <= 1.0:
        raise ValueError(f"fade {settings.fade} is not in (0, 1]")
    if settings.n_splits < 1:
        raise ValueError(f"n_splits {settings.n_splits} is below 1")
    tree = pool.trees[e]
    for name in (
        "grace_period",
        "delta",
        "tau",
        "nb_threshold",
        "min_branch_fraction",
        "max_share_to_split",
        "memory_estimate_period",
        "fade",
        "subspace",
        "n_splits",
        "binary_split",
        "stop_mem_management",
        "remove_poor_attrs",
        "merit_preprune",
    ):
        tree[name] = getattr(settings, name)
    tree["max_depth"] = DEEPEST if settings.max_depth is None else settings.max_depth
    tree["max_bytes"] = settings.max_size * 2**20
    tree["leaf_mode"] = LEAF_MODES.index(settings.leaf_prediction)
    tree["criterion"] = CRITERIA.index(settings.split_criterion)


def clear(tree: Any) -> None:
    """Set a TREE record's state to that of a tree that has seen nothing."""
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


def new_pool(
    settings: list[Settings],
    features: int,
    classes: int,
    nominal: NDArray[np.bool_] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Pool:
    """A pool of empty trees.

    Parameters
    ----------
    settings
        One for each of the E trees.
    features, classes
        Columns F and classes K to begin with; see `resize`.
    nominal
        bool [F], which columns hold categories. None: none.
    mask
        bool [E, F], which columns a tree may use. None: all.
    """
    trees = np.zeros(len(settings), TREE)
    kinds = np.zeros(features, np.bool_) if nominal is None else np.asarray(nominal, np.bool_)
    allowed = np.ones((len(settings), features), np.int8)
    if mask is not None:
        allowed[:] = mask
    n_nominal = int(kinds.sum())
    E, N, S = len(settings), 4, 2
    fading = any(one.fade < 1.0 for one in settings)
    counters = np.zeros(COUNTERS, np.int64)
    counters[[N_CLASSES, N_FEATURES, N_NOMINAL]] = classes, features, n_nominal
    counters[[FREE_ENTRY, NEGATIVE, POSITIVE]] = -1
    counters[FREE_SLOTS] = S
    pool = Pool(
        trees=trees,
        nodes=np.zeros((E, N), NODE),
        counts=np.zeros((E, N, classes)),
        order=np.zeros((E, N, classes), np.int32),
        faded=np.zeros((E, N if fading else 0, classes)),
        disabled=np.zeros((E, N, features), np.int8),
        mask=allowed,
        moments=np.zeros((S, classes, features, MOMENTS)),
        observed=np.zeros((S, features), np.int32),
        n_observed=np.zeros(S, np.int32),
        classes=np.zeros((S, features, classes), np.int32),
        n_seen=np.zeros((S, features), np.int32),
        heads=np.full((S, n_nominal, classes + 1), -1, np.int32),
        n_values=np.zeros((S, n_nominal), np.int32),
        entries=np.zeros(0, ENTRY),
        free_slots=np.arange(S - 1, -1, -1, dtype=np.int32),
        counters=counters,
        nominal=np.where(kinds, np.cumsum(kinds) - 1, -1).astype(np.int32),
        class_key=np.arange(classes, dtype=np.int32),
        coded=np.zeros(n_nominal, np.int8),
        value_key=np.zeros((n_nominal, 0)),
    )
    for e, one in enumerate(settings):
        clear(trees[e])
        configure(pool, e, one)
    return pool


def widened(array: NDArray[Any], axis: int, size: int, fill: float = 0) -> NDArray[Any]:
    """The array with `size` places along an axis, the new ones filled."""
    if array.shape[axis] >= size:
        return array
    shape = list(array.shape)
    shape[axis] = size
    wide = np.zeros(shape, array.dtype) if fill == 0 else np.full(shape, fill, array.dtype)
    wide[tuple(slice(n) for n in array.shape)] = array
    return wide


def room(have: int, need: int) -> int:
    """A capacity for at least `need`, half as much again as before so that copies stay a constant share."""
    return have if have >= need else max(need, have + have // 2 + 1)


def resize(
    pool: Pool,
    features: int,
    classes: int,
    nominal: NDArray[np.bool_] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Pool:
    """Make room for F columns and K classes; what was learnt stays.

    Parameters
    ----------
    features, classes
        The new numbers, never below the old.
    nominal
        bool [F'], which of the F' new columns hold categories. None: none.
    mask
        bool [E, F'], which trees may use the new columns. None: all.
    """
    counters = pool.counters.copy()
    old = int(counters[N_FEATURES])
    new = features - old
    if new < 0 or classes < counters[N_CLASSES]:
        raise ValueError("a pool does not shrink")
    kinds = np.zeros(new, np.bool_) if nominal is None else np.asarray(nominal, np.bool_)
    first = int(counters[N_NOMINAL])
    counters[[N_CLASSES, N_FEATURES, N_NOMINAL]] = classes, features, first + int(kinds.sum())
    K = room(pool.counts.shape[2], classes)
    F = room(pool.mask.shape[1], features)
    C = int(counters[N_NOMINAL])
    allowed = widened(pool.mask, 1, F, 1)
    if mask is not None:
        allowed[:, old:features] = mask
    numbers = widened(pool.nominal, 0, F, -1)
    numbers[old:features] = np.where(kinds, first + np.cumsum(kinds) - 1, -1)
    keys = widened(pool.class_key, 0, K)
    keys[pool.class_key.size :] = np.arange(pool.class_key.size, K)
    return pool.replaced(
        counts=widened(pool.counts, 2, K),
        order=widened(pool.order, 2, K),
        faded=widened(pool.faded, 2, K),
        disabled=widened(pool.disabled, 2, F),
        mask=allowed,
        moments=widened(widened(pool.moments, 1, K), 2, F),
        observed=widened(pool.observed, 1, F),
        classes=widened(widened(pool.classes, 1, F), 2, K),
        n_seen=widened(pool.n_seen, 1, F),
        heads=widened(widened(pool.heads, 1, C, -1), 2, K + 1, -1),
        n_values=widened(pool.n_values, 1, C),
        counters=counters,
        nominal=numbers,
        class_key=keys,
        coded=widened(pool.coded, 0, C),
        value_key=widened(pool.value_key, 0, C),
    )


def grown(pool: Pool, nodes: int, slots: int, entries: int) -> Pool:
    """The pool with room for so many nodes a tree, and so many more free slots and free entries than now."""
    counters = pool.counters
    N = room(pool.nodes.shape[1], nodes)
    have = pool.free_slots.size
    S = room(have, have + max(0, slots - int(counters[FREE_SLOTS])))
    stack = widened(pool.free_slots, 0, S)
    free = int(counters[FREE_SLOTS])
    stack[free : free + S - have] = np.arange(S - 1, have - 1, -1)
    counters[FREE_SLOTS] = free + S - have
    used = pool.entries.size
    M = room(used, used + max(0, entries - int(counters[N_FREE_ENTRIES])))
    list_ = widened(pool.entries, 0, M)
    if used < M:
        list_["next"][used:] = np.arange(used + 1, M + 1)
        list_["next"][M - 1] = counters[FREE_ENTRY]
        counters[FREE_ENTRY] = used
        counters[N_FREE_ENTRIES] += M - used
    return pool.replaced(
        nodes=widened(pool.nodes, 1, N),
        counts=widened(pool.counts, 1, N),
        order=widened(pool.order, 1, N),
        faded=widened(pool.faded, 1, N) if pool.faded.shape[1] else pool.faded,
        disabled=widened(pool.disabled, 1, N),
        moments=widened(pool.moments, 0, S),
        observed=widened(pool.observed, 0, S),
        n_observed=widened(pool.n_observed, 0, S),
        classes=widened(pool.classes, 0, S),
        n_seen=widened(pool.n_seen, 0, S),
        heads=widened(pool.heads, 0, S, -1),
        n_values=widened(pool.n_values, 0, S),
        entries=list_,
        free_slots=stack,
    )
