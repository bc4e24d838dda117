"""Up to `WIDTH` events side by side, as the numba back end fuses them.

Every quantity is a row of an array, and every event a column. The inner loop of each kernel runs along a row, where
all events do the same arithmetic, and LLVM turns such a loop into vector instructions. Each event's sums are taken in
one fixed order, so its result does not depend on its neighbours, to the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tocsin.kernels.common.arithmetic import fma
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.fusion.interface import Bools, Evidence, Floats, Ints

WIDTH = 64
"""Events in a block. (Measured at E = 9, K = 2 and at E = 12, K = 10: 16 and 32 are up to a half slower.)"""
PADDING = 8
"""Columns that no event uses. Without them rows lie a power of two apart and compete for the same cache lines."""
MOST, FAINT = 1e30, 1e-200
"""Products of sums up to MOST, and of what remains down to FAINT, fit a float64. An event beyond them is lost."""

RELIABILITY, RANKED, REMAINING, ODDS, SHARE = range(5)
"""What `Block.experts` holds. RELIABILITY stands in the order of the experts, 0 for one who is not engaged. All else
stands by rank: RANKED, the reliabilities again; REMAINING, the product of 1 - rho over this rank and all later ones;
ODDS and SHARE, what evidence is multiplied by to get b / u and b of the discounted opinion."""
BELIEFS, EXCESS = range(2)
"""What `Block.classes` holds: the sum of b over the experts, and D = P - 1, which in the end is the fused belief."""
UNCERTAINTY, CONFLICT, USED, LOST, LARGEST, FIRST, SECOND, THIRD = range(8)
"""What `Block.events` holds: the sum of u over the experts, in the end the fused uncertainty; the conflict; how many
experts the decision needed; 1 where a product does not fit a float64, so that the event has to be fused in the log
domain; the largest D of all classes; and three rows that a kernel works on."""


class Block(NamedTuple):
    """The working memory for W events: the last dimension of each array is the event."""

    rank: Ints
    """[E, W], each expert's place by reliability: 0 for the most reliable, the first of equals first."""
    experts: Floats
    """[5, E + 1, W]"""
    evidence: Floats
    """[E, K, W], by rank and class. Dempster's rule replaces it by D after each rank."""
    classes: Floats
    """[2, K, W]"""
    events: Floats
    """[8, W]"""


@kernel
def new_block(E: int, K: int, events: int) -> Block:
    """Working memory for so many events at once, at most `WIDTH`. Nothing in it is initialised."""
    W = min(events, WIDTH) + PADDING
    return Block(
        np.empty((E, W), np.int64),
        np.empty((5, E + 1, W)),
        np.empty((E, K, W)),
        np.empty((2, K, W)),
        np.empty((8, W)),
    )


@kernel
def take_reliability(block: Block, reliability: Floats, engaged: Bools, start: int, n: int) -> bool:
    """Read n events' reliabilities from row `start` on and rank the experts; `engaged` is empty where all are.

    Returns False where a reliability is not in [0, 1].
    """
    E = reliability.shape[1]
    rank, trust = block.rank, block.experts[RELIABILITY]
    in_range = True
    for i in range(n):
        for e in range(E):
            rho = reliability[start + i, e]
            in_range &= bool((rho >= 0.0) & (rho <= 1.0))
            if engaged.size > 0 and not engaged[start + i, e]:
                rho = 0.0
            trust[e, i] = rho
            rank[e, i] = 0
    # Comparing all pairs takes no branch, and so it runs as vectors; a sort would not.
    for e in range(E):
        for earlier in range(e):
            for i in range(n):
                behind = np.int64(trust[earlier, i] >= trust[e, i])
                rank[e, i] += behind
                rank[earlier, i] += 1 - behind
    return in_range


@kernel
def take_evidence(block: Block, evidence: Evidence, start: int, n: int) -> bool:
    """Read n events' evidence [B, E, K] from row `start` on, by rank. Returns False where a number is negative."""
    E, K = evidence.shape[1:]
    trust, ranked = block.experts[RELIABILITY], block.experts[RANKED]
    in_range = True
    for i in range(n):
        for e in range(E):
            r = block.rank[e, i]
            ranked[r, i] = trust[e, i] + 0.0  # -0.0 becomes 0.0
            for k in range(K):
                value = np.float64(evidence[start + i, e, k])
                in_range &= bool(value >= 0.0)
                block.evidence[r, k, i] = value
    return in_range


@kernel
def look_ahead(block: Block, n: int) -> None:
    """Fill REMAINING, count the experts with a reliability above 0 into USED, and begin LOST."""
    E = block.rank.shape[0]
    ranked, remaining = block.experts[RANKED], block.experts[REMAINING]
    used, lost = block.events[USED], block.events[LOST]
    for i in range(n):
        used[i] = 0.0
        lost[i] = 0.0
        remaining[E, i] = 1.0
    for r in range(E - 1, -1, -1):
        for i in range(n):
            rho = ranked[r, i]
            product = remaining[r + 1, i] * (1.0 - rho)
            remaining[r, i] = product
            used[i] += 1.0 if rho > 0.0 else 0.0
            # A product of exactly 0, because an expert is trusted in full, is exact and not lost.
            if (product < FAINT) & (rho < 1.0):
                lost[i] = 1.0


@kernel
def weigh(block: Block, n: int, prior: float) -> None:
    """Fill ODDS and SHARE, put the sum of u into UNCERTAINTY, and find lost events.

    Into CONFLICT goes the product of all experts' masses with each other, less each expert's with itself and plus
    the part of that on which it agrees with itself. Less the squares of BELIEFS, it is the conflict of all pairs.
    """
    E = block.rank.shape[0]
    doubt, conflict, lost = block.events[UNCERTAINTY], block.events[CONFLICT], block.events[LOST]
    believed, mass, squares = block.events[FIRST], block.events[SECOND], block.events[THIRD]
    fits = 1.0 / MOST <= prior <= MOST
    for i in range(n):
        doubt[i] = 0.0
        conflict[i] = 0.0
        believed[i] = 0.0
        if not fits:
            lost[i] = 1.0
    for r in range(E):
        add_up(block, n, r)
        ranked, odds, share = block.experts[RANKED, r], block.experts[ODDS, r], block.experts[SHARE, r]
        for i in range(n):
            rho = ranked[i]
            total = mass[i] + prior
            # prior + (1 - rho) mass is the uncertainty times the total. All terms are positive, so nothing cancels.
            under = fma(1.0 - rho, mass[i], prior)
            inverse = 1.0 / (total * under)
            odds[i] = rho * total * inverse
            share[i] = rho * under * inverse
            doubt[i] = fma(under * under, inverse, doubt[i])
        for i in range(n):
            b = share[i] * mass[i]
            believed[i] += b
            conflict[i] += fma(share[i] * share[i], squares[i], 0.0 - b * b)
            if not mass[i] <= MOST:
                lost[i] = 1.0
    for i in range(n):
        conflict[i] = fma(believed[i], believed[i], conflict[i])


@kernel
def add_up(block: Block, n: int, r: int) -> None:
    """The sum of one rank's evidence into SECOND and the sum of its squares into THIRD.

    The order of the additions is part of the result: classes are added four at a time, squares in two chains.
    """
    K = block.evidence.shape[1]
    evidence, mass, even, odd = block.evidence[r], block.events[SECOND], block.events[THIRD], block.events[LARGEST]
    for i in range(n):
        mass[i] = 0.0
        even[i] = 0.0
        odd[i] = 0.0
    k = 0
    while k + 4 <= K:
        a, b, c, d = evidence[k], evidence[k + 1], evidence[k + 2], evidence[k + 3]
        for i in range(n):
            mass[i] += (a[i] + b[i]) + (c[i] + d[i])
            even[i] = fma(c[i], c[i], fma(a[i], a[i], even[i]))
            odd[i] = fma(d[i], d[i], fma(b[i], b[i], odd[i]))
        k += 4
    if k + 2 <= K:
        a, b = evidence[k], evidence[k + 1]
        for i in range(n):
            mass[i] += a[i] + b[i]
            even[i] = fma(a[i], a[i], even[i])
            odd[i] = fma(b[i], b[i], odd[i])
        k += 2
    if k < K:
        a = evidence[k]
        for i in range(n):
            mass[i] += a[i]
            even[i] = fma(a[i], a[i], even[i])
    for i in range(n):
        even[i] += odd[i]
