"""Walks down the trees of many models on PyTorch tensors: each event in each tree of its own model."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tocsin.kernels.device.many import layout
from tocsin.kernels.hoeffding.pool.layout import LEAF, NOMINAL_MULTIWAY, NUMERIC


class Walked(NamedTuple):
    """The leaves of all pairs of an event and a tree, event by event."""

    first: Tensor
    """int64 [B], the first pair of each event."""
    address: Tensor
    """int64 [pairs], where the numbers of the leaf begin in the packed leaves."""
    node: Tensor
    """int64 [pairs], the leaf's number in its tree; -1 in an empty tree."""


class Forest(NamedTuple):
    """The packed arrays that a walk reads."""

    links: Tensor
    values: Tensor
    roots: Tensor


def walk(forest: Forest, X: Tensor, rows: Tensor, table: Tensor, pairs: int) -> Walked:
    """Where B events end.

    Parameters
    ----------
    X, rows
        The features as flat numbers, and int64 [B], where those of each event begin.
    table
        [TABLE, B], the row of each event's model in the table of models.
    pairs
        How many pairs of an event and a tree there are.
    """
    experts = table[layout.EXPERTS]
    first = experts.cumsum(0) - experts
    event = torch.repeat_interleave(experts, output_size=pairs)
    tree = torch.arange(pairs, device=X.device) + (table[layout.TREES_AT] - first)[event]
    base = table[layout.NODES_AT][event] + forest.roots[tree]
    node = base.clone()
    link = forest.links[node]
    walking = torch.nonzero(link[:, layout.KIND] != LEAF)[:, 0]
    while walking.numel():
        # Only who is on a branch takes a step.
        root, at = base[walking], node[walking]
        x = X[rows[event[walking]] + forest.links[at, layout.FEATURE]]
        at = root + child_of(forest, at, root, x)
        node[walking] = at
        walking = walking[forest.links[at, layout.KIND] != LEAF]
    link = forest.links[node]
    width = table[layout.CLASSES] + layout.EVIDENCE
    address = table[layout.LEAVES_AT][event] + link[:, layout.FIRST] * width[event]
    return Walked(first, address, torch.where(link[:, layout.BUSIEST] < 0, -1, node - base))


def child_of(forest: Forest, at: Tensor, root: Tensor, x: Tensor) -> Tensor:
    """The children [n], by their numbers in their trees, to which branches [n] send values [n]."""
    link = forest.links[at]
    kind, tested = link[:, layout.KIND], forest.values[at, layout.VALUE]
    right = torch.where(kind == NUMERIC, x > tested, x != tested)
    child = torch.where(right, link[:, layout.LAST], link[:, layout.FIRST])
    lost = torch.isnan(x)
    many_ways = torch.nonzero((kind == NOMINAL_MULTIWAY) & ~lost)[:, 0]
    if many_ways.numel():
        child[many_ways] = by_edge(forest, root[many_ways], link[many_ways, layout.FIRST], x[many_ways])
    return torch.where(lost | (child < 0), link[:, layout.BUSIEST], child)


def by_edge(forest: Forest, root: Tensor, child: Tensor, x: Tensor) -> Tensor:
    """Along the children of multiway branches to those whose edges are the values, or -1."""
    searching = torch.arange(len(child), device=child.device)
    while searching.numel():
        at = root[searching] + child[searching]
        searching = searching[forest.values[at, layout.EDGE] != x[searching]]
        child[searching] = forest.links[root[searching] + child[searching], layout.NEXT]
        searching = searching[child[searching] >= 0]
    return child
