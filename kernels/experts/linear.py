"""Multinomial logistic regression, one event at a time: RMS-normalised SGD on standardised and hashed inputs."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.common.moments import inverse_scale, learn_row

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CLIP = 5.0
"""Standardised inputs are clipped at so many standard deviations."""
MEMORY = 0.999
"""How much of the mean squared gradient a step keeps."""


class Linear(NamedTuple):
    """The state, changed in place. D inputs: the F features, the buckets of each category, and a 1 for the bias."""

    weights: Floats
    """[K, D]"""
    squares: Floats
    """[K, D], the running means of squared gradients."""
    nominal: Bools
    """[F]"""
    rows: Floats
    """[F], [F], [F]: see `tocsin.kernels.common.moments`."""
    mean: Floats
    square: Floats


class Rates(NamedTuple):
    """How the model learns and answers."""

    buckets: int
    """Hashed inputs of each category."""
    step: float
    scaler_memory: float
    """Rows over which inputs are standardised."""
    strength: float
    """The most pseudo-counts that an answer is worth."""


@kernel
def inputs_of(model: Linear, x: Floats, buckets: int, out: Floats) -> None:
    """The inputs of one event x [F] into `out` [D]; what is not known is 0."""
    F = x.size
    out[:] = 0.0
    first_bucket = F
    for f in range(F):
        if model.nominal[f]:
            if math.isfinite(x[f]):
                out[first_bucket + int(x[f]) % buckets] = 1.0
            first_bucket += buckets
        else:
            z = (x[f] - model.mean[f]) * inverse_scale(model.rows, model.square, f)
            out[f] = 0.0 if math.isnan(z) else min(max(z, -CLIP), CLIP)
    out[out.size - 1] = 1.0


@kernel
def probabilities_of(weights: Floats, inputs: Floats, out: Floats) -> None:
    """The softmax of one event into `out` [K]."""
    K, D = weights.shape
    top = -math.inf
    for k in range(K):
        total = 0.0
        for d in range(D):
            total += inputs[d] * weights[k, d]
        out[k] = total
        top = max(top, total)
    total = 0.0
    for k in range(K):
        out[k] = math.exp(out[k] - top)
        total += out[k]
    for k in range(K):
        out[k] /= total


@kernel
def probabilities(model: Linear, X: Floats, buckets: int, out: Floats) -> None:
    """Class probabilities [B, K] of X [B, F]."""
    inputs = np.empty(model.weights.shape[1])
    for b in range(X.shape[0]):
        inputs_of(model, X[b], buckets, inputs)
        probabilities_of(model.weights, inputs, out[b])


@kernel
def descend(model: Linear, inputs: Floats, error: Floats, weight: float, step: float, young: float) -> None:
    """One step down the gradient of the log loss; `young` undoes the bias of a running mean that starts at 0."""
    K, D = model.weights.shape
    for k in range(K):
        by_logit = weight * error[k]
        for d in range(D):
            g = by_logit * inputs[d]
            model.squares[k, d] = MEMORY * model.squares[k, d] + (1.0 - MEMORY) * g * g
            model.weights[k, d] -= step * g / (math.sqrt(model.squares[k, d] / young) + 1e-6)


@kernel
def learn(model: Linear, events: Labelled, rates: Rates, seen: float, answers: Floats) -> float:
    """Learn B events in order, after a weight of `seen`; returns the weight seen.

    `answers` [B, K] is filled with the evidence for each event just before it is learnt; [0, 0] where nobody asks.
    """
    X, y, weight = events.X, events.y, events.weight
    K, D = model.weights.shape
    inputs, p = np.empty(D), np.empty(K)
    for b in range(X.shape[0]):
        if answers.shape[0] > 0:
            inputs_of(model, X[b], rates.buckets, inputs)
            probabilities_of(model.weights, inputs, p)
            for k in range(K):
                answers[b, k] = p[k] * min(seen / K, rates.strength)
        learn_row(model.rows, model.mean, model.square, rates.scaler_memory, X[b])
        inputs_of(model, X[b], rates.buckets, inputs)
        probabilities_of(model.weights, inputs, p)
        p[y[b]] -= 1.0
        seen += weight[b]
        young = max(1.0 - MEMORY ** min(seen, 1e5), 1e-3)
        descend(model, inputs, p, weight[b], rates.step, young)
    return seen
