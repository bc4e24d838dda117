"""A pool as a handful of compact arrays of plain dtypes, and back.

Only what cannot be worked out again is written. Of a node's links only its parent is, because children stand in the
order of their numbers. Of the observers only what active leaves have seen is, and a weight only once per leaf and class
unless features were missing. Two pools that learnt the same events give the same bytes, however their memory came
about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding.pool import views
from tocsin.kernels.hoeffding.pool.capacity import empty_observers
from tocsin.kernels.hoeffding.pool.layout import (
    COUNTERS,
    ENTRY,
    FREE_ENTRY,
    FREE_SLOTS,
    HIGHEST,
    LEAF,
    LISTED,
    LOWEST,
    MAJORITY,
    MEAN,
    N_CLASSES,
    N_FEATURES,
    N_FREE_ENTRIES,
    NODE,
    NOMINAL_MULTIWAY,
    SAVED_COUNTERS,
    SQUARES,
    TREE,
    WEIGHT,
    Floats,
    Header,
    Ints,
    Pool,
    Records,
)
from tocsin.kernels.hoeffding.pool.slots import append_entry, update_density_terms

Arrays = Mapping[str, NDArray[Any]]
Mask = NDArray[np.bool_]
NODE_FIELDS = ("kind", "feature", "value", "parent", "attempted_at", "mc_correct", "nb_correct", "n_classes")
"""The fields of a node that are written."""
MOMENT_COLUMNS = {"mean": MEAN, "squares": SQUARES, "lowest": LOWEST, "highest": HIGHEST}
"""The moments of a class and number that are written as they are, by name."""


def narrowed(numbers: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in the narrowest dtype that holds them."""
    if numbers.size == 0:
        return numbers.astype(np.int8)
    low, high = np.min_scalar_type(min(0, int(numbers.min()))), np.min_scalar_type(int(numbers.max()))
    return numbers.astype(np.promote_types(low, high))


def first_of_each(leaf: Ints, k: Ints, K: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each pair (leaf, class) stands first, and which of these pairs each place holds."""
    _, first, which = np.unique(leaf.astype(np.int64) * K + k, return_index=True, return_inverse=True)
    return first, which


@kernel
def read_lists(pool: Header, slots: Ints, features: Ints, rows: Ints, lengths: Ints, out: Floats) -> int:
    """Write the lengths of the lists of categories (slot, feature, row) to `lengths`; returns their sum n.

    Where `out` [n, 2] has room it takes their categories and weights.
    """
    n = 0
    for i in range(slots.size):
        entry = views.heads(pool)[slots[i], views.nominal(pool)[features[i]], rows[i]]
        lengths[i] = 0
        while entry >= 0:
            if out.shape[0] > 0:
                out[n, 0] = views.entries(pool)[entry].value
                out[n, 1] = views.entries(pool)[entry].weight
            n += 1
            lengths[i] += 1
            entry = views.entries(pool)[entry].next
    return n


@kernel
def write_lists(
    pool: Header, slots: Ints, features: Ints, rows: Ints, lengths: Ints, values: Floats, weights: Floats
) -> None:
    """Make the lists again that `read_lists` read, and the sums that go with them."""
    n = 0
    for i in range(slots.size):
        slot, c, row = slots[i], views.nominal(pool)[features[i]], rows[i]
        total = 0.0
        for _ in range(lengths[i]):
            append_entry(pool, slot, c, row, values[n], weights[n])
            total += weights[n]
            n += 1
        if row > 0:
            views.moments(pool)[slot, row - 1, features[i], WEIGHT] = total
        else:
            views.n_values(pool)[slot, c] = lengths[i]


@kernel
def update_all_density_terms(pool: Header, slots: Ints, k: Ints, features: Ints) -> None:
    """Work out again the terms of the log densities of classes k and features in slots, all [n]."""
    for i in range(slots.size):
        update_density_terms(views.moments(pool)[slots[i], k[i], features[i]])


@kernel
def link_children(pool: Header, e: int) -> None:
    """Work out a tree's links and depths from the parents of its nodes."""
    tree = views.trees(pool)[e]
    for node in range(tree.n_nodes):
        here = views.nodes(pool)[e, node]
        here.first = -1
        here.last = -1
        here.next = -1
        here.depth = 0
        if here.parent >= 0:
            above = views.nodes(pool)[e, here.parent]
            here.depth = above.depth + 1
            if above.first < 0:
                above.first = node
            else:
                views.nodes(pool)[e, above.last].next = node
            above.last = node


# Writing


def state_dict(pool: Pool) -> dict[str, NDArray[Any]]:
    """Everything that `load_state_dict` needs, as arrays of plain dtypes."""
    out: dict[str, NDArray[Any]] = {f"tree_{name}": pool.trees[name].copy() for name in TREE.names or ()}
    n_nodes, K, F = pool.trees["n_nodes"], int(pool.counters[N_CLASSES]), int(pool.counters[N_FEATURES])
    nodes = rows_in_use(pool.nodes, n_nodes)
    for name in NODE_FIELDS:
        out[f"node_{name}"] = nodes[name] if nodes[name].dtype.kind == "f" else narrowed(nodes[name])
    trees = np.repeat(np.arange(len(n_nodes)), n_nodes)
    out["node_edge"] = nodes["edge"][children_of_multiway(pool.nodes, trees, nodes["parent"])]
    active = (nodes["kind"] == LEAF) & (nodes["slot"] >= 0)
    out["node_active"] = active
    order = rows_in_use(pool.order, n_nodes)
    kept = np.arange(order.shape[1]) < nodes["n_classes"][:, None]
    out["class_index"] = narrowed(order[kept])
    out["class_weight"] = np.take_along_axis(rows_in_use(pool.counts, n_nodes), order, 1)[kept]
    if pool.faded.shape[1]:
        out["class_faded"] = np.take_along_axis(rows_in_use(pool.faded, n_nodes), order, 1)[kept]
    out["disabled"] = np.packbits(rows_in_use(pool.disabled[..., :F], n_nodes).astype(np.bool_))
    out |= observers_to_arrays(pool, nodes["slot"][active])
    out["counters"] = pool.counters[:SAVED_COUNTERS].copy()
    out["counters"][[FREE_SLOTS, FREE_ENTRY, N_FREE_ENTRIES]] = 0
    out["nominal"], out["mask"] = narrowed(pool.nominal[:F]), pool.mask[:, :F].copy()
    out["class_key"] = narrowed(pool.class_key[:K])
    out["coded"], out["value_key"] = pool.coded.copy(), pool.value_key.copy()
    return out


def rows_in_use(array: NDArray[Any], n_nodes: Ints) -> NDArray[Any]:
    """An array [E, N, ...] without the nodes that are not in use: [sum of n_nodes, ...]."""
    return np.concatenate([array[e, :n] for e, n in enumerate(n_nodes)])


def children_of_multiway(nodes: Records, trees: NDArray[np.intp], parents: Ints) -> Mask:
    """Which nodes, given by their trees and parents, are reached by a category: bool, as long as these."""
    reached = parents >= 0
    reached[reached] = nodes["kind"][trees[reached], parents[reached]] == NOMINAL_MULTIWAY
    return reached


def lists_of(
    pool: Pool, leaf: Ints, feature: Ints, pair_leaf: Ints, pair_feature: Ints, pair_class: Ints
) -> tuple[Ints, Ints, Ints]:
    """Which lists of categories there are, as leaves, features and rows: those of whole observers, then of classes."""
    whole, single = pool.nominal[feature] >= 0, pool.nominal[pair_feature] >= 0
    leaves = np.concatenate([leaf[whole], pair_leaf[single]])
    features = np.concatenate([feature[whole], pair_feature[single]])
    rows = np.concatenate([np.zeros(whole.sum(), np.int32), pair_class[single] + 1])
    return leaves.astype(np.int32), features.astype(np.int32), rows.astype(np.int32)


def observers_to_arrays(pool: Pool, slots: Ints) -> dict[str, NDArray[Any]]:
    """What the slots of active leaves hold."""
    n_observed = pool.n_observed[slots]
    F, K = pool.observed.shape[1], pool.classes.shape[2]
    kept = np.arange(F) < n_observed[:, None]
    leaf = np.repeat(np.arange(len(slots), dtype=np.int32), n_observed)
    feature = pool.observed[slots][kept]
    n_seen = pool.n_seen[slots[leaf], feature]
    pair_class = pool.classes[slots[leaf], feature][np.arange(K) < n_seen[:, None]]
    pair_leaf, pair_feature = np.repeat(leaf, n_seen), np.repeat(feature, n_seen)
    out = {
        "leaf_observed": narrowed(n_observed),
        "observer_feature": narrowed(feature),
        "observer_seen": narrowed(n_seen),
        "pair_class": narrowed(pair_class),
    }
    number = pool.nominal[pair_feature] < 0
    moments = pool.moments[slots[pair_leaf[number]], pair_class[number], pair_feature[number]]
    for name, column in MOMENT_COLUMNS.items():
        out[f"pair_{name}"] = moments[:, column].copy()
    first, which = first_of_each(pair_leaf[number], pair_class[number], K)
    weight = moments[:, WEIGHT]
    out["weight_first"] = weight[first]
    others = np.flatnonzero(weight != weight[first][which])
    out["weight_other_at"], out["weight_other"] = narrowed(others), weight[others]
    leaves, features, rows = lists_of(pool, leaf, feature, pair_leaf, pair_feature, pair_class)
    lengths = np.zeros(len(rows), np.int32)
    n = read_lists(pool.header, slots[leaves], features, rows, lengths, np.empty((0, 2)))
    lists = np.empty((n, 2))
    if n:
        read_lists(pool.header, slots[leaves], features, rows, lengths, lists)
    out["list_length"] = narrowed(lengths)
    out["list_value"], out["list_weight"] = lists[:, 0].copy(), lists[:, 1].copy()
    return out


# Reading


def load_state_dict(saved: Arrays) -> Pool:
    """The pool whose `state_dict` this is.

    Raises KeyError where an array is missing, and ValueError or IndexError where arrays do not fit one another.
    """
    trees = np.zeros(len(saved["tree_n_nodes"]), TREE)
    for name in TREE.names or ():
        trees[name] = saved[f"tree_{name}"]
    E, N = len(trees), max(4, int(trees["n_nodes"].max(initial=0)))
    used = np.arange(N) < trees["n_nodes"][:, None]
    nodes = nodes_from_arrays(saved, used)
    counters, entries = counters_and_entries(saved)
    K, F, S = int(counters[N_CLASSES]), int(counters[N_FEATURES]), int(saved["node_active"].sum())
    disabled = np.zeros((E, N, F), np.int8)
    disabled[used] = np.unpackbits(saved["disabled"], count=int(used.sum()) * F).reshape(int(used.sum()), F)
    pool = Pool(
        trees=trees,
        nodes=nodes,
        disabled=disabled,
        mask=saved["mask"].astype(np.int8),
        entries=entries,
        free_slots=np.zeros(S, np.int32),
        counters=counters,
        nominal=saved["nominal"].astype(np.int32),
        class_key=saved["class_key"].astype(np.int32),
        coded=saved["coded"].astype(np.int8),
        value_key=np.ascontiguousarray(saved["value_key"], np.float64),
        taught=np.zeros((0, 3), np.int32),
        **class_weights_from_arrays(saved, nodes["n_classes"], K),
        **empty_observers(S, F, K, saved["coded"].size),
    )
    for e in range(E):
        link_children(pool.header, e)
    edges = np.zeros(int(used.sum()))
    edges[children_of_multiway(nodes, np.argwhere(used)[:, 0], nodes["parent"][used])] = saved["node_edge"]
    nodes["edge"][used] = edges
    observers_from_arrays(pool, saved)
    return pool


def nodes_from_arrays(saved: Arrays, used: Mask) -> Records:
    """NODE [E, N] with the fields that were written and the slots of active leaves; `used` [E, N] says which exist."""
    nodes = np.zeros(used.shape, NODE)
    for name in NODE_FIELDS:
        nodes[name][used] = saved[f"node_{name}"]
    slot = np.full(saved["node_active"].size, -1, np.int32)
    slot[saved["node_active"]] = np.arange(int(saved["node_active"].sum()))
    nodes["slot"][used] = slot
    return nodes


def counters_and_entries(saved: Arrays) -> tuple[NDArray[np.int64], Records]:
    """The counters of the pool, and its entries, all of them free."""
    counters, M = np.zeros(COUNTERS, np.int64), int(saved["list_value"].size)
    counters[:SAVED_COUNTERS] = saved["counters"]
    counters[FREE_ENTRY], counters[N_FREE_ENTRIES] = (0 if M else -1), M
    entries = np.zeros(M, ENTRY)
    entries["next"] = np.arange(1, M + 1)
    entries["next"][M - 1 :] = -1
    return counters, entries


def class_weights_from_arrays(saved: Arrays, n_classes: Ints, K: int) -> dict[str, NDArray[Any]]:
    """The class weights of nodes, faded or not, and the order of their classes; `n_classes` is [E, N]."""
    E, N = n_classes.shape
    kept = np.arange(K) < n_classes[..., None]
    tree, node, _ = np.nonzero(kept)
    index = saved["class_index"].astype(np.int32)
    order = np.zeros((E, N, K), np.int32)
    order[kept] = index
    counts, faded = np.zeros((E, N, K)), np.zeros((E, N if "class_faded" in saved else 0, K))
    counts[tree, node, index] = saved["class_weight"]
    if "class_faded" in saved:
        faded[tree, node, index] = saved["class_faded"]
    return {"counts": counts, "faded": faded, "order": order}


def observers_from_arrays(pool: Pool, saved: Arrays) -> None:
    """Fill the slots of a pool, which stand in the order of their leaves."""
    n_observed = saved["leaf_observed"].astype(np.int32)
    pool.n_observed[:] = n_observed
    F, K = pool.observed.shape[1], pool.classes.shape[2]
    feature = saved["observer_feature"].astype(np.int32)
    leaf = np.repeat(np.arange(len(n_observed), dtype=np.int32), n_observed)
    pool.observed[np.arange(F) < n_observed[:, None]] = feature
    n_seen = saved["observer_seen"].astype(np.int32)
    pool.n_seen[leaf, feature] = n_seen
    rows = np.zeros((len(leaf), K), np.int32)
    pair_class = saved["pair_class"].astype(np.int32)
    rows[np.arange(K) < n_seen[:, None]] = pair_class
    pool.classes[leaf, feature] = rows
    pair_leaf, pair_feature = np.repeat(leaf, n_seen), np.repeat(feature, n_seen)
    pool.moments[pair_leaf, pair_class, pair_feature, LISTED] = 1.0
    number = pool.nominal[pair_feature] < 0
    where = pair_leaf[number], pair_class[number], pair_feature[number]
    for name, column in MOMENT_COLUMNS.items():
        pool.moments[(*where, column)] = saved[f"pair_{name}"]
    _, which = first_of_each(where[0], where[1], K)
    weight = saved["weight_first"][which]
    weight[saved["weight_other_at"]] = saved["weight_other"]
    pool.moments[(*where, WEIGHT)] = weight
    lists = lists_of(pool, leaf, feature, pair_leaf, pair_feature, pair_class)
    lengths = saved["list_length"].astype(np.int32)
    write_lists(pool.header, *lists, lengths, saved["list_value"], saved["list_weight"])
    # Leaves that predict by majority keep no terms of log densities.
    bayes = pool.trees["leaf_mode"][trees_of_slots(pool)[where[0]]] != MAJORITY
    update_all_density_terms(pool.header, *(np.ascontiguousarray(part[bayes]) for part in where))


def trees_of_slots(pool: Pool) -> NDArray[np.int64]:
    """Which tree each slot belongs to: int64 [S]."""
    trees = np.zeros(len(pool.n_observed), np.int64)
    for e, node in np.argwhere(pool.nodes["slot"] >= 0):
        if node < pool.trees["n_nodes"][e] and pool.nodes["kind"][e, node] == LEAF:
            trees[pool.nodes["slot"][e, node]] = e
    return trees
