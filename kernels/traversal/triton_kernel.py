"""The walk as a Triton kernel. Imported only where Triton runs."""

from __future__ import annotations

import triton
import triton.language as tl

# Kinds of node, as `tocsin.kernels.hoeffding.pool.layout` numbers them.
LEAF = tl.constexpr(0)
NUMERIC = tl.constexpr(1)
MULTIWAY = tl.constexpr(3)


@triton.jit
def by_edge(edge, following, child, value, searching):
    """Along the children of multiway branches to the one whose edge is the value, or -1; addresses are a tree's."""
    searching = searching & (child >= 0)
    searching = searching & (tl.load(edge + child, mask=searching, other=0.0) != value)
    while tl.max(searching.to(tl.int32), 0) > 0:
        child = tl.where(searching, tl.load(following + child, mask=searching, other=-1), child)
        searching = searching & (child >= 0)
        searching = searching & (tl.load(edge + child, mask=searching, other=0.0) != value)
    return child


@triton.jit
def traverse_kernel(
    kind, feature, first, last, following, busiest, value, edge, X, out, B, E, N, F, BLOCK: tl.constexpr
):
    """The leaves of BLOCK events a program in one tree, int32 [B, E]."""
    event = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    e = tl.program_id(1)
    live = event < B
    tree = e.to(tl.int64) * N
    node = tl.zeros((BLOCK,), tl.int32)
    root = tl.load(busiest + tree + node, mask=live, other=-1)
    walking = live & (tl.load(kind + tree + node, mask=live, other=0) != LEAF) & (root >= 0)
    while tl.max(walking.to(tl.int32), 0) > 0:
        at = tree + node
        sort = tl.load(kind + at, mask=walking, other=0)
        x = tl.load(X + event * F + tl.load(feature + at, mask=walking, other=0), mask=walking, other=0.0)
        tested = tl.load(value + at, mask=walking, other=0.0)
        left = tl.load(first + at, mask=walking, other=0)
        right = tl.load(last + at, mask=walking, other=0)
        child = tl.where(tl.where(sort == NUMERIC, x > tested, x != tested), right, left)
        found = by_edge(edge + tree, following + tree, left, x, walking & (sort == MULTIWAY) & (x == x))
        child = tl.where(sort == MULTIWAY, found, child)
        lost = (x != x) | (child < 0)
        child = tl.where(lost, tl.load(busiest + at, mask=walking, other=0), child)
        node = tl.where(walking, child, node)
        walking = walking & (tl.load(kind + tree + node, mask=walking, other=0) != LEAF)
    tl.store(out + event * E + e, tl.where(root < 0, -1, node), mask=live)
