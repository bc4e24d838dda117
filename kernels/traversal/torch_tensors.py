"""The walk on PyTorch tensors: all events of all trees take a step together, until none is left on a branch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tocsin.kernels.hoeffding.pool.layout import LEAF, NOMINAL_MULTIWAY, NUMERIC
from tocsin.kernels.traversal.flat import Flat


def as_tensors(flat: Flat, place: torch.device) -> Flat:
    """The trees as tensors of a device."""
    tensors: Any = (torch.from_numpy(part).to(place) for part in flat)
    return Flat(*tensors)


def traverse_tensors(flat: Flat, X: Tensor) -> Tensor:
    """int64 [B, E]; `flat` as `as_tensors` gives it, X [B, F] float64, tensors of one device."""
    tree: Any = flat
    E = len(tree.kind)
    e = torch.arange(E, device=X.device).expand(len(X), E)
    # One column is added, so that there is one to read where there are no branches.
    X = torch.nn.functional.pad(X, (0, 1))
    node = torch.zeros((len(X), E), dtype=torch.int64, device=X.device)
    empty = tree.busiest[e, node] < 0
    walking = (tree.kind[e, node] != LEAF) & ~empty
    while bool(walking.any()):
        kind = tree.kind[e, node]
        value = torch.gather(X, 1, torch.where(walking, tree.feature[e, node], 0).long())
        right = torch.where(kind == NUMERIC, value > tree.value[e, node], value != tree.value[e, node])
        child = torch.where(right, tree.last[e, node], tree.first[e, node]).long()
        child = torch.where(kind == NOMINAL_MULTIWAY, _child_by_edge(tree, e, node, value, walking), child)
        child = torch.where(torch.isnan(value) | (child < 0), tree.busiest[e, node].long(), child)
        node = torch.where(walking, child, node)
        walking = walking & (tree.kind[e, node] != LEAF)
    return torch.where(empty, -1, node)


def _child_by_edge(tree: Any, e: Tensor, node: Tensor, value: Tensor, walking: Tensor) -> Tensor:
    """The child of a multiway branch whose edge has the value, or -1."""
    child = torch.where(walking & (tree.kind[e, node] == NOMINAL_MULTIWAY), tree.first[e, node].long(), -1)
    while True:
        place = child.clamp(min=0)
        searching = (child >= 0) & (tree.edge[e, place] != value)
        if not bool(searching.any()):
            return child
        child = torch.where(searching, tree.next[e, place].long(), child)
