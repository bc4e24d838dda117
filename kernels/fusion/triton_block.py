"""The parts of which Triton kernels of fusion are made, each for a block of events. Imported only where Triton runs.

In float64 the formulae are the reference's, in its log domain; in float32 (where the evidence is) sums, bounds and
constants are chosen for that, and results agree to about 1e-4. Which experts lead is found by looking for the next
most reliable one, so nothing is sorted in memory. A block's shape follows from E and K alone, and so does the order of
every sum: an event's bits do not depend on its batch.
"""

from __future__ import annotations

import triton
import triton.language as tl

# Rules, as `tocsin.kernels.fusion.log_domain` numbers them.
DEMPSTER = tl.constexpr(0)
CAUTIOUS = tl.constexpr(1)
CUMULATIVE = tl.constexpr(2)
AVERAGING = tl.constexpr(3)
MURPHY = tl.constexpr(4)


@triton.jit
def log1p(x):
    """Log(1 + x) for x >= 0, exact where 1 + x is not (Kahan's correction)."""
    w = 1.0 + x
    return tl.where(w == 1.0, x, tl.log(w) * (x / tl.where(w == 1.0, 1.0, w - 1.0)))


@triton.jit
def expm1(x):
    """Exp(x) - 1 for x >= 0, exact where exp(x) is not."""
    w = tl.exp(x)
    return tl.where(w == 1.0, x, (w - 1.0) * (x / tl.where(w == 1.0, 1.0, tl.log(w))))


@triton.jit
def rows(evidence, leaves, event, e, live, E, N, K, cap, KP: tl.constexpr, GATHER: tl.constexpr):
    """Evidence [events, KP] of one expert e [events] for each event, 0 beyond K.

    Evidence [B, E, K], or with GATHER leaf tables [E, N, K] and leaf numbers [B, E], capped at `cap`.
    """
    k = tl.arange(0, KP)
    if GATHER:
        leaf = tl.load(leaves + event * E + e, mask=live, other=-1).to(tl.int64)
        live = live & (leaf >= 0)
        start = (e.to(tl.int64) * N + leaf) * K
    else:
        start = (event * E + e) * K
    x = tl.load(evidence + start[:, None] + k[None, :], mask=live[:, None] & (k < K)[None, :], other=0.0)
    if GATHER:
        total = tl.sum(x, 1)
        over = total > cap
        x = x * tl.where(over, cap / tl.where(over, total, 1.0), 1.0)[:, None]
    return x


@triton.jit
def best_two(values, KP: tl.constexpr):
    """The largest of each row, its first place, and the next largest; no value is negative."""
    k = tl.arange(0, KP)
    best = tl.max(values, 1)
    place = tl.min(tl.where(values == best[:, None], k[None, :], KP), 1)
    second = tl.max(tl.where(k[None, :] == place[:, None], -1.0, values), 1)
    return best, place, second


@triton.jit
def fuse_block(
    evidence,
    leaves,
    event,
    live,
    rho,
    prior,
    cap,
    E,
    N,
    K,
    RULE: tl.constexpr,
    KP: tl.constexpr,
    EP: tl.constexpr,
    GATHER: tl.constexpr,
    DOUBLE: tl.constexpr,
):
    """Belief [events, KP], uncertainty, conflict and used of a block, from rho [events, EP], 0 beyond E."""
    # Beyond `huge` sums could overflow, below `least` so could b / u; `slack` is more than the rounding of sums.
    huge: tl.constexpr = 1e280 if DOUBLE else 1e30
    shrink: tl.constexpr = 6.223015277861142e-61 if DOUBLE else 8.673617379884035e-19
    least: tl.constexpr = 1e-290 if DOUBLE else 1e-30
    slack: tl.constexpr = 1e-12 if DOUBLE else 1e-5
    column = tl.arange(0, EP)[None, :]
    rest = (rho >= 0.0) & (column < E)
    most = tl.where(rho < 1.0, -tl.log(tl.where(rho < 1.0, 1.0 - rho, 1.0)), float("inf"))
    use = tl.sum((rho > 0.0).to(tl.int32), 1)
    none = tl.sum(rho, 1) * 0.0
    believed, own, doubt = none, none, none
    gain = none[:, None] + tl.zeros((1, KP), rho.dtype)
    sums = gain
    for r in range(E):
        trust = tl.max(tl.where(rest, rho, -1.0), 1)
        e = tl.min(tl.where(rest & (rho == trust[:, None]), column, EP), 1)
        rest = rest & (column != e[:, None])
        x = rows(evidence, leaves, event, e, live, E, N, K, cap, KP, GATHER).to(rho.dtype)
        scale = tl.where(tl.maximum(tl.max(x, 1), prior) > huge, shrink, 1.0).to(rho.dtype)
        x = x * scale[:, None]
        s = prior * scale
        total = tl.sum(x, 1) + s
        b = trust[:, None] * (x / total[:, None])
        u = 1.0 - trust + trust * tl.maximum(s / total, least)
        mass = tl.sum(b, 1)
        believed += mass
        own += mass * mass - tl.sum(b * b, 1)
        doubt += u
        sums += b
        q = b / u[:, None]
        if RULE == DEMPSTER:
            gain += log1p(q)
            best, _, second = best_two(gain, KP)
            left = tl.sum(tl.where(rest, most, 0.0), 1)
            finite = left < float("inf")
            left = tl.where(finite, left, 0.0)
            enough = finite & (best - second > left + slack * (best + left))
            use = tl.where(enough & (use > r + 1) & (K > 1), r + 1, use)
        elif RULE == CAUTIOUS:
            gain = tl.maximum(gain, q)
        elif RULE == CUMULATIVE:
            gain += q
        elif RULE == AVERAGING:
            gain += q / E
    if RULE == MURPHY:
        gain = E * log1p(sums / doubt[:, None])
    elif RULE != DEMPSTER:
        gain = log1p(gain)
    pairs = believed * believed - tl.sum(sums * sums, 1) - own
    conflict = tl.where(E > 1, tl.minimum(tl.maximum(pairs / tl.maximum(E * (E - 1), 1), 0.0), 1.0), 0.0)
    top = tl.max(gain, 1)
    one = tl.exp(-top)
    small = one[:, None] * expm1(tl.minimum(gain, 1.0))
    excess = tl.where(gain < 1.0, small, tl.exp(gain - top[:, None]) - one[:, None])
    excess = tl.where((tl.arange(0, KP) < K)[None, :], excess, 0.0)
    z = tl.sum(excess, 1) + one
    return excess / z[:, None], one / z, conflict, use


@triton.jit
def hand_out(event, live, belief, uncertainty, conflict, use, to_belief, to_rest, to_used, B, K, KP: tl.constexpr):
    """Write a block's results: belief [B, K], uncertainty and conflict as `to_rest` [2, B], used [B]."""
    k = tl.arange(0, KP)
    tl.store(to_belief + event[:, None] * K + k[None, :], belief, mask=live[:, None] & (k < K)[None, :])
    tl.store(to_rest + event, uncertainty, mask=live)
    tl.store(to_rest + B + event, conflict, mask=live)
    tl.store(to_used + event, use.to(tl.int64), mask=live)


@triton.jit
def fuse_kernel(
    evidence,
    rho,
    to_belief,
    to_rest,
    to_used,
    prior,
    B,
    E,
    K,
    RULE: tl.constexpr,
    KP: tl.constexpr,
    EP: tl.constexpr,
    BLOCK: tl.constexpr,
    DOUBLE: tl.constexpr,
):
    """`fuse` of BLOCK events a program."""
    event = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = event < B
    column = tl.arange(0, EP)[None, :]
    trust = tl.load(rho + event[:, None] * E + column, mask=live[:, None] & (column < E), other=0.0)
    prior = tl.load(prior)
    belief, uncertainty, conflict, use = fuse_block(
        evidence, rho, event, live, trust, prior, prior, E, 0, K, RULE, KP, EP, False, DOUBLE
    )
    hand_out(event, live, belief, uncertainty, conflict, use, to_belief, to_rest, to_used, B, K, KP)
