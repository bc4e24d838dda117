"""Distances of events from moving centres as a Triton kernel. Imported only where Triton runs."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def distances_kernel(
    X,
    centres,
    factor,
    to_squared,
    to_largest,
    B,
    C,
    F,
    FARTHEST: tl.constexpr,
    BLOCK: tl.constexpr,
    PLACES: tl.constexpr,
):
    """The distances of BLOCK events from PLACES centres a program, in both norms, [B, C].

    X [F, B], NaN where nothing is known, and centres [F, C]. Columns are added in their order.
    """
    event = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    place = tl.program_id(1) * PLACES + tl.arange(0, PLACES)
    live, inside = event < B, place < C
    x_at, centre_at = X + event, centres + place
    squared = tl.zeros((BLOCK, PLACES), tl.float64)
    largest = tl.zeros((BLOCK, PLACES), tl.float64)
    for f in range(F):
        scale = tl.load(factor + f)
        if scale > 0.0:
            x = tl.load(x_at, mask=live, other=float("nan"))[:, None]
            centre = tl.load(centre_at, mask=inside, other=0.0)[None, :]
            away = tl.abs(x - centre) * scale
            away = tl.where(away > FARTHEST, FARTHEST, away)
            away = tl.where(x == x, away, 0.0)
            squared += away * away
            largest = tl.where(away > largest, away, largest)
        x_at += B
        centre_at += C
    cell = event[:, None] * C + place[None, :]
    tl.store(to_squared + cell, squared, mask=live[:, None] & inside[None, :])
    tl.store(to_largest + cell, largest, mask=live[:, None] & inside[None, :])
