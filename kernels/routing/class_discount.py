"""Discounting by class: what each expert's word has been worth for each class that it names.

An expert that tells fraud from the rest rightly may still name it far too often. Shafer's discount takes all that an
expert says down by one factor; this takes the mass on each class down by a factor of its own, the expert's faded
precision for that class above chance, and gives what is taken to all classes together:

    b'_k = rho_ek b_k,    u' = 1 - sum_k b'_k

After Mercier, Quost & Denoeux 2008 (contextual discounting), whose context is the true class; there masses would come
to rest on sets of classes. With what was said for context they stay on single classes and on all, and the closed forms
of `tocsin.kernels.fusion` go on to hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST = 0.999
"""No word is ever taken for the whole truth."""


@kernel
def worth(precision: float, answers: float, K: int) -> float:
    """The factor of one expert's word for one class: precision above the chance of one in K; a half at the start."""
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
        kept = 0.0
        for k in range(K):
            total += evidence[e, k]
            out[e, k] = worth(precision[e, k], answers[e, k], K) * evidence[e, k]
            kept += out[e, k]
        scale = prior / (total - kept)
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
            said = 0
            for k in range(1, K):
                if evidence[b, e, k] > evidence[b, e, said]:
                    said = k
            if evidence[b, e, said] <= 0.0:
                continue
            answers[e, said] += 1.0
            # A young record is a plain mean that begins at a half; from 1 / (1 - fade) answers on it fades.
            share = max(1.0 - fade, 1.0 / (answers[e, said] + 1.0))
            right = 1.0 if said == y[b] else 0.0
            precision[e, said] += share * (right - precision[e, said])


def reference(precision: Floats, answers: Floats, evidence: Floats, prior: float) -> tuple[Floats, Floats]:
    """The discounted belief [E, K] and uncertainty [E] of one event, as the formula is written."""
    K = evidence.shape[1]
    chance = 1.0 / max(K, 2)
    rho = np.where(answers > 0, np.clip((precision - chance) / (1.0 - chance), 0.0, MOST), 0.5)
    belief = rho * evidence / (evidence.sum(axis=1, keepdims=True) + prior)
    return belief, 1.0 - belief.sum(axis=1)
