"""Walks by torch: all events of all trees take a step together, until none is left on a branch."""

from __future__ import annotations

from typing import Any

from tocsin.kernels.hoeffding.layout import (
    LEAF,
    NOMINAL_MULTIWAY,
    NUMERIC,
    Floats,
    Ints,
)
from tocsin.kernels.traversal.flat import Flat
from tocsin.kernels.traversal.interface import registry


@registry.register("torch")
def traverse_torch(flat: Flat, X: Floats) -> Ints:
    """Arguments as `traverse` checked them."""
    import torch  # here, because it takes seconds to load

    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ids = traverse_tensors(on(flat, place), torch.from_numpy(X).to(place))
    result: Ints = ids.to(torch.int32).cpu().numpy()
    return result


def on(flat: Flat, place: Any) -> Flat:
    """The trees as tensors of a device."""
    import torch

    tensors: Any = (torch.from_numpy(part).to(place) for part in flat)
    return Flat(*tensors)


def traverse_tensors(flat: Flat, X: Any) -> Any:
    """int64 [B, E]; `flat` as `on` gives it, X [B, F] float64, tensors of one device."""
    import torch

    tree: Any = flat
    E = len(tree.kind)
    e = torch.arange(E, device=X.device).expand(len(X), E)
    # A column more, so that there is one to ask for where there are no branches.
    X = torch.nn.functional.pad(X, (0, 1))
    node = torch.zeros((len(X), E), dtype=torch.int64, device=X.device)
    empty = tree.busiest[e, node] < 0
    walking = (tree.kind[e, node] != LEAF) & ~empty
    while bool(walking.any()):
        kind = tree.kind[e, node]
        value = torch.gather(X, 1, torch.where(walking, tree.feature[e, node], 0).long())
        right = torch.where(kind == NUMERIC, value > tree.value[e, node], value != tree.value[e, node])
        child = torch.where(right, tree.last[e, node], tree.first[e, node]).long()
        child = torch.where(kind == NOMINAL_MULTIWAY, _by_edge(tree, e, node, value, walking), child)
        child = torch.where(torch.isnan(value) | (child < 0), tree.busiest[e, node].long(), child)
        node = torch.where(walking, child, node)
        walking = walking & (tree.kind[e, node] != LEAF)
    return torch.where(empty, -1, node)


def _by_edge(tree: Any, e: Any, node: Any, value: Any, walking: Any) -> Any:
    """The child of a multiway branch whose edge is the value, or -1."""
    import torch

    child = torch.where(walking & (tree.kind[e, node] == NOMINAL_MULTIWAY), tree.first[e, node].long(), -1)
    while True:
        at = child.clamp(min=0)
        searching = (child >= 0) & (tree.edge[e, at] != value)
        if not bool(searching.any()):
            return child
        child = torch.where(searching, tree.next[e, at].long(), child)
