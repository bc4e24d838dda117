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

from functools import cache
from typing import Any

import numpy as np
from numba.np.numpy_support import carray

from tocsin.kernels.common.compiled import inlined, kernel
from tocsin.kernels.fusion import lanes
from tocsin.kernels.fusion.interface import (
    Bools,
    Evidence,
    Floats,
    Fused,
    Ints,
    Rule,
    check_values,
    registry,
)
from tocsin.kernels.fusion.lanes import BYTES, WIDTH
from tocsin.kernels.fusion.log_domain import (
    AVERAGING,
    CAUTIOUS,
    CODES,
    DEMPSTER,
    MURPHY,
    fuse_event,
    sound,
)
from tocsin.kernels.hoeffding.at import pointer

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
    if not fuse_rows(evidence, reliability, mask, CODES[rule], prior, scratch(E, K), network(E), *fused):
        check_values(evidence, reliability)
    return fused


def scratch(E: int, K: int) -> Floats:
    """Room for `fuse_rows`, which its caller keeps: numba frees an array of which only the address is used."""
    return np.empty((WIDTH, 6 * E + 3 * K + E * K + 2 + ANSWERS + 1)).ravel()


@cache
def network(E: int) -> Ints:
    """The `sorting_network` of E."""
    return sorting_network(E)


@kernel
def fuse_rows(
    evidence: Evidence,
    rho: Floats,
    engaged: Bools,
    rule: int,
    prior: float,
    memory: Floats,
    order: Ints,
    belief: Floats,
    uncertainty: Floats,
    conflict: Floats,
    used: Ints,
) -> bool:
    """Fuse B events; `engaged` is empty where all are. False where a number is out of its range."""
    B, E, K = evidence.shape
    # Below here arrays go by their addresses: numba would count an array's references at every call.
    ranked = (memory.ctypes.data + BYTES - 1) // BYTES * BYTES
    places, at, swaps = ranked + BYTES * E, evidence.ctypes.data, order.ctypes.data
    spare, room = places + BYTES * E, places + BYTES * (E + K + ANSWERS)
    size, like, alone = evidence.itemsize * E * K, evidence.dtype.type(0), np.empty(E)
    right = True
    for start in range(0, B, WIDTH):
        right &= take_in(rho.ctypes.data, start, B, E, ranked)
        if engaged.size > 0:
            silence(engaged, start, ranked)
        rank(row_addresses(at, size, start, B), size // E, ranked, places, E, swaps, order.shape[0])
        ahead = at + size * (start + 2 * WIDTH)
        some_lost, plain = fuse_lanes(ahead, places, ranked, room, E, K, like, rule, prior, spare)
        right &= plain
        if B - start >= WIDTH:
            hand_out(room, belief.ctypes.data + 8 * K * start, K)
            lanes.store(uncertainty.ctypes.data + 8 * start, lanes.load(spare + BYTES * UNCERTAINTY))
            lanes.store(conflict.ctypes.data + 8 * start, lanes.load(spare + BYTES * CONFLICT))
            lanes.store(used.ctypes.data + 8 * start, lanes.load(spare + BYTES * USED))
        else:
            hand_out_some(room, spare, belief[start:], uncertainty[start:], conflict[start:], used[start:])
        if some_lost:
            lost = carray(pointer(spare + BYTES * LOST), (WIDTH,), np.float64)
            for b in range(start, min(start + WIDTH, B)):
                if lost[b - start] != 0.0 and sound(evidence[b], rho[b]):
                    for e in range(E):
                        alone[e] = rho[b, e] if engaged.size == 0 or engaged[b, e] else 0.0
                    uncertainty[b], conflict[b], used[b] = fuse_event(evidence[b], alone, rule, prior, belief[b])
                elif lost[b - start] != 0.0:
                    right = False
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
def take_in(rho: int, start: int, B: int, E: int, ranked: int) -> bool:
    """Eight events' reliabilities into E vectors at `ranked`; False where one may be out of range."""
    rows = row_addresses(rho, 8 * E, start, B)
    # The bits of numbers up to 1 are at most those of 1; what has a sign, and a NaN, has higher ones.
    zero, highest = lanes.spread(0.0), lanes.spread(0.0)
    for e in range(0, E - 1, 2):
        x, y = lanes.gather_pair(rows, 8 * e, 0.0)
        # Without the sign of -0.0, numbers sort as their bits do.
        lanes.store(ranked + BYTES * e, x + zero)
        lanes.store(ranked + BYTES * (e + 1), y + zero)
        highest = lanes.upper(highest, lanes.upper(x, y))
    if E % 2 == 1:
        x = lanes.gather_one(rows, 8 * (E - 1), 0.0)
        lanes.store(ranked + BYTES * (E - 1), x + zero)
        highest = lanes.upper(highest, x)
    return not lanes.some(lanes.before(lanes.spread(1.0), highest))


@kernel
def silence(engaged: Bools, start: int, ranked: int) -> None:
    """Trust nobody who is not engaged."""
    B, E = engaged.shape
    trusted = carray(pointer(ranked), (E, WIDTH), np.float64)
    for lane in range(WIDTH):
        b = min(start + lane, B - 1)
        for e in range(E):
            if not engaged[b, e]:
                trusted[e, lane] = 0.0


@inlined
def rank(rows: Any, size: int, ranked: int, places: int, E: int, swaps: int, n: int) -> None:
    """Sort each lane's E reliabilities at `ranked`, the most reliable first, the first of equals first, and with them
    into E vectors at `places` the addresses of their experts' evidence: `size` bytes each, one event of it at `rows`.
    """
    first = lanes.packed(rows)
    for e in range(E):
        lanes.store(places + BYTES * e, lanes.moved(first, size * e))
    order = carray(pointer(swaps), (n, 2), np.int64)
    for c in range(n):
        i, j = BYTES * order[c, 0], BYTES * order[c, 1]
        x, y = lanes.load(ranked + i), lanes.load(ranked + j)
        p, q = lanes.load(places + i), lanes.load(places + j)
        swap = lanes.either(lanes.before(x, y), lanes.both(lanes.same(x, y), lanes.before(q, p)))
        lanes.store(ranked + i, lanes.upper(x, y))
        lanes.store(ranked + j, lanes.lower(x, y))
        lanes.store(places + i, lanes.crossed(swap, p, q))
        lanes.store(places + j, lanes.crossed(swap, q, p))


@kernel
def sorting_network(n: int) -> Ints:
    """Which two of n to compare, one pair a row: Batcher's odd-even merge sort (1968); no value changes its course."""
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
    ahead: int, places: int, ranked: int, room: int, E: int, K: int, like: float, rule: int, prior: float, answer: int
) -> tuple[bool, bool]:
    """Eight events as `rank` left them, of numbers `like` this one; `room` is an address, see `rooms`.

    Its first K vectors become the belief, `answer` the rest. Returns whether some are lost, and whether no evidence
    bears a minus sign.
    """
    excess, sums, odds, share, left, x = rooms(room, E, K)
    zero, one = lanes.spread(0.0), lanes.spread(1.0)
    lost, use = look_ahead(ranked, left, E)
    conflict, doubt, unfit, right = weigh(ahead, places, ranked, odds, share, x, E, K, like, prior)
    if rule == DEMPSTER:
        first = combine(x, odds, share, excess, sums, E, K)
        if K > 1:
            use = stop(x, left, use, first, E, K)
    elif rule == MURPHY:
        first = power(x, share, doubt, excess, sums, E, K)
    else:
        first = reduce(x, odds, share, excess, sums, E, K, rule)
    lost = lanes.either(lanes.either(lost, unfit), lanes.neither(lanes.spread(FULL) >= first))
    for k in range(K):
        b = lanes.load(sums + BYTES * k)
        conflict = lanes.fused(zero - b, b, conflict)
    conflict = conflict / lanes.spread(E * (E - 1.0)) if E > 1 else zero
    lanes.store(answer + BYTES * UNCERTAINTY, normalise(excess, K))
    lanes.store(answer + BYTES * CONFLICT, lanes.larger(lanes.smaller(conflict, one), zero))
    lanes.store(answer + BYTES * USED, lanes.whole(use))
    lanes.store(answer + BYTES * LOST, lanes.choose(lost, one, zero))
    return lanes.some(lost), right


@inlined
def rooms(room: int, E: int, K: int) -> Any:
    """Addresses of vectors: K of D = P - 1, K sums of b, E of b / u and E of b to one of evidence, E + 1 bounds, and
    E K numbers of evidence, which Dempster's rule turns into D after each expert.
    """
    excess, sums = room, room + BYTES * K
    odds = sums + BYTES * K
    share, left = odds + BYTES * E, odds + 2 * BYTES * E
    return excess, sums, odds, share, left, left + BYTES * (E + 1)


@inlined
def weigh(
    ahead: int, places: int, ranked: int, odds: int, share: int, x: int, E: int, K: int, like: float, prior: float
) -> tuple[Any, Any, Any, bool]:
    """Take in the evidence: all of it to `x`, and what it is to be multiplied by to `odds` and `share`.

    Returns what conflict there would be if the sums of b did not agree at all (times the pairs), the sum of u, where
    a number does not fit, and whether none bears a minus sign.
    """
    zero, one, weight = lanes.spread(0.0), lanes.spread(1.0), lanes.spread(prior)
    unfit = zero > one
    if not 1.0 / MOST <= prior <= MOST:
        unfit = one > zero
    step = WIDTH * K * lanes.size(like)
    signs, said, lone, doubt = zero, zero, zero, zero
    for r in range(E):
        # Sorted experts are read in an order that no hardware foresees.
        for near in range(0, step, 64):
            lanes.prefetch(ahead + step * r + near)
        mass, squares, sign = gather(places + BYTES * r, x + BYTES * K * r, K, like)
        signs = lanes.joined(signs, sign)
        unfit = lanes.either(unfit, lanes.neither(lanes.spread(MOST) >= mass))
        rho = lanes.load(ranked + BYTES * r)
        total = mass + weight
        # prior + (1 - rho) mass, the uncertainty times the total: nothing cancels.
        under = lanes.fused(one - rho, mass, weight)
        inverse = one / (total * under)
        b = rho * under * inverse
        lanes.store(odds + BYTES * r, rho * total * inverse)
        lanes.store(share + BYTES * r, b)
        said = said + b * mass
        lone = lone + (lanes.fused(b * b, squares, zero - (b * mass) * (b * mass)))
        doubt = lanes.fused(under * under, inverse, doubt)
    return lanes.fused(said, said, lone), doubt, unfit, not lanes.some(lanes.signed(signs))


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
def gather(places: int, x: int, K: int, like: float) -> tuple[Any, Any, Any]:
    """One expert's evidence for eight events into K vectors at `x`; returns its sum, the sum of its squares, and a
    vector that has a sign where some number has one.
    """
    size, rows = lanes.size(like), lanes.rows(places)
    zero = lanes.spread(0.0)
    mass, squares, more, sign = zero, zero, zero, zero
    k = 0
    while k + 4 <= K:
        a, b, c, d = lanes.gather_four(rows, size * k, like)
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
        a, b = lanes.gather_pair(rows, size * k, like)
        lanes.store(x + BYTES * k, a)
        lanes.store(x + BYTES * (k + 1), b)
        mass = mass + (a + b)
        squares, more = lanes.fused(a, a, squares), lanes.fused(b, b, more)
        sign = lanes.joined(lanes.joined(a, b), sign)
        k += 2
    if k < K:
        a = lanes.gather_one(rows, size * k, like)
        lanes.store(x + BYTES * k, a)
        mass = mass + a
        squares = lanes.fused(a, a, squares)
        sign = lanes.joined(a, sign)
    return mass, squares + more, sign


@inlined
def combine(x: int, odds: int, share: int, excess: int, sums: int, E: int, K: int) -> Any:
    """Dempster's rule and the sums of b; returns the largest D. What was `x` becomes D after each expert.

    Two classes at a time: what one waits for, the other computes.
    """
    one, zero = lanes.spread(1.0), lanes.spread(0.0)
    first = zero
    for k in range(0, K, 2):
        other = min(k + 1, K - 1) - k
        c, d, b, f = zero, zero, zero, zero
        for r in range(E):
            at = x + BYTES * (K * r + k)
            o, s = lanes.load(odds + BYTES * r), lanes.load(share + BYTES * r)
            p, q = lanes.load(at), lanes.load(at + BYTES * other)
            b, f = lanes.fused(s, p, b), lanes.fused(s, q, f)
            c, d = lanes.fused(o * p, one + c, c), lanes.fused(o * q, one + d, d)
            lanes.store(at + BYTES * other, d)
            lanes.store(at, c)
        first = lanes.larger(first, lanes.larger(c, d))
        lanes.store(sums + BYTES * (k + other), f)
        lanes.store(sums + BYTES * k, b)
        lanes.store(excess + BYTES * (k + other), d)
        lanes.store(excess + BYTES * k, c)
    return first


@inlined
def stop(gains: int, left: int, use: Any, most: Any, E: int, K: int) -> Any:
    """How many experts were needed, from D after each of them at `gains`; `use` had a say, `most` is the largest D."""
    one, slack = lanes.spread(1.0), lanes.spread(SLACK)
    for r in range(E):
        bound, place = lanes.load(left + BYTES * (r + 1)), lanes.spread(r + 1.0)
        asking = use > place
        # Where the best of all would be too little ahead of nothing, any is too little ahead of the second best.
        if not lanes.some(lanes.both(asking, (one + most) * bound > slack)):
            continue
        first, second = best_two(gains + BYTES * K * r, K)
        enough = (one + first) * bound > (one + second) * slack
        use = lanes.choose(lanes.both(enough, asking), place, use)
    return use


@inlined
def best_two(gains: int, K: int) -> tuple[Any, Any]:
    """The two largest of K vectors that bear no sign, two at a time: a shorter wait."""
    first, second = lanes.spread(0.0), lanes.spread(0.0)
    for k in range(0, K, 2):
        a = lanes.load(gains + BYTES * k)
        b = lanes.load(gains + BYTES * (k + 1)) if k + 1 < K else lanes.spread(0.0)
        high, low = lanes.larger(a, b), lanes.smaller(a, b)
        second = lanes.larger(lanes.larger(second, low), lanes.smaller(first, high))
        first = lanes.larger(first, high)
    return first, second


@inlined
def reduce(x: int, odds: int, share: int, excess: int, sums: int, E: int, K: int, rule: int) -> Any:
    """The cautious, cumulative and averaging rules and the sums of b; returns the largest D."""
    first = lanes.spread(0.0)
    for k in range(K):
        d, b = lanes.spread(0.0), lanes.spread(0.0)
        for r in range(E):
            e, o = lanes.load(x + BYTES * (K * r + k)), lanes.load(odds + BYTES * r)
            b = lanes.fused(lanes.load(share + BYTES * r), e, b)
            d = lanes.larger(d, o * e) if rule == CAUTIOUS else lanes.fused(o, e, d)
        if rule == AVERAGING:
            d = d / lanes.spread(float(E))
        lanes.store(sums + BYTES * k, b)
        lanes.store(excess + BYTES * k, d)
        first = lanes.larger(first, d)
    return first


@inlined
def power(x: int, share: int, doubt: Any, excess: int, sums: int, E: int, K: int) -> Any:
    """Murphy's rule, (1 + mean b / mean u) to the power of E by squaring, and the sums of b; returns the largest D."""
    one, first = lanes.spread(1.0), lanes.spread(0.0)
    for k in range(K):
        b, d = lanes.spread(0.0), lanes.spread(0.0)
        for r in range(E):
            b = lanes.fused(lanes.load(share + BYTES * r), lanes.load(x + BYTES * (K * r + k)), b)
        base, n = b / doubt, E
        while n > 0:
            if n % 2 == 1:
                d = lanes.fused(base, one + d, d)
            base = lanes.fused(base, one + base, base)
            n //= 2
        lanes.store(sums + BYTES * k, b)
        lanes.store(excess + BYTES * k, d)
        first = lanes.larger(first, d)
    return first


@inlined
def normalise(excess: int, K: int) -> Any:
    """From D to belief, in place; returns the uncertainty."""
    one = lanes.spread(1.0)
    Z = one
    for k in range(K):
        Z = Z + lanes.load(excess + BYTES * k)
    inverse = one / Z
    for k in range(K):
        lanes.store(excess + BYTES * k, lanes.load(excess + BYTES * k) * inverse)
    return inverse


@inlined
def hand_out(excess: int, belief: int, K: int) -> None:
    """From lanes to eight rows of K at `belief`."""
    rows = row_addresses(belief, 8 * K, 0, WIDTH)
    for k in range(0, K - 1, 2):
        lanes.scatter_pair(rows, 8 * k, lanes.load(excess + BYTES * k), lanes.load(excess + BYTES * (k + 1)))
    if K % 2 == 1:
        beliefs = carray(pointer(belief), (WIDTH, K), np.float64)
        last = carray(pointer(excess + BYTES * (K - 1)), (WIDTH,), np.float64)
        for lane in range(WIDTH):
            beliefs[lane, K - 1] = last[lane]


@kernel
def hand_out_some(excess: int, spare: int, belief: Floats, uncertainty: Floats, conflict: Floats, used: Ints) -> None:
    """From lanes to fewer than eight rows; the answers stand at `spare`, and there is room for a belief behind them."""
    rows, K = belief.shape
    hand_out(excess, spare + BYTES * ANSWERS, K)
    belief[:] = carray(pointer(spare + BYTES * ANSWERS), (WIDTH, K), np.float64)[:rows]
    uncertainty[:] = carray(pointer(spare + BYTES * UNCERTAINTY), (WIDTH,), np.float64)[:rows]
    conflict[:] = carray(pointer(spare + BYTES * CONFLICT), (WIDTH,), np.float64)[:rows]
    used[:] = carray(pointer(spare + BYTES * USED), (WIDTH,), np.int64)[:rows]
