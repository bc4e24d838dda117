"""The search of a window as a Triton kernel. Imported only where Triton runs."""

from __future__ import annotations

import triton
import triton.language as tl

LATER = tl.constexpr(2**30)
"""More than any age."""


@triton.jit
def block_distances(
    x_at, column_at, factor, nominal, live, inside, B, W, F, sums, FAR: tl.constexpr, UNKNOWN: tl.constexpr
):
    """Add the squared distances of a block of events to a block of the window to `sums` [events, ages].

    `x_at` and `column_at` point at the first column of both. Columns are added in their order.
    """
    for f in range(F):
        scale = tl.load(factor + f)
        if scale != 0.0:
            x = tl.load(x_at, mask=live, other=float("nan"))[:, None]
            column = tl.load(column_at, mask=inside, other=float("nan"))[None, :]
            apart = tl.abs(x - column) * scale
            apart = tl.where(apart > FAR, FAR, apart)
            square = apart * apart
            square = tl.where(square != square, UNKNOWN, square)
            kind = tl.load(nominal + f)
            square = tl.where(kind != 0, tl.where(x == column, 0.0, UNKNOWN), square)
            sums += tl.where(x == x, square, 0.0)
        x_at += B
        column_at += W
    return sums


@triton.jit
def nearest_kernel(
    X,
    columns,
    factor,
    nominal,
    held,
    to_distance,
    to_age,
    B,
    W,
    F,
    k,
    KP: tl.constexpr,
    BLOCK: tl.constexpr,
    AGES: tl.constexpr,
    SPAN: tl.constexpr,
    FAR: tl.constexpr,
    UNKNOWN: tl.constexpr,
):
    """The k nearest of SPAN ages to BLOCK events a program, nearest first.

    X [F, B], columns [F, W] by age; `to_distance` and `to_age` int32 are [spans, B, k]. Where a span holds fewer events
    the distance is infinite and the age below 0. KP is a power of two that is at least k.
    """
    event = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = event < B
    count = tl.load(held).to(tl.int32)
    place = tl.arange(0, KP)[None, :]
    zero = tl.zeros((BLOCK, 1), tl.float64)
    best = tl.where(place < k, float("inf"), float("-inf")) + zero
    # No two ages are equal, not even where nobody was found.
    ages = tl.zeros((BLOCK, 1), tl.int32) - 1 - place
    for start in range(0, SPAN, AGES):
        age = tl.program_id(1) * SPAN + start + tl.arange(0, AGES)
        inside = age < tl.minimum(count, W)
        sums = tl.zeros((BLOCK, AGES), tl.float64)
        sums = block_distances(X + event, columns + age, factor, nominal, live, inside, B, W, F, sums, FAR, UNKNOWN)
        sums = tl.where(inside[None, :] & live[:, None], sums, float("inf"))
        nearer = tl.min(sums, 1)
        worst = tl.max(best, 1)
        while tl.max((nearer < worst).to(tl.int32), 0) > 0:
            found = tl.min(tl.where(sums == nearer[:, None], age[None, :], LATER), 1)
            # Of those kept that are farthest, the oldest makes room.
            farthest = best == worst[:, None]
            oldest = tl.max(tl.where(farthest, ages, -LATER), 1)
            leaves = farthest & (ages == oldest[:, None]) & (nearer < worst)[:, None]
            best = tl.where(leaves, nearer[:, None], best)
            ages = tl.where(leaves, found[:, None], ages)
            sums = tl.where(age[None, :] == found[:, None], float("inf"), sums)
            nearer = tl.min(sums, 1)
            worst = tl.max(best, 1)
    rest = (place < k) & (ages < LATER)
    out = (tl.program_id(1).to(tl.int64) * B + event) * k
    for i in range(k):
        nearest = tl.min(tl.where(rest, best, float("inf")), 1)
        found = tl.min(tl.where(rest & (best == nearest[:, None]), ages, LATER), 1)
        rest = rest & (ages != found[:, None])
        tl.store(to_distance + out + i, nearest, mask=live)
        tl.store(to_age + out + i, found, mask=live)
