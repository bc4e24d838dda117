"""Scoring of events of many models in one launch: walks, router, fusion, decision. Imported only where Triton runs.

A program takes a block of events, of which each may be of another model: where loops run over experts, features or
hidden units, they run as far as the largest model of the block has some, and add exact zeros for the others. The
formulae are those of `tocsin.kernels.score.triton_kernel` and `tocsin.kernels.fusion.triton_block`, in float64.
"""

from __future__ import annotations

import triton
import triton.language as tl

from tocsin.kernels.device.many import layout
from tocsin.kernels.fusion.triton_block import AVERAGING, CAUTIOUS, DEMPSTER, MURPHY, best_two, expm1, log1p
from tocsin.kernels.hoeffding.pool import layout as pool
from tocsin.kernels.score.triton_kernel import sigmoid

LINKS, KIND, FEATURE = tl.constexpr(layout.LINKS), tl.constexpr(layout.KIND), tl.constexpr(layout.FEATURE)
FIRST, LAST, NEXT = tl.constexpr(layout.FIRST), tl.constexpr(layout.LAST), tl.constexpr(layout.NEXT)
BUSIEST, VALUES, EDGE = tl.constexpr(layout.BUSIEST), tl.constexpr(layout.VALUES), tl.constexpr(layout.EDGE)
TOTAL, SUPPORT = tl.constexpr(layout.TOTAL), tl.constexpr(layout.SUPPORT)
DOUBT, EVIDENCE = tl.constexpr(layout.DOUBT), tl.constexpr(layout.EVIDENCE)
WIDTH = tl.constexpr(len(layout.TABLE))
NODES_AT, TREES_AT = tl.constexpr(layout.NODES_AT), tl.constexpr(layout.TREES_AT)
LEAVES_AT, ROUTER_AT = tl.constexpr(layout.LEAVES_AT), tl.constexpr(layout.ROUTER_AT)
SCALES_AT, RULE = tl.constexpr(layout.SCALES_AT), tl.constexpr(layout.RULE)
FEATURES, EXPERTS = tl.constexpr(layout.FEATURES), tl.constexpr(layout.EXPERTS)
CLASSES, HIDDEN = tl.constexpr(layout.CLASSES), tl.constexpr(layout.HIDDEN)
LEAST_AT, POWER_AT = tl.constexpr(layout.LEAST), tl.constexpr(layout.POWER)
LEAF, NUMERIC, MULTIWAY = tl.constexpr(pool.LEAF), tl.constexpr(pool.NUMERIC), tl.constexpr(pool.NOMINAL_MULTIWAY)
SLACK = tl.constexpr(1e-12)
"""More than the rounding of the sums that the early stop compares."""


@triton.jit
def some(mask):
    """Whether any of a tile [events, n] is true."""
    return tl.max(tl.max(mask.to(tl.int32), 1), 0) > 0


@triton.jit
def walk(links, values, X, base, at_row, there):
    """Rows [events, EP] of the leaves in which events end, one column a tree, from the rows of the roots."""
    node = base
    walking = there & (tl.load(links + node * LINKS + KIND, mask=there, other=0) != LEAF)
    while some(walking):
        at = links + node * LINKS
        kind = tl.load(at + KIND, mask=walking, other=0)
        feature = tl.load(at + FEATURE, mask=walking, other=0)
        x = tl.load(X + at_row[:, None] + feature, mask=walking, other=0.0)
        tested = tl.load(values + node * VALUES, mask=walking, other=0.0)
        left = tl.load(at + FIRST, mask=walking, other=0)
        right = tl.load(at + LAST, mask=walking, other=0)
        child = tl.where(tl.where(kind == NUMERIC, x > tested, x != tested), right, left)
        # Along the children of multiway branches to the one whose edge is the value.
        child = tl.where(kind == MULTIWAY, left, child)
        searching = walking & (kind == MULTIWAY) & (x == x) & (child >= 0)
        edge = tl.load(values + (base + child) * VALUES + EDGE, mask=searching, other=0.0)
        searching = searching & (edge != x)
        while some(searching):
            child = tl.where(searching, tl.load(links + (base + child) * LINKS + NEXT, mask=searching, other=-1), child)
            searching = searching & (child >= 0)
            edge = tl.load(values + (base + child) * VALUES + EDGE, mask=searching, other=0.0)
            searching = searching & (edge != x)
        lost = (x != x) | (child < 0)
        child = tl.where(lost, tl.load(at + BUSIEST, mask=walking, other=0), child)
        node = tl.where(walking, base + child, node)
        walking = walking & (tl.load(links + node * LINKS + KIND, mask=walking, other=0) != LEAF)
    return node


@triton.jit
def column_of(tile, e, EP: tl.constexpr):
    """The numbers of one column [events], which may be another one for each event, of a tile [events, EP]."""
    return tl.sum(tl.where(tl.arange(0, EP)[None, :] == e[:, None], tile, 0), 1)


@triton.jit
def evidence_of(leaves, leaf, here, K, KP: tl.constexpr):
    """The evidence [events, KP] of one leaf for each event; 0 for who is not here, and beyond K [events]."""
    k = tl.arange(0, KP)[None, :]
    return tl.load(leaves + leaf[:, None] + EVIDENCE + k, mask=here[:, None] & (k < K[:, None]), other=0.0)


@triton.jit
def logits_of(
    leaves, router, skill, scales, X, leaf, at_row, live, at, at_tree, at_scale, F, E, K, H,
    KP: tl.constexpr, EP: tl.constexpr, HP: tl.constexpr, CLIP: tl.constexpr, LEAK: tl.constexpr,
):  # fmt: skip
    """The router's logits [events, EP], of which those beyond E + 1 are 0."""
    h, o, k = tl.arange(0, HP)[None, :], tl.arange(0, EP)[None, :], tl.arange(0, KP)[None, :]
    in_h = live[:, None] & (h < H[:, None])
    in_o = live[:, None] & (o < E[:, None] + 1)
    most_E = tl.max(E, 0)
    hidden = tl.load(router + at[:, None] + h, mask=in_h, other=0.0)
    favour = tl.zeros((1, KP), tl.float64) + (E * 0).to(tl.float64)[:, None]
    for e in range(most_E):
        here = live & (e < E)
        its = column_of(leaf, E * 0 + e, EP)
        x = evidence_of(leaves, its, here, K, KP)
        total = tl.load(leaves + its + TOTAL, mask=here, other=0.0)
        p = x / tl.where(total > 0.0, total, 1.0)[:, None]
        favour += p * tl.load(skill + at_tree + e, mask=here, other=0.0)[:, None]
        confidence = tl.where(total > 0.0, 2.0 * (tl.max(p, 1) - 0.5), 0.0)
        row = at + (1 + e) * H
        hidden += confidence[:, None] * tl.load(router + row[:, None] + h, mask=in_h & here[:, None], other=0.0)
    _, favourite, _ = best_two(favour, KP)
    for e in range(most_E):
        here = live & (e < E)
        its = column_of(leaf, E * 0 + e, EP)
        x = tl.sum(tl.where(k == favourite[:, None], evidence_of(leaves, its, here, K, KP), 0.0), 1)
        total = tl.load(leaves + its + TOTAL, mask=here, other=0.0)
        support = tl.where(total > 0.0, 2.0 * (x / tl.where(total > 0.0, total, 1.0) - 0.5), 0.0)
        row = at + (1 + E + e) * H
        hidden += support[:, None] * tl.load(router + row[:, None] + h, mask=in_h & here[:, None], other=0.0)
    for f in range(tl.max(F, 0)):
        here = live & (f < F)
        x = tl.load(X + at_row + f, mask=here, other=0.0)
        mean = tl.load(scales + (at_scale + f) * 2, mask=here, other=0.0)
        z = (x - mean) * tl.load(scales + (at_scale + f) * 2 + 1, mask=here, other=0.0)
        # What is not known is taken to be at the mean.
        z = tl.where(z == z, tl.minimum(tl.maximum(z, -CLIP), CLIP), 0.0)
        row = at + (1 + 2 * E + f) * H
        hidden += z[:, None] * tl.load(router + row[:, None] + h, mask=in_h & here[:, None], other=0.0)
    active = tl.where(hidden > 0.0, hidden, LEAK * hidden)
    at = at + (1 + 2 * E + F) * H
    logits = tl.load(router + at[:, None] + o, mask=in_o, other=0.0)
    for i in range(tl.max(H, 0)):
        unit = tl.sum(tl.where(h == i, active, 0.0), 1)
        row = at + (1 + i) * (E + 1)
        inside = in_o & (i < H)[:, None]
        logits += unit[:, None] * tl.load(router + row[:, None] + o, mask=inside, other=0.0)
    return logits


@triton.jit
def fuse_models(leaves, leaf, live, rho, rule, E, K, KP: tl.constexpr, EP: tl.constexpr):
    """Belief [events, KP], uncertainty, conflict and used, each event by its own rule; rho [events, EP], 0 beyond E."""
    column = tl.arange(0, EP)[None, :]
    experts = E.to(tl.float64)
    rest = (rho >= 0.0) & (column < E[:, None])
    most = tl.where(rest, -tl.log(1.0 - rho), 0.0)
    use = tl.sum((rho > 0.0).to(tl.int32), 1)
    none = experts * 0.0
    believed, own, doubt = none, none, none
    gain = none[:, None] + tl.zeros((1, KP), tl.float64)
    sums = gain
    for r in range(tl.max(E, 0)):
        here = live & (r < E)
        trust = tl.max(tl.where(rest, rho, -1.0), 1)
        e = tl.min(tl.where(rest & (rho == trust[:, None]), column, EP), 1)
        trust = tl.where(here, trust, 0.0)
        rest = rest & (column != e[:, None])
        its = column_of(leaf, e, EP)
        x = evidence_of(leaves, its, here, K, KP)
        support = tl.load(leaves + its + SUPPORT, mask=here, other=1.0)
        b = trust[:, None] * (x / support[:, None])
        u = 1.0 - trust + trust * tl.load(leaves + its + DOUBT, mask=here, other=1.0)
        mass = tl.sum(b, 1)
        believed += mass
        own += mass * mass - tl.sum(b * b, 1)
        doubt += tl.where(here, u, 0.0)
        sums += b
        q = b / u[:, None]
        added = tl.where((rule == DEMPSTER)[:, None], log1p(q), q)
        added = tl.where((rule == AVERAGING)[:, None], q / tl.maximum(experts, 1.0)[:, None], added)
        gain = tl.where((rule == CAUTIOUS)[:, None], tl.maximum(gain, q), gain + added)
        best, _, second = best_two(gain, KP)
        left = tl.sum(tl.where(rest, most, 0.0), 1)
        enough = here & (rule == DEMPSTER) & (K > 1) & (best - second > left + SLACK * (best + left))
        use = tl.where(enough & (use > r + 1), r + 1, use)
    mean = sums / tl.where(doubt > 0.0, doubt, 1.0)[:, None]
    murphy = experts[:, None] * log1p(mean)
    gain = tl.where((rule == DEMPSTER)[:, None], gain, log1p(gain))
    gain = tl.where((rule == MURPHY)[:, None], murphy, gain)
    pairs = believed * believed - tl.sum(sums * sums, 1) - own
    conflict = tl.where(
        E > 1, tl.minimum(tl.maximum(pairs / tl.maximum(experts * (experts - 1.0), 1.0), 0.0), 1.0), 0.0
    )
    top = tl.max(gain, 1)
    one = tl.exp(-top)
    small = one[:, None] * expm1(tl.minimum(gain, 1.0))
    # A class beyond K has P = 1, and so no excess.
    excess = tl.where(gain < 1.0, small, tl.exp(gain - top[:, None]) - one[:, None])
    z = tl.sum(excess, 1) + one
    return excess / z[:, None], one / z, conflict, use


@triton.jit
def decide(belief, uncertainty, K, least, power, KP: tl.constexpr, LEAST: tl.constexpr):
    """The labels of events, each on the terms of its model."""
    k = tl.arange(0, KP)[None, :]
    classes = tl.maximum(K, 1).to(tl.float64)
    best, place, _ = best_two(belief, KP)
    sure = best + uncertainty / classes
    p = tl.maximum(belief + (uncertainty / classes)[:, None], LEAST)
    ratio = tl.exp(power[:, None] * (tl.log(p) - tl.log(tl.maximum(sure, LEAST))[:, None]))
    total = tl.sum(tl.where(k < K[:, None], ratio, 0.0), 1)
    raised = 1.0 / tl.where(total > 0.0, total, 1.0)
    return tl.where(tl.where(power == 1.0, sure, raised) >= least, place, -1)


@triton.jit
def many_kernel(
    links, values, roots, skill, leaves, router, scales, table, terms, X, pools, order,
    to_label, to_reliability, to_belief, to_uncertainty, to_conflict, to_used, to_leaf, B, W, M, N,
    KP: tl.constexpr, EP: tl.constexpr, HP: tl.constexpr, BLOCK: tl.constexpr,
    LOGIT: tl.constexpr, CLIP: tl.constexpr, LEAK: tl.constexpr, MOST: tl.constexpr, LEAST: tl.constexpr,
):  # fmt: skip
    """`score_many` of BLOCK events a program, as `order` has them; results [B], [B, M] and [B, N]."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = place < B
    event = tl.load(order + place, mask=live, other=0)
    at_row = event * W
    model = tl.load(pools + event, mask=live, other=0)
    own = table + model * WIDTH
    E = tl.load(own + EXPERTS, mask=live, other=0).to(tl.int32)
    K = tl.load(own + CLASSES, mask=live, other=0).to(tl.int32)
    F = tl.load(own + FEATURES, mask=live, other=0).to(tl.int32)
    H = tl.load(own + HIDDEN, mask=live, other=0).to(tl.int32)
    rule = tl.load(own + RULE, mask=live, other=0).to(tl.int32)
    at_tree = tl.load(own + TREES_AT, mask=live, other=0)
    column = tl.arange(0, EP)[None, :]
    there = live[:, None] & (column < E[:, None])
    root = tl.load(roots + at_tree[:, None] + column, mask=there, other=0)
    base = tl.load(own + NODES_AT, mask=live, other=0)[:, None] + root
    node = walk(links, values, X, base, at_row, there)
    is_empty = tl.load(links + node * LINKS + BUSIEST, mask=there, other=-1) < 0
    number = tl.load(links + node * LINKS + FIRST, mask=there, other=0).to(tl.int64)
    leaf = tl.load(own + LEAVES_AT, mask=live, other=0)[:, None] + number * (K[:, None] + EVIDENCE)
    to = event[:, None] * M + column
    tl.store(to_leaf + to, tl.where(is_empty, -1, node - base).to(tl.int32), mask=there)
    logits = logits_of(
        leaves, router, skill, scales, X, leaf, at_row, live, tl.load(own + ROUTER_AT, mask=live, other=0), at_tree,
        tl.load(own + SCALES_AT, mask=live, other=0), F, E, K, H, KP, EP, HP, CLIP, LEAK,
    )  # fmt: skip
    q = sigmoid(logits, LOGIT)
    somebody = 1.0 - column_of(q, E, EP)
    rho = tl.where(there, tl.minimum(q * somebody[:, None], MOST), 0.0)
    tl.store(to_reliability + to, rho, mask=there)
    belief, uncertainty, conflict, use = fuse_models(leaves, leaf, live, rho, rule, E, K, KP, EP)
    least = tl.load(terms + model * 2 + LEAST_AT, mask=live, other=0.0)
    power = tl.load(terms + model * 2 + POWER_AT, mask=live, other=1.0)
    label = decide(belief, uncertainty, K, least, power, KP, LEAST)
    k = tl.arange(0, KP)[None, :]
    tl.store(to_belief + event[:, None] * N + k, belief, mask=live[:, None] & (k < K[:, None]))
    tl.store(to_label + event, label.to(tl.int64), mask=live)
    tl.store(to_uncertainty + event, uncertainty, mask=live)
    tl.store(to_conflict + event, conflict, mask=live)
    tl.store(to_used + event, use.to(tl.int64), mask=live)
