"""The discriminants of rare classes as Triton kernels. Imported only where Triton runs."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def linear_kernel(offsets, slope, offset, out, B, D, V, H, BLOCK: tl.constexpr):
    """The linear discriminants of BLOCK events, one a program, [V, H, B].

    Offsets [D, V, B], slope [V, H, D] and offset [V, H].
    """
    event = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    head = tl.program_id(1)
    live = event < B
    total = tl.load(offset + head) + tl.zeros((BLOCK,), tl.float64)
    at = offsets + (head // H).to(tl.int64) * B + event
    for f in range(D):
        total += tl.load(slope + head * D + f) * tl.load(at, mask=live, other=0.0)
        at += V * B
    tl.store(out + head.to(tl.int64) * B + event, total, mask=live)


@triton.jit
def solve_kernel(offsets, centre, factor, out, B, D, V, BLOCK: tl.constexpr, DP: tl.constexpr):
    """The squared lengths |L^-1 (o - c)|^2 of BLOCK events, one system a program, [S, V, B].

    Offsets [D, V, B], centre [S, V, D] and lower triangular factors [S, V, D, D]; DP is a power of two, at least D.
    """
    event = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    system = tl.program_id(1)
    live, row = event < B, tl.arange(0, DP)
    known = row < D
    at = offsets + (row.to(tl.int64) * V + system % V)[:, None] * B + event[None, :]
    rest = tl.load(at, mask=known[:, None] & live[None, :], other=0.0)
    rest = rest - tl.load(centre + system * D + row, mask=known, other=0.0)[:, None]
    matrix = factor + system.to(tl.int64) * D * D
    length = tl.zeros((BLOCK,), tl.float64)
    for i in range(D):
        solved = tl.sum(tl.where((row == i)[:, None], rest, 0.0), 0) / tl.load(matrix + i * D + i)
        length += solved * solved
        below = known & (row > i)
        column = tl.load(matrix + row * D + i, mask=below, other=0.0)
        rest = tl.where(below[:, None], rest - column[:, None] * solved[None, :], rest)
    tl.store(out + system.to(tl.int64) * B + event, length, mask=live)
