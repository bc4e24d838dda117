"""Trees asked by a Triton kernel: each program walks a block of events down one tree, and then lets the leaves answer.

Imported only where Triton runs. The columns and constants are those of `tocsin.kernels.hoeffding.copying`.
"""

from __future__ import annotations

import triton
import triton.language as tl

from tocsin.kernels.hoeffding.copying import categories as table
from tocsin.kernels.hoeffding.copying import layout
from tocsin.kernels.hoeffding.pool import layout as pool
from tocsin.kernels.hoeffding.tree import leaves

KIND, FEATURE, FIRST = tl.constexpr(layout.KIND), tl.constexpr(layout.FEATURE), tl.constexpr(layout.FIRST)
LAST, BUSIEST, SLOT = tl.constexpr(layout.LAST), tl.constexpr(layout.BUSIEST), tl.constexpr(layout.SLOT)
LISTS, LINKS, CELL = tl.constexpr(layout.LISTS), tl.constexpr(layout.LINKS), tl.constexpr(layout.CELL)
CATEGORY, WORTH = tl.constexpr(layout.CATEGORY), tl.constexpr(layout.WORTH)
MEANS, SCALES = tl.constexpr(layout.MEANS), tl.constexpr(layout.SCALES)
NORMS, TERMS = tl.constexpr(layout.NORMS), tl.constexpr(layout.TERMS)
EMPTY, LEAF = tl.constexpr(layout.EMPTY), tl.constexpr(pool.LEAF)
NUMERIC, MULTIWAY = tl.constexpr(pool.NUMERIC), tl.constexpr(pool.NOMINAL_MULTIWAY)
LOW, SHIFT, HALF = tl.constexpr(table.LOW), tl.constexpr(table.SHIFT), tl.constexpr(table.HALF)
BY_LOW, BY_HIGH = tl.constexpr(table.BY_LOW), tl.constexpr(table.BY_HIGH)
BY_OWNER, BY_MIX = tl.constexpr(table.BY_OWNER), tl.constexpr(table.BY_MIX)
FAR = tl.constexpr(1.3407807929942596e154)
"""The square of what is further away is infinite: its density is 0, which says nothing."""
HALF_LOG_TAU = tl.constexpr(leaves.HALF_LOG_TAU)
INF = tl.constexpr(float("inf"))
LEAST = tl.constexpr(-1e300)
"""Below every vote of a class that a leaf has seen. It is finite, so that differences of votes are."""


@triton.jit
def find(cells, H, owner, value, searching):
    """Whether owners have categories, and what belongs to them, int64; along the table to a cell that is not in use."""
    bits = tl.where(value == 0.0, 0.0, value).to(tl.int64, bitcast=True)
    mixed = (bits & LOW) * BY_LOW ^ ((bits >> SHIFT) & LOW) * BY_HIGH ^ (owner & LOW) * BY_OWNER
    mixed = ((mixed ^ (mixed >> SHIFT)) & LOW) * BY_MIX
    at = (mixed ^ (mixed >> HALF)) & (H - 1)
    own = tl.load(cells + at * CELL, mask=searching, other=0)
    worth = owner * 0
    found = owner != owner
    searching = searching & (own != 0)
    while tl.max(searching.to(tl.int32), 0) > 0:
        category = tl.load(cells + at * CELL + CATEGORY, mask=searching, other=0)
        hit = searching & (own == owner) & (category == bits)
        worth = tl.where(hit, tl.load(cells + at * CELL + WORTH, mask=hit, other=0), worth)
        found = found | hit
        searching = searching & (found == 0)
        at = tl.where(searching, (at + 1) & (H - 1), at)
        own = tl.load(cells + at * CELL, mask=searching, other=0)
        searching = searching & (own != 0)
    return found, worth


@triton.jit
def walk(links, values, cells, X, event, base, live, F, H, NOMINAL: tl.constexpr):
    """The rows of the leaves in which a block of events ends."""
    row = base + event * 0
    kind = tl.load(links + row * LINKS + KIND, mask=live, other=0)
    walking = live & (kind != LEAF) & (kind != EMPTY)
    while tl.max(walking.to(tl.int32), 0) > 0:
        at = links + row * LINKS
        x = tl.load(X + event * F + tl.load(at + FEATURE, mask=walking, other=0), mask=walking, other=0.0)
        tested = tl.load(values + row, mask=walking, other=0.0)
        right = tl.where(kind == NUMERIC, x > tested, x != tested)
        child = tl.load(at + tl.where(right, LAST, FIRST), mask=walking, other=0).to(tl.int64)
        lost = x != x
        if NOMINAL:
            multiway = walking & (kind == MULTIWAY)
            owner = -tl.load(at + LISTS, mask=multiway, other=0).to(tl.int64) - 1
            found, named = find(cells, H, owner, x, multiway & (x == x))
            child = tl.where(multiway, named, child)
            lost = lost | (multiway & (found == 0))
        child = tl.where(lost, tl.load(at + BUSIEST, mask=walking, other=0).to(tl.int64), child)
        row = tl.where(walking, base + child, row)
        kind = tl.load(links + row * LINKS + KIND, mask=walking, other=0)
        walking = walking & (kind != LEAF)
    return row


@triton.jit
def density_of_numbers(moments, X, event, at, weighs, F, TILE: tl.constexpr):
    """The sum of a class's log densities of all numbers, TILE of them at a time; `at` is the class's row of moments."""
    total = tl.zeros_like(at).to(tl.float64)
    for first in range(0, F, TILE):
        f = first + tl.arange(0, TILE)[None, :]
        here = weighs[:, None] & (f < F)
        own = moments + at[:, None] * TERMS * F + f
        x = tl.load(X + event[:, None] * F + f, mask=here, other=0.0)
        scale = tl.load(own + SCALES * F, mask=here, other=0.0)
        told = here & (scale != 0.0) & (x == x)
        away = tl.where(told, x, 0.0) - tl.load(own + MEANS * F, mask=told, other=0.0)
        told = told & (tl.abs(away) <= FAR)
        away = tl.where(told, away, 0.0)
        norm = tl.load(own + NORMS * F, mask=told, other=0.0)
        density = away * away / tl.where(told, scale, 1.0) - HALF_LOG_TAU - norm
        total += tl.sum(tl.where(told & (density > -INF), density, 0.0), 1)
    return total


@triton.jit
def density_of_categories(moments, cells, columns, X, event, at, lists, k, weighs, F, K, C, H):
    """The sum of a class's log shares of all categories."""
    total = tl.zeros_like(at).to(tl.float64)
    for c in range(C):
        f = tl.load(columns + c)
        x = tl.load(X + event * F + f, mask=weighs, other=0.0)
        seen = tl.load(moments + (at * TERMS + MEANS) * F + f, mask=weighs, other=0.0)
        found, worth = find(cells, H, (lists * C + c) * K + k + 1, x, weighs & (x == x) & (seen != 0.0))
        share = worth.to(tl.float64, bitcast=True) / tl.where(found, seen, 1.0)
        told = found & (share > 0.0)
        total += tl.where(told, tl.log(tl.where(told, share, 1.0)), 0.0)
    return total


@triton.jit(do_not_specialize=["B"])  # or it would be compiled anew for a single event
def trees_kernel(
    links,
    values,
    answers,
    moments,
    cells,
    columns,
    X,
    leaf,
    p,
    support,
    B,
    T,
    N,
    F,
    K,
    C,
    H,
    BAYES: tl.constexpr,
    NOMINAL: tl.constexpr,
    BLOCK: tl.constexpr,
    TILE: tl.constexpr,
):
    """`tocsin.kernels.device.trees.tensors.Answers` of BLOCK events a program in one tree."""
    event = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    t = tl.program_id(1).to(tl.int64)
    live = event < B
    base = t * N
    row = walk(links, values, cells, X, event, base, live, F, H, NOMINAL)
    kind = tl.load(links + row * LINKS + KIND, mask=live, other=0)
    tl.store(leaf + event * T + t, tl.where(kind == EMPTY, -1, row - base), mask=live)
    answer = answers + row * (K + 1)
    tl.store(support + event * T + t, tl.load(answer + K, mask=live, other=0.0), mask=live)
    slot = tl.load(links + row * LINKS + SLOT, mask=live, other=-1).to(tl.int64)
    lists = tl.load(links + row * LINKS + LISTS, mask=live, other=0).to(tl.int64)
    bayes = live & (slot >= 0)
    out = p + (event * T + t) * K
    if not BAYES:
        for k in range(K):
            tl.store(out + k, tl.load(answer + k, mask=live, other=0.0), mask=live)
    else:
        # The sum of exp(vote - highest) is kept up while votes are found.
        highest = tl.zeros((BLOCK,), tl.float64) + LEAST
        total = tl.zeros((BLOCK,), tl.float64)
        for k in range(K):
            prior = tl.load(answer + k, mask=live, other=0.0)
            weighs = bayes & (tl.abs(prior) != INF)
            density = density_of_numbers(moments, X, event, slot * K + k, weighs, F, TILE)
            if NOMINAL:
                at = slot * K + k
                density += density_of_categories(moments, cells, columns, X, event, at, lists, k, weighs, F, K, C, H)
            vote = tl.where(bayes & (prior == INF), 0.0, prior + density)
            tl.store(out + k, vote, mask=live)
            felt = tl.where(vote == -INF, LEAST, vote)
            before = highest
            highest = tl.maximum(highest, felt)
            more = tl.where(vote == -INF, 0.0, tl.exp(felt - highest))
            total = total * tl.exp(before - highest) + more
        norm = tl.where(bayes, highest + tl.log(tl.where(bayes, total, 1.0)), 0.0)
        tl.debug_barrier()
        for k in range(K):
            vote = tl.load(out + k, mask=live, other=0.0)
            tl.store(out + k, tl.where(bayes, tl.exp(tl.where(bayes, vote - norm, 0.0)), vote), mask=live)
