"""A pool as a handful of compact arrays of plain dtypes, and back.

Only what cannot be worked out again is written: a node's parent but no other link (children stand in the
order of their numbers), the observers of active leaves for what they saw, and a weight once a class of a leaf
unless features were missing. Two pools that learnt the same events give the same bytes, however their memory
came about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.hoeffding import at
from tocsin.kernels.hoeffding.layout import (
    ENTRY,
    FREE_ENTRY,
    FREE_SLOTS,
    HIGHEST,
    LEAF,
    LISTED,
    LOWEST,
    MAJORITY,
    MEAN,
    MOMENTS,
    N_CLASSES,
    N_FEATURES,
    N_FREE_ENTRIES,
    NODE,
    NOMINAL_MULTIWAY,
    SQUARES,
    TREE,
    WEIGHT,
    Floats,
    Header,
    Ints,
    Pool,
)
from tocsin.kernels.hoeffding.observers import append, weigh

Arrays = Mapping[str, NDArray[Any]]
KEPT = ("kind", "feature", "value", "parent", "attempted_at", "mc_correct", "nb_correct", "n_classes")
PACKED = {"MEAN": MEAN, "SQUARES": SQUARES, "LOWEST": LOWEST, "HIGHEST": HIGHEST}


def small(numbers: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in the narrowest dtype that holds them."""
    if numbers.size == 0:
        return numbers.astype(np.int8)
    low, high = np.min_scalar_type(min(0, int(numbers.min()))), np.min_scalar_type(int(numbers.max()))
    return numbers.astype(np.promote_types(low, high))


def first_of_each(leaf: Ints, k: Ints, K: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each (leaf, class) first stands, and for each place which of them it is."""
    _, first, which = np.unique(leaf.astype(np.int64) * K + k, return_index=True, return_inverse=True)
    return first, which


@kernel
def read_lists(pool: Header, slots: Ints, features: Ints, rows: Ints, lengths: Ints, out: Floats) -> int:
    """Lengths of the category lists (slot, feature, row) and, where `out` [n, 2] has room, values and
    weights.
    """
    n = 0
    for i in range(slots.size):
        entry = at.heads(pool)[slots[i], at.nominal(pool)[features[i]], rows[i]]
        lengths[i] = 0
        while entry >= 0:
            if out.shape[0] > 0:
                out[n, 0] = at.entries(pool)[entry].value
                out[n, 1] = at.entries(pool)[entry].weight
            n += 1
            lengths[i] += 1
            entry = at.entries(pool)[entry].next
    return n


@kernel
def write_lists(
    pool: Header, slots: Ints, features: Ints, rows: Ints, lengths: Ints, values: Floats, weights: Floats
) -> None:
    """The inverse of `read_lists`."""
    n = 0
    for i in range(slots.size):
        total = 0.0
        for _ in range(lengths[i]):
            append(pool, slots[i], at.nominal(pool)[features[i]], rows[i], values[n], weights[n])
            total += weights[n]
            n += 1
        if rows[i] > 0:
            at.moments(pool)[slots[i], rows[i] - 1, features[i], WEIGHT] = total
        else:
            at.n_values(pool)[slots[i], at.nominal(pool)[features[i]]] = lengths[i]


@kernel
def weigh_all(pool: Header, slots: Ints, k: Ints, features: Ints) -> None:
    """The terms of the log densities, worked out again."""
    for i in range(slots.size):
        weigh(at.moments(pool)[slots[i], k[i], features[i]])


@kernel
def link(pool: Header, e: int) -> None:
    """Children, siblings and depths of a tree from its parents."""
    tree = at.trees(pool)[e]
    for node in range(tree.n_nodes):
        here = at.nodes(pool)[e, node]
        here.first = -1
        here.last = -1
        here.next = -1
        here.depth = 0
        if here.parent >= 0:
            above = at.nodes(pool)[e, here.parent]
            here.depth = above.depth + 1
            if above.first < 0:
                above.first = node
            else:
                at.nodes(pool)[e, above.last].next = node
            above.last = node


def of_used(array: NDArray[Any], n_nodes: Ints) -> NDArray[Any]:
    """[E, N, ...] without the nodes not used: [sum of n_nodes, ...]."""
    return np.concatenate([array[e, :n] for e, n in enumerate(n_nodes)])


def list_rows(
    pool: Pool, leaf: Ints, feature: Ints, pair_leaf: Ints, pair_feature: Ints, pair_class: Ints
) -> tuple[Ints, Ints, Ints]:
    """The category lists of active leaves: of whole observers (row 0), then of their classes (row k + 1)."""
    whole, single = pool.nominal[feature] >= 0, pool.nominal[pair_feature] >= 0
    leaves = np.concatenate([leaf[whole], pair_leaf[single]])
    features = np.concatenate([feature[whole], pair_feature[single]])
    rows = np.concatenate([np.zeros(whole.sum(), np.int32), pair_class[single] + 1])
    return leaves.astype(np.int32), features.astype(np.int32), rows.astype(np.int32)


def state_dict(pool: Pool) -> dict[str, NDArray[Any]]:
    """Everything that `restore` needs, in plain dtypes."""
    out: dict[str, NDArray[Any]] = {f"tree_{name}": pool.trees[name].copy() for name in TREE.names or ()}
    n_nodes, K = pool.trees["n_nodes"], int(pool.counters[N_CLASSES])
    F = int(pool.counters[N_FEATURES])
    nodes = of_used(pool.nodes, n_nodes)
    for name in KEPT:
        out[f"node_{name}"] = nodes[name] if nodes[name].dtype.kind == "f" else small(nodes[name])
    trees = np.repeat(np.arange(len(n_nodes)), n_nodes)
    has_edge = nodes["parent"] >= 0
    has_edge[has_edge] = pool.nodes["kind"][trees[has_edge], nodes["parent"][has_edge]] == NOMINAL_MULTIWAY
    out["node_edge"] = nodes["edge"][has_edge]
    active = (nodes["kind"] == LEAF) & (nodes["slot"] >= 0)
    out["node_active"] = active
    order = of_used(pool.order, n_nodes)
    kept = np.arange(order.shape[1]) < nodes["n_classes"][:, None]
    out["class_index"] = small(order[kept])
    out["class_weight"] = np.take_along_axis(of_used(pool.counts, n_nodes), order, 1)[kept]
    if pool.faded.shape[1]:
        out["class_faded"] = np.take_along_axis(of_used(pool.faded, n_nodes), order, 1)[kept]
    out["disabled"] = np.packbits(of_used(pool.disabled[..., :F], n_nodes).astype(np.bool_))
    out |= observers(pool, nodes["slot"][active])
    out["counters"] = pool.counters.copy()
    out["counters"][[FREE_SLOTS, FREE_ENTRY, N_FREE_ENTRIES]] = 0
    out["nominal"], out["mask"] = small(pool.nominal[:F]), pool.mask[:, :F].copy()
    out["class_key"] = small(pool.class_key[:K])
    out["coded"], out["value_key"] = pool.coded.copy(), pool.value_key.copy()
    return out


def observers(pool: Pool, slots: Ints) -> dict[str, NDArray[Any]]:
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
        "leaf_observed": small(n_observed),
        "observer_feature": small(feature),
        "observer_seen": small(n_seen),
        "pair_class": small(pair_class),
    }
    number = pool.nominal[pair_feature] < 0
    moments = pool.moments[slots[pair_leaf[number]], pair_class[number], pair_feature[number]]
    for name, column in PACKED.items():
        out[f"pair_{name.lower()}"] = moments[:, column].copy()
    first, which = first_of_each(pair_leaf[number], pair_class[number], K)
    weight = moments[:, WEIGHT]
    out["weight_first"] = weight[first]
    others = np.flatnonzero(weight != weight[first][which])
    out["weight_other_at"], out["weight_other"] = small(others), weight[others]
    leaves, features, rows = list_rows(pool, leaf, feature, pair_leaf, pair_feature, pair_class)
    lengths = np.zeros(len(rows), np.int32)
    n = read_lists(pool.header, slots[leaves], features, rows, lengths, np.empty((0, 2)))
    lists = np.empty((n, 2))
    if n:
        read_lists(pool.header, slots[leaves], features, rows, lengths, lists)
    out["list_length"], out["list_value"], out["list_weight"] = (
        small(lengths),
        lists[:, 0].copy(),
        lists[:, 1].copy(),
    )
    return out


def load_state_dict(saved: Arrays) -> Pool:
    """The pool whose `arrays` these are. Raises KeyError where one is missing."""
    counters = saved["counters"].astype(np.int64)
    K, F = int(counters[N_CLASSES]), int(counters[N_FEATURES])
    trees = np.zeros(len(saved["tree_n_nodes"]), TREE)
    for name in TREE.names or ():
        trees[name] = saved[f"tree_{name}"]
    n_nodes = trees["n_nodes"]
    E, N, S = len(trees), max(4, int(n_nodes.max(initial=0))), int(saved["node_active"].sum())
    C, M = saved["coded"].size, int(saved["list_value"].size)
    counters[FREE_ENTRY], counters[N_FREE_ENTRIES] = (0 if M else -1), M
    entries = np.zeros(M, ENTRY)
    entries["next"] = np.arange(1, M + 1)
    entries["next"][M - 1 :] = -1
    used = np.arange(N) < n_nodes[:, None]
    nodes = np.zeros((E, N), NODE)
    for name in KEPT:
        nodes[name][used] = saved[f"node_{name}"]
    slot = np.full(saved["node_active"].size, -1, np.int32)
    slot[saved["node_active"]] = np.arange(S)
    nodes["slot"][used] = slot
    kept = np.arange(K) < nodes["n_classes"][..., None]
    at_tree, at_node, _ = np.nonzero(kept)
    index = saved["class_index"].astype(np.int32)
    order = np.zeros((E, N, K), np.int32)
    order[kept] = index
    weights = {"counts": np.zeros((E, N, K)), "faded": np.zeros((E, N if "class_faded" in saved else 0, K))}
    weights["counts"][at_tree, at_node, index] = saved["class_weight"]
    if "class_faded" in saved:
        weights["faded"][at_tree, at_node, index] = saved["class_faded"]
    disabled = np.zeros((E, N, F), np.int8)
    flags = np.unpackbits(saved["disabled"], count=int(used.sum()) * F)
    disabled[used] = flags.reshape(int(used.sum()), F)
    pool = Pool(
        trees=trees,
        nodes=nodes,
        counts=weights["counts"],
        order=order,
        faded=weights["faded"],
        disabled=disabled,
        mask=saved["mask"].astype(np.int8),
        moments=np.zeros((S, K, F, MOMENTS)),
        observed=np.zeros((S, F), np.int32),
        n_observed=saved["leaf_observed"].astype(np.int32),
        classes=np.zeros((S, F, K), np.int32),
        n_seen=np.zeros((S, F), np.int32),
        heads=np.full((S, C, K + 1), -1, np.int32),
        n_values=np.zeros((S, C), np.int32),
        entries=entries,
        free_slots=np.zeros(S, np.int32),
        counters=counters,
        nominal=saved["nominal"].astype(np.int32),
        class_key=saved["class_key"].astype(np.int32),
        coded=saved["coded"].astype(np.int8),
        value_key=np.ascontiguousarray(saved["value_key"], np.float64),
    )
    for e in range(E):
        link(pool.header, e)
    flat_parent = nodes["parent"][used]
    tree_of = np.argwhere(used)[:, 0]
    has_edge = flat_parent >= 0
    has_edge[has_edge] = nodes["kind"][tree_of[has_edge], flat_parent[has_edge]] == NOMINAL_MULTIWAY
    edges = np.zeros(flat_parent.size)
    edges[has_edge] = saved["node_edge"]
    nodes["edge"][used] = edges
    restore_observers(pool, saved)
    return pool


def restore_observers(pool: Pool, saved: Arrays) -> None:
    """Fill the slots, which stand in the order of their leaves."""
    n_observed = pool.n_observed
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
    for name, column in PACKED.items():
        pool.moments[(*where, column)] = saved[f"pair_{name.lower()}"]
    _, which = first_of_each(where[0], where[1], K)
    weight = saved["weight_first"][which]
    weight[saved["weight_other_at"]] = saved["weight_other"]
    pool.moments[(*where, WEIGHT)] = weight
    lists = list_rows(pool, leaf, feature, pair_leaf, pair_feature, pair_class)
    lengths = saved["list_length"].astype(np.int32)
    write_lists(pool.header, lists[0], lists[1], lists[2], lengths, saved["list_value"], saved["list_weight"])
    # Which tree a slot belongs to decides whether its densities are wanted.
    tree_of = np.argwhere(pool.nodes["slot"] >= 0)
    owner = np.zeros(len(n_observed), np.int64)
    for e, node in tree_of:
        if node < pool.trees["n_nodes"][e] and pool.nodes["kind"][e, node] == LEAF:
            owner[pool.nodes["slot"][e, node]] = e
    bayes = pool.trees["leaf_mode"][owner[where[0]]] != MAJORITY
    weigh_all(pool.header, *(np.ascontiguousarray(part[bayes]) for part in where))
