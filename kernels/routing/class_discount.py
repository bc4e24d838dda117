"""Discounting by class: how reliable each expert's evidence has been for each class that it answers.

An expert that tells fraud from the rest may still answer fraud far too often. Shafer's discount multiplies all of an
expert's masses by one factor. This multiplies the mass on each class by a factor of its own, the expert's faded
precision for that class above chance, and gives what is taken to the set of all classes:

    b'_k = rho_ek b_k,    u' = 1 - sum_k b'_k

After Mercier, Quost & Denoeux 2008 (contextual discounting). There the context is the true class, and masses move to
sets of classes. Here the context is the expert's answer, so masses stay on single classes and on the set of all, and
the closed forms of `tocsin.kernels.fusion` still hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST = 0.999
"""The largest factor: no evidence is trusted in full."""


@kernel
def factor(precision: float, answers: float, K: int) -> float:
    """One expert's factor for one class: its precision above the chance of one in K; a half before the first answer."""
    if answers <= 0.0:
        return 0.5
    chance = 1.0 / max(K, 2)
    return min(max((precision - chance) / (1.0 - chance), 0.0), MOST)


@kernel
def discount_row(precision: Floats, answers: Floats, evidence: Floats, prior: float, out: Floats) -> None:
    """One event: evidence [E, K] into `out` [E, K], which gives the discounted opinions under the same prior weight."""
    E, K = evidence.shape
    for e in range(E):
        total = prior
        discounted = 0.0
        for k in range(K):
            total += evidence[e, k]
            out[e, k] = factor(precision[e, k], answers[e, k], K) * evidence[e, k]
            discounted += out[e, k]
        scale = prior / (total - discounted)
        for k in range(K):
            out[e, k] *= scale


@kernel
def discount_rows(precision: Floats, answers: Floats, evidence: Floats, prior: float, out: Floats) -> None:
    """B events: evidence [B, E, K] into `out`. Nothing is learnt."""
    for b in range(evidence.shape[0]):
        discount_row(precision, answers, evidence[b], prior, out[b])


@kernel
def learn_rows(
    precision: Floats, answers: Floats, evidence: Floats, y: Ints, prior: float, fade: float, out: Floats
) -> None:
    """Learn B events in order; into `out` [B, E, K] the evidence as it was discounted just before each."""
    E, K = evidence.shape[1:]
    for b in range(evidence.shape[0]):
        discount_row(precision, answers, evidence[b], prior, out[b])
        for e in range(E):
            answer = 0
            for k in range(1, K):
                if evidence[b, e, k] > evidence[b, e, answer]:
                    answer = k
            if evidence[b, e, answer] <= 0.0:
                continue
            answers[e, answer] += 1.0
            # The precision of few answers is their plain mean with a half; from 1 / (1 - fade) answers on it fades.
            share = max(1.0 - fade, 1.0 / (answers[e, answer] + 1.0))
            right = 1.0 if answer == y[b] else 0.0
            precision[e, answer] += share * (right - precision[e, answer])


def reference(precision: Floats, answers: Floats, evidence: Floats, prior: float) -> tuple[Floats, Floats]:
    """The discounted belief [E, K] and uncertainty [E] of one event, as the formula is written."""
    K = evidence.shape[1]
    chance = 1.0 / max(K, 2)
    rho = np.where(answers > 0, np.clip((precision - chance) / (1.0 - chance), 0.0, MOST), 0.5)
    belief = rho * evidence / (evidence.sum(axis=1, keepdims=True) + prior)
    return belief, 1.0 - belief.sum(axis=1)
