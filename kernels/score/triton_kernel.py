"""The whole of scoring in one launch: leaf gather, router, fusion, decision. Imported only where Triton runs."""

from __future__ import annotations

import triton
import triton.language as tl

from tocsin.kernels.fusion.triton_block import (
    best_two,
    fuse_block,
    hand_out,
    rows,
)


@triton.jit
def sigmoid(x, LOGIT: tl.constexpr):
    """As `tocsin.kernels.routing.reliability.sigmoid`."""
    return 1.0 / (1.0 + tl.exp(-tl.minimum(tl.maximum(x, -LOGIT), LOGIT)))


@triton.jit
def network(
    evidence,
    leaves,
    event,
    live,
    cap,
    E,
    N,
    K,
    X,
    F,
    weights,
    skill,
    mean,
    inverse,
    H,
    KP: tl.constexpr,
    EP: tl.constexpr,
    HP: tl.constexpr,
    GATHER: tl.constexpr,
    CLIP: tl.constexpr,
    LEAK: tl.constexpr,
):
    """The router's logits [events, EP]: `tocsin.kernels.routing.reliability.fill_inputs` and `forward`, in float64."""
    h = tl.arange(0, HP)
    o = tl.arange(0, EP)
    k = tl.arange(0, KP)
    in_h = h < H
    in_o = o < E + 1
    D = 3 * E + F
    zero = event * 0
    hidden = tl.load(weights + D * H + h, mask=in_h, other=0.0)[None, :] + zero.to(tl.float64)[:, None]
    favour = zero.to(tl.float64)[:, None] + tl.zeros((1, KP), tl.float64)
    for e in range(E):
        x = rows(evidence, leaves, event, zero + e, live, E, N, K, cap, KP, GATHER).to(tl.float64)
        total = tl.sum(x, 1)
        answered = total > 0.0
        p = x / tl.where(answered, total, 1.0)[:, None]
        accuracy_e = tl.load(skill + e)
        favour += p * accuracy_e
        confidence = tl.where(answered, 2.0 * (tl.max(p, 1) - 0.5), 0.0)
        hidden += (2.0 * (accuracy_e - 0.5)) * tl.load(weights + e * H + h, mask=in_h, other=0.0)[None, :]
        hidden += confidence[:, None] * tl.load(weights + (E + e) * H + h, mask=in_h, other=0.0)[None, :]
    _, favourite, _ = best_two(favour, KP)
    for e in range(E):
        x = rows(evidence, leaves, event, zero + e, live, E, N, K, cap, KP, GATHER).to(tl.float64)
        total = tl.sum(x, 1)
        answered = total > 0.0
        chosen = tl.sum(tl.where(k[None, :] == favourite[:, None], x, 0.0), 1) / tl.where(answered, total, 1.0)
        support = tl.where(answered, 2.0 * (chosen - 0.5), 0.0)
        hidden += support[:, None] * tl.load(weights + (2 * E + e) * H + h, mask=in_h, other=0.0)[None, :]
    for f in range(F):
        x = tl.load(X + event * F + f, mask=live, other=0.0)
        z = (x - tl.load(mean + f)) * tl.load(inverse + f)
        # What is not known is taken to be at the mean.
        z = tl.where(z == z, tl.minimum(tl.maximum(z, -CLIP), CLIP), 0.0)
        hidden += z[:, None] * tl.load(weights + (3 * E + f) * H + h, mask=in_h, other=0.0)[None, :]
    active = tl.where(hidden > 0.0, hidden, LEAK * hidden)
    outer = D * H + H
    logits = tl.load(weights + outer + H * (E + 1) + o, mask=in_o, other=0.0)[None, :] + zero.to(tl.float64)[:, None]
    for i in range(H):
        unit = tl.sum(tl.where(h[None, :] == i, active, 0.0), 1)
        logits += unit[:, None] * tl.load(weights + outer + i * (E + 1) + o, mask=in_o, other=0.0)[None, :]
    return logits


@triton.jit
def raise_top(belief, share, top, inverse_temperature, K, KP: tl.constexpr, LEAST: tl.constexpr):
    """The largest of each event's probabilities belief [events, KP] + share, which is `top`, after all are raised to a
    power, in float64."""
    k = tl.arange(0, KP)
    p = tl.maximum((belief + share[:, None]).to(tl.float64), LEAST)
    ratio = tl.exp(inverse_temperature * (tl.log(p) - tl.log(tl.maximum(top.to(tl.float64), LEAST))[:, None]))
    return 1.0 / tl.sum(tl.where((k < K)[None, :], ratio, 0.0), 1)


@triton.jit
def score_kernel(
    evidence,
    leaves,
    logits,
    accuracy,
    X,
    weights,
    mean,
    inverse,
    engaged,
    to_label,
    to_reliability,
    to_belief,
    to_rest,
    to_used,
    numbers,
    B,
    E,
    N,
    K,
    F,
    H,
    RULE: tl.constexpr,
    KP: tl.constexpr,
    EP: tl.constexpr,
    HP: tl.constexpr,
    BLOCK: tl.constexpr,
    DOUBLE: tl.constexpr,
    GATHER: tl.constexpr,
    NETWORK: tl.constexpr,
    NULL: tl.constexpr,
    MASK: tl.constexpr,
    LOGIT: tl.constexpr,
    CLIP: tl.constexpr,
    LEAK: tl.constexpr,
    MOST: tl.constexpr,
    RAISE: tl.constexpr,
    LEAST: tl.constexpr,
):
    """`score` of BLOCK events a program; `numbers`: prior, least, cap, inverse_temperature; `accuracy` is that above
    chance."""
    event = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = event < B
    column = tl.arange(0, EP)
    prior = tl.load(numbers)
    least = tl.load(numbers + 1)
    cap = tl.load(numbers + 2)
    if NETWORK:
        given = network(
            evidence, leaves, event, live, cap, E, N, K, X, F, weights, accuracy, mean, inverse, H,
            KP, EP, HP, GATHER, CLIP, LEAK,
        )  # fmt: skip
        skill = tl.zeros((EP,), tl.float64) + 1.0
    else:
        width = E + NULL
        inside = live[:, None] & (column < width)[None, :]
        given = tl.load(logits + event[:, None] * width + column[None, :], mask=inside, other=0.0)
        skill = tl.load(accuracy + column, mask=column < E, other=0.0)
    q = sigmoid(given, LOGIT)
    if NULL:
        somebody = 1.0 - tl.sum(tl.where((column == E)[None, :], q, 0.0), 1)
        q = q * somebody[:, None]
    rho = tl.minimum(q * skill[None, :], MOST)
    rho = tl.where((column < E)[None, :], rho, 0.0)
    tl.store(to_reliability + event[:, None] * E + column[None, :], rho, mask=live[:, None] & (column < E)[None, :])
    if MASK:
        inside = live[:, None] & (column < E)[None, :]
        is_engaged = tl.load(engaged + event[:, None] * E + column[None, :], mask=inside, other=0)
        rho = tl.where(is_engaged != 0, rho, 0.0)
    if DOUBLE:
        trust = rho
    else:
        trust = rho.to(tl.float32)
        prior = prior.to(tl.float32)
    belief, uncertainty, conflict, use = fuse_block(
        evidence, leaves, event, live, trust, prior, cap, E, N, K, RULE, KP, EP, GATHER, DOUBLE
    )
    best, place, _ = best_two(belief, KP)
    sure = best + uncertainty / K
    if RAISE:
        sure = raise_top(belief, uncertainty / K, sure, tl.load(numbers + 3), K, KP, LEAST)
    label = tl.where(sure >= least, place, -1)
    tl.store(to_label + event, label.to(tl.int64), mask=live)
    hand_out(event, live, belief, uncertainty, conflict, use, to_belief, to_rest, to_used, B, K, KP)
