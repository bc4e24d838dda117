"""Fusion on the CPU: eight events at a time, one a lane, without logarithms.

With q = b / u of a discounted opinion every rule is a reduction that gives D = P - 1 for each class: Dempster's is
D <- D + q + D q. Kept as D, what one barely believes loses no digits. Experts are taken in order of reliability, so
that the exact early stop falls out on the way: the bound on what the remaining ones can add to log P is, as a factor
of P, 1 / product(1 - rho).

What fits no product (evidence beyond `MOST`, P beyond `FULL`, a bound below `FAINT`) is done anew for that event alone
in the log domain, by `careful`. Neither the batch nor an event's neighbours have a say in its bits: lanes are computed
alike, and every addition has its place.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from tocsin.kernels import lanes
from tocsin.kernels.compiled import kernel
from tocsin.kernels.fusion.careful import (
    AVERAGING,
    CAUTIOUS,
    CODES,
    DEMPSTER,
    MURPHY,
    fuse_event,
    sound,
)
from tocsin.kernels.fusion.interface import Bools, Evidence, Floats, Fused, Ints, Rule, check_values, registry
from tocsin.kernels.hoeffding.at import pointer
from tocsin.kernels.lanes import BYTES, WIDTH

MOST, FULL, FAINT = 1e30, 1e150, 1e-200
"""Products of sums up to MOST, of P up to FULL and of what is left down to FAINT all fit a float64."""
ANSWERS = 4
UNCERTAINTY, CONFLICT, USED, LOST = range(ANSWERS)
"""What `fuse_lanes` answers beside the belief; LOST is not 0 where an event has to be done by `careful`."""
SLACK = 1.0 + 1e-11
"""More than the rounding of the products that the early stop compares."""


@registry.register("numba")
def fuse_numba(evidence: Evidence, reliability: Floats, engaged: Bools | None, rule: Rule, prior: float) -> Fused:
    """Arguments as `checked` gives them. Raises ValueError where a value is out of its range."""
    B, E, K = evidence.shape
    fused = Fused(np.empty((B, K)), np.empty(B), np.empty(B), np.empty(B, np.int64))
    mask = np.empty((0, 0), np.bool_) if engaged is None else engaged
    if not fuse_rows(evidence, reliability, mask, CODES[rule], prior, *fused):
        check_values(evidence, reliability)
    return fused


@kernel
def fuse_rows(
    evidence: Evidence,
    rho: Floats,
    engaged: Bools,
    rule: int,
    prior: float,
    belief: Floats,
    uncertainty: Floats,
    conflict: Floats,
    used: Ints,
) -> bool:
    """Fuse B events; `engaged` is empty where all are. False where a number is out of its range."""
    B, E, K = evidence.shape
    trusted, ranked, places = np.empty((E, WIDTH)), np.empty((E, WIDTH)), np.empty((E, WIDTH), np.int64)
    memory, answer = np.empty((E + 1 + 3 * K + 1) * WIDTH), np.empty((ANSWERS, WIDTH))
    room = (memory.ctypes.data + BYTES - 1) // BYTES * BYTES
    alone = np.empty(E)
    right = True
    for start in range(0, B, WIDTH):
        right &= take_in(rho, engaged, start, trusted)
        rank(trusted, evidence, start, ranked, places)
        right &= fuse_lanes(evidence, places, ranked, room, rule, prior, answer)
        rows = min(WIDTH, B - start)
        hand_out(room + BYTES * (E + 1 + K), answer, start, rows, belief, uncertainty, conflict, used)
        for lane in range(rows):
            if answer[LOST, lane] != 0.0:
                b = start + lane
                for e in range(E):
                    alone[e] = trusted[e, lane]
                right &= sound(evidence[b], alone)
                if right:
                    uncertainty[b], conflict[b], used[b] = fuse_event(evidence[b], alone, rule, prior, belief[b])
    return right


@kernel
def take_in(rho: Floats, engaged: Bools, start: int, trusted: Floats) -> bool:
    """Eight events' reliabilities into `trusted` [E, 8], 0 for the disengaged; False where one is out of range.

    Lanes beyond the last event repeat it.
    """
    B, E = rho.shape
    right = True
    for lane in range(WIDTH):
        b = min(start + lane, B - 1)
        for e in range(E):
            value = rho[b, e]
            right &= value >= 0.0 and value <= 1.0
            trusted[e, lane] = value
        if engaged.size > 0:
            for e in range(E):
                if not engaged[b, e]:
                    trusted[e, lane] = 0.0
    return right


@kernel
def rank(trusted: Floats, evidence: Evidence, start: int, ranked: Floats, places: Ints) -> None:
    """Each lane's experts by reliability, the first of equals first.

    Into `ranked` [E, 8] their reliabilities, and into `places` [E, 8] the addresses of their evidence.
    """
    B, E, K = evidence.shape
    at, size = trusted.ctypes.data, evidence.itemsize
    row = np.empty(WIDTH)
    one, zero = lanes.spread(1.0), lanes.spread(0.0)
    for e in range(E):
        own = lanes.load(at + BYTES * e)
        ahead = zero
        for j in range(e):
            ahead = ahead + lanes.choose(lanes.load(at + BYTES * j) >= own, one, zero)
        for j in range(e + 1, E):
            ahead = ahead + lanes.choose(lanes.load(at + BYTES * j) > own, one, zero)
        lanes.store(row.ctypes.data, ahead)
        for lane in range(WIDTH):
            r = int(row[lane])
            b = min(start + lane, B - 1)
            ranked[r, lane] = trusted[e, lane]
            places[r, lane] = evidence.ctypes.data + size * K * (b * E + e)


@kernel
def fuse_lanes(
    evidence: Evidence, places: Ints, ranked: Floats, room: int, rule: int, prior: float, answer: Floats
) -> bool:
    """Eight events as `rank` left them; `room` is the address of 1 + E + 3 K vectors.

    The last K of them become the belief, `answer` the rest. False where evidence is negative.
    """
    E, K = evidence.shape[1:]
    left, x, excess, sums = room, room + BYTES * (E + 1), room + BYTES * (E + 1 + K), room + BYTES * (E + 1 + 2 * K)
    zero, one, weight = lanes.spread(0.0), lanes.spread(1.0), lanes.spread(prior)
    for k in range(K):
        lanes.store(excess + BYTES * k, zero)
        lanes.store(sums + BYTES * k, zero)
    lost, use = look_ahead(ranked, left)
    if not 1.0 / MOST <= prior <= MOST:
        lost = one >= zero
    lowest, said, said_squared, own, doubt = zero, zero, zero, zero, zero
    first, second = zero, zero
    for r in range(E):
        mass, squares, lowest = gather(evidence, places.ctypes.data + BYTES * r, x, lowest)
        lost = lanes.either(lost, lanes.neither(lanes.spread(MOST) >= mass))
        rho = lanes.load(ranked.ctypes.data + BYTES * r)
        total = mass + weight
        # prior + (1 - rho) mass, the uncertainty times the total: nothing cancels.
        under = lanes.fused(one - rho, mass, weight)
        inverse = one / (total * under)
        odds, share = rho * total * inverse, rho * under * inverse
        said = said + share * mass
        said_squared = said_squared + (share * mass) * (share * mass)
        own = lanes.fused(share * share, squares, own)
        doubt = lanes.fused(under * under, inverse, doubt)
        if rule == DEMPSTER:
            first, second = combine(x, excess, sums, K, odds, share)
            bound = (one + first) * lanes.load(left + BYTES * (r + 1)) > (one + second) * lanes.spread(SLACK)
            place = lanes.spread(r + 1.0)
            use = lanes.choose(lanes.both(bound, use > place), place, use) if K > 1 else use
        else:
            first = reduce(x, excess, sums, K, odds, share, rule)
    agreeing = zero - own
    for k in range(K):
        b = lanes.load(sums + BYTES * k)
        agreeing = lanes.fused(b, b, agreeing)
    pairs = said * said - said_squared
    conflict = (pairs - agreeing) / lanes.spread(E * (E - 1.0)) if E > 1 else zero
    if rule == MURPHY:
        first = power(sums, excess, K, doubt, E)
    Z = one
    for k in range(K):
        d = lanes.load(excess + BYTES * k)
        if rule == AVERAGING:
            d = d / lanes.spread(float(E))
        lanes.store(excess + BYTES * k, d)
        Z = Z + d
    inverse = one / Z
    for k in range(K):
        lanes.store(excess + BYTES * k, lanes.load(excess + BYTES * k) * inverse)
    lost = lanes.either(lost, lanes.neither(lanes.spread(FULL) >= first))
    at = answer.ctypes.data
    lanes.store(at + BYTES * UNCERTAINTY, inverse)
    lanes.store(at + BYTES * CONFLICT, lanes.larger(lanes.smaller(conflict, one), zero))
    lanes.store(at + BYTES * USED, use)
    lanes.store(at + BYTES * LOST, lanes.choose(lost, one, zero))
    return not lanes.some(zero > lowest)


@kernel
def look_ahead(ranked: Floats, left: int) -> tuple[Any, Any]:
    """Into E + 1 vectors at `left` the product of 1 - rho from each rank on.

    Returns where it is too small to tell, and how many experts have a say.
    """
    E = ranked.shape[0]
    zero, one = lanes.spread(0.0), lanes.spread(1.0)
    product, say, lost = one, zero, zero > one
    lanes.store(left + BYTES * E, one)
    for r in range(E - 1, -1, -1):
        rho = lanes.load(ranked.ctypes.data + BYTES * r)
        product = product * (one - rho)
        say = say + lanes.choose(rho > zero, one, zero)
        # Nothing is left beyond one who is trusted in full, and that is exact.
        lost = lanes.either(lost, lanes.both(lanes.spread(FAINT) > product, one > rho))
        lanes.store(left + BYTES * r, product)
    return lost, say


@kernel
def gather(evidence: Evidence, places: int, x: int, lowest: Any) -> tuple[Any, Any, Any]:
    """One expert's evidence for eight events into K vectors at `x`; returns its sum, the sum of its squares, and the
    lowest number seen.
    """
    K, size = evidence.shape[2], evidence.itemsize
    mass, squares = lanes.spread(0.0), lanes.spread(0.0)
    for k in range(0, K - 1, 2):
        one, other = lanes.gather_pair(places, size * k, evidence)
        lanes.store(x + BYTES * k, one)
        lanes.store(x + BYTES * (k + 1), other)
        mass = mass + one + other
        squares = lanes.fused(other, other, lanes.fused(one, one, squares))
        lowest = lanes.smaller(other, lanes.smaller(one, lowest))
    if K % 2 == 1:
        one = lanes.gather_one(places, size * (K - 1), evidence)
        lanes.store(x + BYTES * (K - 1), one)
        mass = mass + one
        squares = lanes.fused(one, one, squares)
        lowest = lanes.smaller(one, lowest)
    return mass, squares, lowest


@kernel
def combine(x: int, excess: int, sums: int, K: int, odds: Any, share: Any) -> tuple[Any, Any]:
    """Dempster's rule with one more expert; returns the two largest D."""
    one, first, second = lanes.spread(1.0), lanes.spread(0.0), lanes.spread(0.0)
    for k in range(K):
        e = lanes.load(x + BYTES * k)
        d = lanes.load(excess + BYTES * k)
        d = lanes.fused(odds * e, one + d, d)
        lanes.store(excess + BYTES * k, d)
        lanes.store(sums + BYTES * k, lanes.fused(share, e, lanes.load(sums + BYTES * k)))
        second = lanes.larger(second, lanes.smaller(first, d))
        first = lanes.larger(first, d)
    return first, second


@kernel
def reduce(x: int, excess: int, sums: int, K: int, odds: Any, share: Any, rule: int) -> Any:
    """The other rules with one more expert (Murphy's needs the sums of b alone); returns the largest D."""
    first = lanes.spread(0.0)
    for k in range(K):
        e = lanes.load(x + BYTES * k)
        d = lanes.load(excess + BYTES * k)
        d = lanes.larger(d, odds * e) if rule == CAUTIOUS else lanes.fused(odds, e, d)
        lanes.store(excess + BYTES * k, d)
        lanes.store(sums + BYTES * k, lanes.fused(share, e, lanes.load(sums + BYTES * k)))
        first = lanes.larger(first, d)
    return first


@kernel
def power(sums: int, excess: int, K: int, doubt: Any, E: int) -> Any:
    """Murphy's rule: D of (1 + mean b / mean u) to the power of E, by squaring; returns the largest."""
    one, first = lanes.spread(1.0), lanes.spread(0.0)
    for k in range(K):
        base, d = lanes.load(sums + BYTES * k) / doubt, lanes.spread(0.0)
        n = E
        while n > 0:
            if n % 2 == 1:
                d = lanes.fused(base, one + d, d)
            base = lanes.fused(base, one + base, base)
            n //= 2
        lanes.store(excess + BYTES * k, d)
        first = lanes.larger(first, d)
    return first


@kernel
def hand_out(
    excess: int,
    answer: Floats,
    start: int,
    rows: int,
    belief: Floats,
    uncertainty: Floats,
    conflict: Floats,
    used: Ints,
) -> None:
    """From lanes to the rows of the result."""
    beliefs = numba.carray(pointer(excess), (belief.shape[1], WIDTH), np.float64)
    for lane in range(rows):
        b = start + lane
        for k in range(belief.shape[1]):
            belief[b, k] = beliefs[k, lane]
        uncertainty[b] = answer[UNCERTAINTY, lane]
        conflict[b] = answer[CONFLICT, lane]
        used[b] = int(answer[USED, lane])
