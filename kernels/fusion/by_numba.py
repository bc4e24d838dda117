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

import numpy as np
from numba import carray

from tocsin.kernels import lanes
from tocsin.kernels.compiled import inlined, kernel
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
    memory, answer = np.empty((3 * E + 1 + 3 * K + 1) * WIDTH), np.empty((ANSWERS, WIDTH))
    ranked = (memory.ctypes.data + BYTES - 1) // BYTES * BYTES
    places, room = ranked + BYTES * E, ranked + 2 * BYTES * E
    spare, alone, order = np.empty((WIDTH, K)), np.empty(E), sorting_network(E)
    right = True
    for start in range(0, B, WIDTH):
        right &= take_in(rho, engaged, start, ranked)
        rank(evidence, start, ranked, places, order)
        right &= fuse_lanes(evidence, places, ranked, room, rule, prior, answer)
        rows = min(WIDTH, B - start)
        if rows == WIDTH:
            hand_out(room + BYTES * (E + 1 + K), belief[start : start + WIDTH])
        else:
            hand_out(room + BYTES * (E + 1 + K), spare)
            belief[start:] = spare[:rows]
        for lane in range(rows):
            b = start + lane
            uncertainty[b] = answer[UNCERTAINTY, lane]
            conflict[b] = answer[CONFLICT, lane]
            used[b] = int(answer[USED, lane])
            if answer[LOST, lane] != 0.0:
                right &= sound(evidence[b], rho[b])
                for e in range(E):
                    alone[e] = rho[b, e] if engaged.size == 0 or engaged[b, e] else 0.0
                if right:
                    uncertainty[b], conflict[b], used[b] = fuse_event(evidence[b], alone, rule, prior, belief[b])
    return right


@inlined
def row_addresses(first: int, size: int, start: int, B: int) -> Any:
    """The addresses of eight rows of `size` bytes from `start` on; lanes beyond the last of B rows repeat it."""
    last = B - 1
    return (
        first + size * min(start, last),
        first + size * min(start + 1, last),
        first + size * min(start + 2, last),
        first + size * min(start + 3, last),
        first + size * min(start + 4, last),
        first + size * min(start + 5, last),
        first + size * min(start + 6, last),
        first + size * min(start + 7, last),
    )


@inlined
def take_in(rho: Floats, engaged: Bools, start: int, ranked: int) -> bool:
    """Eight events' reliabilities into E vectors at `ranked`, 0 for the disengaged; False where one is out of range."""
    B, E = rho.shape
    rows = row_addresses(rho.ctypes.data, 8 * E, start, B)
    zero, one = lanes.spread(0.0), lanes.spread(1.0)
    wrong = zero > one
    for e in range(0, E - 1, 2):
        x, y = lanes.gather_pair(rows, 8 * e, rho)
        lanes.store(ranked + BYTES * e, x)
        lanes.store(ranked + BYTES * (e + 1), y)
        wrong = lanes.either(wrong, lanes.neither(lanes.both(x >= zero, one >= x)))
        wrong = lanes.either(wrong, lanes.neither(lanes.both(y >= zero, one >= y)))
    if E % 2 == 1:
        x = lanes.gather_one(rows, 8 * (E - 1), rho)
        lanes.store(ranked + BYTES * (E - 1), x)
        wrong = lanes.either(wrong, lanes.neither(lanes.both(x >= zero, one >= x)))
    if engaged.size > 0:
        trusted = carray(pointer(ranked), (E, WIDTH), np.float64)
        for lane in range(WIDTH):
            b = min(start + lane, B - 1)
            for e in range(E):
                if not engaged[b, e]:
                    trusted[e, lane] = 0.0
    return not lanes.some(wrong)


@inlined
def rank(evidence: Evidence, start: int, ranked: int, places: int, order: Ints) -> None:
    """Sort each lane's E reliabilities at `ranked`, the most reliable first, the first of equals first, and with them
    into E vectors at `places` the addresses of their experts' evidence.
    """
    B, E, K = evidence.shape
    size = evidence.itemsize * K
    first = lanes.packed(row_addresses(evidence.ctypes.data, size * E, start, B))
    for e in range(E):
        lanes.store(places + BYTES * e, lanes.moved(first, size * e))
    for c in range(order.shape[0]):
        i, j = BYTES * order[c, 0], BYTES * order[c, 1]
        x, y = lanes.load(ranked + i), lanes.load(ranked + j)
        p, q = lanes.load(places + i), lanes.load(places + j)
        swap = lanes.either(y > x, lanes.both(lanes.equal(x, y), lanes.before(q, p)))
        lanes.store(ranked + i, lanes.choose(swap, y, x))
        lanes.store(ranked + j, lanes.choose(swap, x, y))
        lanes.store(places + i, lanes.choose(swap, q, p))
        lanes.store(places + j, lanes.choose(swap, p, q))


@kernel
def sorting_network(n: int) -> Ints:
    """Which two of n to compare, one pair a row: Batcher's odd-even merge sort (1968), whose course no value changes."""
    pairs = np.empty((n * n, 2), np.int64)
    found = 0
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs[found, 0], pairs[found, 1] = i + j, i + j + k
                        found += 1
            k //= 2
        p *= 2
    return pairs[:found].copy()


@inlined
def fuse_lanes(
    evidence: Evidence, places: int, ranked: int, room: int, rule: int, prior: float, answer: Floats
) -> bool:
    """Eight events as `rank` left them; `room` is the address of 1 + E + 3 K vectors.

    The last K of them become the belief, `answer` the rest. False where evidence bears a minus sign.
    """
    E, K = evidence.shape[1:]
    left, x, excess, sums = room, room + BYTES * (E + 1), room + BYTES * (E + 1 + K), room + BYTES * (E + 1 + 2 * K)
    zero, one, weight = lanes.spread(0.0), lanes.spread(1.0), lanes.spread(prior)
    for k in range(K):
        lanes.store(excess + BYTES * k, zero)
        lanes.store(sums + BYTES * k, zero)
    lost, use = look_ahead(ranked, left, E)
    if not 1.0 / MOST <= prior <= MOST:
        lost = one >= zero
    signs, said, said_squared, own, doubt = zero, zero, zero, zero, zero
    first = zero
    for r in range(E):
        mass, squares, sign = gather(evidence, places + BYTES * r, x)
        signs = lanes.joined(signs, sign)
        lost = lanes.either(lost, lanes.neither(lanes.spread(MOST) >= mass))
        rho = lanes.load(ranked + BYTES * r)
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
            first = combine(x, excess, sums, K, odds, share)
            place, ahead = lanes.spread(r + 1.0), (one + first) * lanes.load(left + BYTES * (r + 1))
            # Where the best is too little ahead of nothing, it is too little ahead of the second best.
            if K > 1 and lanes.some(lanes.both(use > place, ahead > lanes.spread(SLACK))):
                enough = ahead > (one + runner_up(excess, K)) * lanes.spread(SLACK)
                use = lanes.choose(lanes.both(enough, use > place), place, use)
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
    return not lanes.some(lanes.signed(signs))


@inlined
def look_ahead(ranked: int, left: int, E: int) -> tuple[Any, Any]:
    """Into E + 1 vectors at `left` the product of 1 - rho from each rank on.

    Returns where it is too small to tell, and how many experts have a say.
    """
    zero, one = lanes.spread(0.0), lanes.spread(1.0)
    product, say, lost = one, zero, zero > one
    lanes.store(left + BYTES * E, one)
    for r in range(E - 1, -1, -1):
        rho = lanes.load(ranked + BYTES * r)
        product = product * (one - rho)
        say = say + lanes.choose(rho > zero, one, zero)
        # Nothing is left beyond one who is trusted in full, and that is exact.
        lost = lanes.either(lost, lanes.both(lanes.spread(FAINT) > product, one > rho))
        lanes.store(left + BYTES * r, product)
    return lost, say


@inlined
def gather(evidence: Evidence, places: int, x: int) -> tuple[Any, Any, Any]:
    """One expert's evidence for eight events into K vectors at `x`; returns its sum, the sum of its squares, and a
    vector that has a sign where some number has one.
    """
    K, size = evidence.shape[2], evidence.itemsize
    rows = lanes.rows(places)
    zero = lanes.spread(0.0)
    mass, squares, more, sign = zero, zero, zero, zero
    k = 0
    while k + 4 <= K:
        a, b, c, d = lanes.gather_four(rows, size * k, evidence)
        lanes.store(x + BYTES * k, a)
        lanes.store(x + BYTES * (k + 1), b)
        lanes.store(x + BYTES * (k + 2), c)
        lanes.store(x + BYTES * (k + 3), d)
        mass = mass + ((a + b) + (c + d))
        squares = lanes.fused(c, c, lanes.fused(a, a, squares))
        more = lanes.fused(d, d, lanes.fused(b, b, more))
        sign = lanes.joined(lanes.joined(lanes.joined(a, b), lanes.joined(c, d)), sign)
        k += 4
    if k + 2 <= K:
        a, b = lanes.gather_pair(rows, size * k, evidence)
        lanes.store(x + BYTES * k, a)
        lanes.store(x + BYTES * (k + 1), b)
        mass = mass + (a + b)
        squares, more = lanes.fused(a, a, squares), lanes.fused(b, b, more)
        sign = lanes.joined(lanes.joined(a, b), sign)
        k += 2
    if k < K:
        a = lanes.gather_one(rows, size * k, evidence)
        lanes.store(x + BYTES * k, a)
        mass = mass + a
        squares = lanes.fused(a, a, squares)
        sign = lanes.joined(a, sign)
    return mass, squares + more, sign


@inlined
def combine(x: int, excess: int, sums: int, K: int, odds: Any, share: Any) -> Any:
    """Dempster's rule with one more expert; returns the largest D."""
    one, first = lanes.spread(1.0), lanes.spread(0.0)
    for k in range(K):
        e = lanes.load(x + BYTES * k)
        d = lanes.load(excess + BYTES * k)
        d = lanes.fused(odds * e, one + d, d)
        lanes.store(excess + BYTES * k, d)
        lanes.store(sums + BYTES * k, lanes.fused(share, e, lanes.load(sums + BYTES * k)))
        first = lanes.larger(first, d)
    return first


@kernel
def runner_up(excess: int, K: int) -> Any:
    """The second largest D."""
    first, second = lanes.spread(0.0), lanes.spread(0.0)
    for k in range(K):
        d = lanes.load(excess + BYTES * k)
        second = lanes.larger(second, lanes.smaller(first, d))
        first = lanes.larger(first, d)
    return second


@inlined
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


@inlined
def hand_out(excess: int, belief: Floats) -> None:
    """From lanes to eight rows of the belief."""
    K = belief.shape[1]
    rows = row_addresses(belief.ctypes.data, 8 * K, 0, WIDTH)
    for k in range(0, K - 1, 2):
        lanes.scatter_pair(rows, 8 * k, lanes.load(excess + BYTES * k), lanes.load(excess + BYTES * (k + 1)))
    if K % 2 == 1:
        last = carray(pointer(excess + BYTES * (K - 1)), (WIDTH,), np.float64)
        belief[:, K - 1] = last
