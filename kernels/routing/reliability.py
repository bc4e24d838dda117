"""The router whose reliabilities are learnt through the fused decision, one event at a time.

A small MLP reads an event (standardised inputs, each expert's prequential accuracy and its evidence) and gives each
expert a reliability rho. Every rule has a closed form on singletons and the whole frame, so the decision is a function
of the reliabilities with a slope (see `tocsin.kernels.routing.fused_loss`), and its -log is the loss by which the MLP
is trained. The reliabilities are therefore those that best explain the labels, and so is the inverse temperature of the
decision, which is learnt from the same loss. Steps are SGD normalised by a running mean of squared gradients (RMS).
`reference_*` are the same formulae in plain numpy, as written, and a test holds the two together.

Sources: Shafer 1976 (discounting); DriftMoE, arXiv 2507.18464 (an online router over incremental experts); AdaMoE,
arXiv 2406.13233 (null experts); Demons in the Detail, arXiv 2501.11873 (load balance over more than a batch).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.moments import inverse_scale, learn_row
from tocsin.kernels.hoeffding.forest import adwin
from tocsin.kernels.routing.fused_loss import Opinions, combine, slope
from tocsin.kernels.routing.inverse_temperature import LOG
from tocsin.kernels.routing.inverse_temperature import learn as learn_temperature
from tocsin.kernels.routing.reliability_state import (
    CLIP as CLIP,
)
from tocsin.kernels.routing.reliability_state import (
    COUNTERS as COUNTERS,
)
from tocsin.kernels.routing.reliability_state import (
    DELAYS as DELAYS,
)
from tocsin.kernels.routing.reliability_state import (
    DRIFT_DELTA as DRIFT_DELTA,
)
from tocsin.kernels.routing.reliability_state import (
    DRIFTS as DRIFTS,
)
from tocsin.kernels.routing.reliability_state import (
    FULL_STEP_DELAY as FULL_STEP_DELAY,
)
from tocsin.kernels.routing.reliability_state import (
    IN_WINDOW as IN_WINDOW,
)
from tocsin.kernels.routing.reliability_state import (
    LEAK as LEAK,
)
from tocsin.kernels.routing.reliability_state import (
    LOGIT as LOGIT,
)
from tocsin.kernels.routing.reliability_state import (
    MAX_RELIABILITY as MAX_RELIABILITY,
)
from tocsin.kernels.routing.reliability_state import (
    PENDING as PENDING,
)
from tocsin.kernels.routing.reliability_state import (
    RECORDS as RECORDS,
)
from tocsin.kernels.routing.reliability_state import (
    SPEED as SPEED,
)
from tocsin.kernels.routing.reliability_state import (
    STEPS as STEPS,
)
from tocsin.kernels.routing.reliability_state import (
    Rates as Rates,
)
from tocsin.kernels.routing.reliability_state import (
    Records as Records,
)
from tocsin.kernels.routing.reliability_state import (
    Router as Router,
)
from tocsin.kernels.routing.reliability_state import (
    RouterOutput as RouterOutput,
)
from tocsin.kernels.routing.reliability_state import (
    Sizes as Sizes,
)
from tocsin.kernels.routing.reliability_state import (
    new as new,
)
from tocsin.kernels.routing.reliability_state import (
    unpacked as unpacked,
)
from tocsin.kernels.routing.reliability_state import (
    widened as widened,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def fill_inputs(router: Router, x: Floats, evidence: Floats, out: Floats) -> None:
    """The inputs of one event into `out` [D]; x [F], evidence [E, K]."""
    E, K = evidence.shape
    mean = np.zeros(K)
    for e in range(E):
        total = 0.0
        top = 0.0
        for k in range(K):
            total += evidence[e, k]
            top = max(top, evidence[e, k])
        out[e] = 2.0 * (router.skill[e] - 0.5)
        out[E + e] = 0.0
        out[2 * E + e] = 0.0
        if total > 0.0:
            out[E + e] = 2.0 * (top / total - 0.5)
            for k in range(K):
                mean[k] += evidence[e, k] / total * router.skill[e]
    favourite = 0
    for k in range(1, K):
        if mean[k] > mean[favourite]:
            favourite = k
    for e in range(E):
        total = 0.0
        for k in range(K):
            total += evidence[e, k]
        if total > 0.0:
            out[2 * E + e] = 2.0 * (evidence[e, favourite] / total - 0.5)
    for f in range(x.size):
        z = (x[f] - router.mean[f]) * inverse_scale(router.rows, router.square, f)
        # What is not known is taken to be at the mean.
        out[3 * E + f] = 0.0 if math.isnan(z) else min(max(z, -CLIP), CLIP)


@kernel
def forward(weights: Floats, inputs: Floats, hidden: Floats, logits: Floats) -> None:
    """The MLP: hidden [H] before the leaky ReLU, and logits [E + 1]."""
    D, H, outputs = inputs.size, hidden.size, logits.size
    for h in range(H):
        hidden[h] = weights[D * H + h]
    for d in range(D):
        value = inputs[d]
        for h in range(H):
            hidden[h] += value * weights[d * H + h]
    outer = D * H + H
    for o in range(outputs):
        logits[o] = weights[outer + H * outputs + o]
    for h in range(H):
        active = hidden[h] if hidden[h] > 0.0 else LEAK * hidden[h]
        for o in range(outputs):
            logits[o] += active * weights[outer + h * outputs + o]


@kernel
def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), x clipped at `LOGIT`."""
    return 1.0 / (1.0 + math.exp(-min(max(x, -LOGIT), LOGIT)))


@kernel
def fill_reliability(logits: Floats, rho: Floats) -> None:
    """Reliabilities [E] from logits [E + 1]: each expert's own, less the share that goes to nobody."""
    E = rho.size
    somebody = 1.0 - sigmoid(logits[E])
    for e in range(E):
        rho[e] = min(somebody * sigmoid(logits[e]), MAX_RELIABILITY)


@kernel
def gradient_by_logit(
    router: Router, logits: Floats, by_rho: Floats, evidence: Floats, rates: Rates, weight: float, out: Floats
) -> None:
    """From the gradient by reliabilities to that by logits, into `out` [E + 1], with the load balance."""
    E = by_rho.size
    nobody = sigmoid(logits[E])
    out[E] = 0.0
    if rates.some_asked:
        # Nobody is one more to share with: more than an even share of the trust is too much for it, too.
        out[E] = rates.balance * ((E + 1) * nobody - 1.0)
    for e in range(E):
        q = sigmoid(logits[e])
        out[E] -= by_rho[e] * q * nobody * (1.0 - nobody)
        out[e] = by_rho[e] * (1.0 - nobody) * q * (1.0 - q)
        # More than its share of the last window's load: down; less: up.
        if not rates.some_asked or evidence[e].max() > 0.0:
            out[e] += rates.balance * (E * router.load[1, e] - 1.0)
    for o in range(E + 1):
        out[o] *= weight
        if (logits[o] >= LOGIT and out[o] < 0.0) or (logits[o] <= -LOGIT and out[o] > 0.0):
            out[o] = 0.0


@kernel
def backward(weights: Floats, inputs: Floats, hidden: Floats, by_logit: Floats, gradient: Floats) -> None:
    """Add the gradient by weights to `gradient`."""
    D, H, outputs = inputs.size, hidden.size, by_logit.size
    outer = D * H + H
    by_hidden = np.empty(H)
    for h in range(H):
        slant = 1.0 if hidden[h] > 0.0 else LEAK
        active = slant * hidden[h]
        total = 0.0
        for o in range(outputs):
            total += by_logit[o] * weights[outer + h * outputs + o]
            gradient[outer + h * outputs + o] += by_logit[o] * active
        by_hidden[h] = total * slant
        gradient[D * H + h] += by_hidden[h]
    for o in range(outputs):
        gradient[outer + H * outputs + o] += by_logit[o]
    for d in range(D):
        value = inputs[d]
        for h in range(H):
            gradient[d * H + h] += value * by_hidden[h]


@kernel
def step_factor(delay: float) -> float:
    """By which factor steps shrink with the labels' delay."""
    return min(1.0, FULL_STEP_DELAY / max(delay, 1.0))


@kernel
def descend(router: Router, rates: Rates) -> None:
    """One step down the summed gradient, normalised by its running mean square; the sum begins anew."""
    counters = router.counters
    counters[STEPS] += 1.0
    delay = counters[DELAYS] / max(counters[PENDING], 1.0)
    # The running mean starts at 0: undo that bias, as Adam does, or the first steps are huge.
    young = 1.0 - rates.memory ** min(counters[STEPS], 1e6)
    step = rates.step * (1.0 + counters[SPEED]) * step_factor(delay)
    keep, take = rates.memory, (1.0 - rates.memory) / (rates.every * rates.every)
    weights, squares, gradient = router.weights, router.squares, router.gradient
    for i in range(weights.size):
        g = gradient[i]
        squares[i] = keep * squares[i] + take * g * g
        weights[i] -= step / rates.every * g / (math.sqrt(squares[i] / young) + 1e-8)
        gradient[i] = 0.0
    counters[PENDING] = 0.0
    counters[DELAYS] = 0.0


@kernel
def update_skill(router: Router, evidence: Floats, y: int, fade: float) -> None:
    """Update each expert's prequential accuracy. An expert without evidence is neither right nor wrong."""
    E, K = evidence.shape
    for e in range(E):
        best = 0
        for k in range(1, K):
            if evidence[e, k] > evidence[e, best]:
                best = k
        if evidence[e, best] <= 0.0:
            continue
        router.answers[e] += 1.0
        # The accuracy of few answers is their plain mean; from 1 / (1 - fade) answers on it fades.
        share = max(1.0 - fade, 1.0 / (router.answers[e] + 1.0))
        right = 1.0 if best == y else 0.0
        router.skill[e] += share * (right - router.skill[e])


@kernel
def add_load(router: Router, evidence: Floats, rho: Floats, prior: float, window: float) -> None:
    """Each expert's part in this decision: how much it can add to log P, as a share of what all can."""
    E, K = evidence.shape
    parts = np.zeros(E)
    total = 0.0
    for e in range(E):
        S = prior
        top = 0.0
        for k in range(K):
            S += evidence[e, k]
            top = max(top, evidence[e, k])
        parts[e] = math.log1p(rho[e] * top / (S - rho[e] * (S - prior)))
        total += parts[e]
    if total > 0.0:
        for e in range(E):
            router.load[0, e] += parts[e] / total
    router.counters[IN_WINDOW] += 1.0
    if router.counters[IN_WINDOW] >= window:
        for e in range(E):
            router.load[1, e] = router.load[0, e] / window
            router.load[0, e] = 0.0
        router.counters[IN_WINDOW] = 0.0


@kernel
def detect_drift(router: Router, P: Floats, y: int, rates: Rates) -> None:
    """Learn faster for a while where the fused decision has become worse."""
    best = 0
    for k in range(1, P.size):
        if P[k] > P[best]:
            best = k
    counters = router.counters
    counters[SPEED] *= rates.calm
    if adwin.update_and_test_rise(router.drift, 0, 0.0 if best == y else 1.0, DRIFT_DELTA):
        counters[SPEED] = rates.boost
        counters[DRIFTS] += 1.0


# ------------------------------------------------------------ many events


@kernel
def reliability_rows(router: Router, X: Floats, evidence: Floats, H: int, out: Floats) -> None:
    """Reliabilities [B, E] of B events; X [B, F], evidence [B, E, K]. Nothing of the router changes."""
    E = evidence.shape[1]
    inputs = np.empty(3 * E + X.shape[1])
    hidden, logits = np.empty(H), np.empty(E + 1)
    for b in range(X.shape[0]):
        fill_inputs(router, X[b], evidence[b], inputs)
        forward(router.weights, inputs, hidden, logits)
        fill_reliability(logits, out[b])


@kernel
def learn_rows(router: Router, records: Records, H: int, rates: Rates, out: RouterOutput) -> None:
    """Learn B records in order, and fill `out`.

    What is learnt depends on the order of the records alone, never on how they are cut into calls.
    """
    X, evidence, y, weight, delay = records
    E, K = evidence.shape[1:]
    prior = rates.prior if rates.prior > 0.0 else float(K)
    inputs = np.empty(3 * E + X.shape[1])
    hidden, logits, by_logit = np.empty(H), np.empty(E + 1), np.empty(E + 1)
    by_rho, P = np.empty(E), np.empty(K)
    for b in range(X.shape[0]):
        rho, a = out.reliability[b], math.exp(router.inverse_temperature[LOG])
        out.inverse_temperature[b] = a
        fill_inputs(router, X[b], evidence[b], inputs)
        forward(router.weights, inputs, hidden, logits)
        fill_reliability(logits, rho)
        opinions = Opinions(evidence[b], rho, prior, rates.rule)
        one = combine(opinions, P)
        by_log_a = slope(opinions, a, y[b], P, one, by_rho)
        gradient_by_logit(router, logits, by_rho, evidence[b], rates, weight[b], by_logit)
        backward(router.weights, inputs, hidden, by_logit, router.gradient)
        learn_temperature(router.inverse_temperature, weight[b] * by_log_a, rates.sharpen * step_factor(delay[b]))
        router.counters[RECORDS] += 1.0
        router.counters[PENDING] += 1.0
        router.counters[DELAYS] += delay[b]
        if router.counters[PENDING] >= rates.every:
            descend(router, rates)
        add_load(router, evidence[b], rho, prior, rates.window)
        update_skill(router, evidence[b], y[b], rates.fade)
        learn_row(router.rows, router.mean, router.square, rates.scaler_memory, X[b])
        detect_drift(router, P, y[b], rates)


# ------------------------------------------------------------ reference


def reference_reliability(router: Router, x: Floats, evidence: Floats, H: int) -> Floats:
    """Reliabilities [E] of one event: x [F], evidence [E, K]."""
    inner, bias, outer, outer_bias = unpacked(router.weights, len(x), len(evidence), H)
    hidden = reference_inputs(router, x, evidence) @ inner + bias
    logits = np.where(hidden > 0, hidden, LEAK * hidden) @ outer + outer_bias
    q = 1.0 / (1.0 + np.exp(-np.clip(logits, -LOGIT, LOGIT)))
    result: Floats = np.minimum(q[:-1] * (1.0 - q[-1]), MAX_RELIABILITY)
    return result


def reference_inputs(router: Router, x: Floats, evidence: Floats) -> Floats:
    """The inputs [D] of one event."""
    total = evidence.sum(axis=1, keepdims=True)
    p = evidence / np.where(total > 0, total, 1.0)
    spoke = total[:, 0] > 0
    favourite = int((p * router.skill[:, None]).sum(axis=0).argmax())
    confidence = np.where(spoke, 2.0 * (p.max(axis=1) - 0.5), 0.0)
    support = np.where(spoke, 2.0 * (p[:, favourite] - 0.5), 0.0)
    scale = np.sqrt(router.square)
    usable = (scale > 1e-12) & (router.rows > 1) & ~np.isnan(x)
    z = np.where(usable, (x - router.mean) / np.where(scale > 1e-12, scale, 1.0), 0.0)
    return np.concatenate([2.0 * (router.skill - 0.5), confidence, support, np.clip(z, -CLIP, CLIP)])
