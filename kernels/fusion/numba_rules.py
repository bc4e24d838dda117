"""The rules of combination on a block of events: D = P - 1 of every class, and what follows from it.

With q = b / u of a discounted opinion, every rule is a reduction over the experts that gives D for each class.
Dempster's is D <- D + q + D q. Storing D instead of P avoids cancellation when P is near 1.
"""

from __future__ import annotations

from tocsin.kernels.common.arithmetic import fma
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.fusion.log_domain import AVERAGING, CAUTIOUS
from tocsin.kernels.fusion.numba_block import (
    BELIEFS,
    CONFLICT,
    EXCESS,
    FIRST,
    LARGEST,
    LOST,
    ODDS,
    REMAINING,
    SECOND,
    SHARE,
    UNCERTAINTY,
    USED,
    Block,
)

FULL = 1e150
"""Products of P up to FULL fit a float64. An event beyond it is lost."""
SLACK = 1.0 + 1e-11
"""A factor above the rounding error of the products that the early stop compares."""


@kernel
def multiply(block: Block, n: int) -> None:
    """Dempster's rule into EXCESS, and BELIEFS. The evidence of each rank is replaced by D after that rank."""
    E, K = block.evidence.shape[:2]
    for k in range(K):
        D, belief = block.classes[EXCESS, k], block.classes[BELIEFS, k]
        for i in range(n):
            D[i] = 0.0
            belief[i] = 0.0
        for r in range(E):
            evidence, odds, share = block.evidence[r, k], block.experts[ODDS, r], block.experts[SHARE, r]
            for i in range(n):
                belief[i] = fma(share[i], evidence[i], belief[i])
                D[i] = fma(odds[i] * evidence[i], 1.0 + D[i], D[i])
                evidence[i] = D[i]


@kernel
def add(block: Block, n: int, rule: int) -> None:
    """The cautious, cumulative and averaging rules into EXCESS: the maximum, sum and mean of q."""
    E, K = block.evidence.shape[:2]
    for k in range(K):
        D = block.classes[EXCESS, k]
        for i in range(n):
            D[i] = 0.0
        for r in range(E):
            evidence, odds = block.evidence[r, k], block.experts[ODDS, r]
            if rule == CAUTIOUS:
                for i in range(n):
                    q = odds[i] * evidence[i]
                    D[i] = D[i] if D[i] > q else q
            else:
                for i in range(n):
                    D[i] = fma(odds[i], evidence[i], D[i])
        if rule == AVERAGING:
            for i in range(n):
                D[i] /= E


@kernel
def add_beliefs(block: Block, n: int) -> None:
    """The sum of b over the experts into BELIEFS."""
    E, K = block.evidence.shape[:2]
    for k in range(K):
        belief = block.classes[BELIEFS, k]
        for i in range(n):
            belief[i] = 0.0
        for r in range(E):
            evidence, share = block.evidence[r, k], block.experts[SHARE, r]
            for i in range(n):
                belief[i] = fma(share[i], evidence[i], belief[i])


@kernel
def raise_mean(block: Block, n: int) -> None:
    """Murphy's rule into EXCESS, from BELIEFS: (1 + mean b / mean u) to the power of E, by squaring."""
    E, K = block.evidence.shape[:2]
    base, doubt = block.events[FIRST], block.events[UNCERTAINTY]
    for k in range(K):
        D, belief = block.classes[EXCESS, k], block.classes[BELIEFS, k]
        for i in range(n):
            D[i] = 0.0
            base[i] = belief[i] / doubt[i]
        power = E
        while power > 0:
            if power % 2 == 1:
                for i in range(n):
                    D[i] = fma(base[i], 1.0 + D[i], D[i])
            for i in range(n):
                base[i] = fma(base[i], 1.0 + base[i], base[i])
            power //= 2


@kernel
def find_largest(block: Block, n: int) -> None:
    """The largest D of all classes into LARGEST, and LOST where a product of it may not fit."""
    largest, lost = block.events[LARGEST], block.events[LOST]
    for i in range(n):
        largest[i] = 0.0
    for k in range(block.classes.shape[1]):
        D = block.classes[EXCESS, k]
        for i in range(n):
            largest[i] = largest[i] if largest[i] > D[i] else D[i]
            lost[i] = lost[i] if D[i] <= FULL else 1.0


@kernel
def stop_early(block: Block, n: int) -> None:
    """Lower USED to the first rank after which no later expert can change the order of the two best classes.

    Works on D after each rank, which `multiply` left in `evidence`. The remaining experts can raise the P of one class
    by a factor of 1 / product(1 - rho) at most.
    """
    E, K = block.evidence.shape[:2]
    used, largest = block.events[USED], block.events[LARGEST]
    best, next_best = block.events[FIRST], block.events[SECOND]
    for r in range(E):
        place, remaining = r + 1.0, block.experts[REMAINING, r + 1]
        # Most ranks need no search for the two best: the final D bounds the best, and 0 the next best.
        possible = False
        for i in range(n):
            possible |= (used[i] > place) & ((1.0 + largest[i]) * remaining[i] > SLACK)
        if not possible:
            continue
        for i in range(n):
            best[i] = 0.0
            next_best[i] = 0.0
        for k in range(K):
            D = block.evidence[r, k]
            for i in range(n):
                low = D[i] if D[i] < best[i] else best[i]
                next_best[i] = next_best[i] if next_best[i] > low else low
                best[i] = best[i] if best[i] > D[i] else D[i]
        for i in range(n):
            enough = (1.0 + best[i]) * remaining[i] > (1.0 + next_best[i]) * SLACK
            used[i] = place if enough & (used[i] > place) else used[i]


@kernel
def normalise(block: Block, n: int) -> None:
    """From D to the fused belief in EXCESS and the fused UNCERTAINTY; CONFLICT becomes the mean over the pairs."""
    E, K = block.evidence.shape[:2]
    Z, conflict = block.events[UNCERTAINTY], block.events[CONFLICT]
    for i in range(n):
        Z[i] = 1.0
    for k in range(K):
        D, belief = block.classes[EXCESS, k], block.classes[BELIEFS, k]
        for i in range(n):
            Z[i] += D[i]
            conflict[i] = fma(0.0 - belief[i], belief[i], conflict[i])
    for i in range(n):
        Z[i] = 1.0 / Z[i]
        mean = conflict[i] / (E * (E - 1.0)) if E > 1 else 0.0
        mean = mean if mean < 1.0 else 1.0
        conflict[i] = mean if mean > 0.0 else 0.0
    for k in range(K):
        D = block.classes[EXCESS, k]
        for i in range(n):
            D[i] *= Z[i]
