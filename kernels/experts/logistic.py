"""Second-order logistic regression, one class against the rest, which starts to learn anew after a drift.

An event has the inputs z [D]: standardised numbers, hashed categories, and a 1 for the bias. A class has weights w and
a share eps of labels that are wrong whatever the inputs say:

    q = eps + (1 - 2 eps) sigma(w z),    q' = (1 - 2 eps) sigma (1 - sigma),    h = q'^2 / (q (1 - q))

so that a label far on the wrong side moves nothing. With P the covariance of the weights, s = z'Pz and
c = 1 / fade - 1, a label (1 for the class, 0 for the rest) is learnt by a Newton step, and the direction z alone is
forgotten:

    w += P z (label - q) q' / (q (1 - q)) / (1 + h s),    P <- P - (h s - c) / (s (1 + h s)) P z z'P

The first moves w z by at most `LONGEST_STEP`. The second is two steps in one: P <- P - h P z z'P / (1 + h s), then
P <- P + c P z z'P / z'Pz, which forgets along what was seen, whatever else is known or not. Left alone it would give
variance without end where labels tell nothing. So z'Pz grows no further than under the prior, and a variance above the
prior's is cut back to it (`bound`).

P is kept as U D U', U unit upper triangular and D diagonal, and both steps together are Bierman's update of U and D. So
P stays symmetric and positive definite by its form, where P itself loses both by rounding.

Two classes have one model. More have one P each, or share one, which then learns by the greatest h of all classes. An
event counts as many times as its weight. The share eps follows its gradient by steps of `NOISE_STEP` in its logarithm,
each divided by the root mean square of the gradients. When the error has risen, P begins anew and w stays, unless that
was tried and has not helped (`tocsin.kernels.experts.restarts`). `reference_learn` is one event in plain numpy, with P.

Sources: Bierman 1977, "Factorization methods for discrete sequential estimation", ch. V; Kulhavy & Karny 1984,
"Tracking of slowly varying parameters by directional forgetting".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.common.labelled import Labelled
from tocsin.kernels.common.moments import Moments, learn_row
from tocsin.kernels.decision.calibration import fitted
from tocsin.kernels.experts.naive_bayes import bucket
from tocsin.kernels.experts.restarts import LEAST_KEPT, begin, restarts

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CLIP = 5.0
"""Standardised inputs are clipped at so many standard deviations."""
NOISE_STEP, NOISE_MEMORY = 0.01, 1_000.0
LEAST_NOISE, MOST_NOISE = 1e-4, 0.45
LONGEST_STEP = 1.0
"""No label moves its own w z by more. (LED with abrupt drift, 50,000 events: 64.3 without, 72.4 at 4, 73.3 at 1.)"""
CHECKED = 32
"""The variances are bounded once in so many events, counted from the first."""
STRENGTH, SEEN = range(2)
"""What stands in `fit`: the pseudo-counts of an answer, and the events learnt."""


class Logistic(NamedTuple):
    """The state, changed in place. M models: one for two classes or fewer, else one for each class."""

    weights: Floats
    """[M, D]"""
    factors: Floats
    """[M, D, D], or [1, D, D] where the classes share one: U and D of P = U D U'. Row j has column j of U above its
    diagonal, and D_j at place j. What stands behind that means nothing."""
    noise: Floats
    """[M, 2], eps and the mean squared gradient of its logarithm."""
    fit: Floats
    """[2], see `STRENGTH`."""
    errors: Floats
    """See `tocsin.kernels.experts.restarts`."""


class Rates(NamedTuple):
    """How the model learns."""

    fade: float
    """What the information on a direction keeps at an event in that direction."""
    variance: float
    """The prior variance of a weight."""
    threshold: float
    """By how many standard deviations the error must exceed that of the long run to be a drift."""
    most_strength: float
    """The bound on the pseudo-counts that an answer is worth."""


class Columns(NamedTuple):
    """How the columns of X become inputs."""

    nominal: Bools
    """[F], which are categories."""
    moments: Moments
    """Those of the events learnt; they change in place."""
    buckets: int
    """Inputs of each category."""


class Scratch(NamedTuple):
    """Room for what is computed of one event."""

    scale: Floats
    """[F], one over the standard deviation of each column."""
    z: Floats
    """[D], the inputs."""
    f: Floats
    """[D], U'z."""
    g: Floats
    """[D], D U'z."""
    gain: Floats
    """[D], P z."""
    sigma: Floats
    """[M]"""
    p: Floats
    """[K], class probabilities."""


@kernel
def scratch(columns: int, models: int, inputs: int, classes: int) -> Scratch:
    """Room for one event."""
    four = np.empty((4, inputs))
    return Scratch(np.empty(columns), four[0], four[1], four[2], four[3], np.empty(models), np.empty(classes))


@kernel
def scales_of(moments: Moments, out: Floats) -> None:
    """One over the standard deviation of each column into `out` [F]; 0 where it never varied.

    `tocsin.kernels.common.moments.inverse_scale` of all columns, in a loop that becomes vectors.
    """
    for f in range(len(out)):
        scale = math.sqrt(moments.square[f])
        out[f] = 1.0 / scale if scale > 1e-12 and moments.rows[f] > 1.0 else 0.0


@kernel
def inputs_of(x: Floats, columns: Columns, scale: Floats, z: Floats) -> int:
    """The inputs of one event x [F] into the first places of `z`; returns their number.

    A number has one, 0 where it is not known; a category has `buckets`, of which one is 1 where it is known.
    """
    nominal, moments, buckets = columns
    place = 0
    for f in range(len(x)):
        if nominal[f]:
            for j in range(buckets):
                z[place + j] = 0.0
            if math.isfinite(x[f]):
                z[place + bucket(x[f], buckets)] = 1.0
            place += buckets
        else:
            scaled = (x[f] - moments.mean[f]) * scale[f]
            z[place] = 0.0 if math.isnan(scaled) else min(max(scaled, -CLIP), CLIP)
            place += 1
    return place


@kernel
def dot(a: Floats, b: Floats, n: int) -> float:
    """The sum of a_i b_i, i < n, as four sums that a processor can take at the same time."""
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        one += a[i] * b[i]
        two += a[i + 1] * b[i + 1]
        three += a[i + 2] * b[i + 2]
        four += a[i + 3] * b[i + 3]
    for i in range(whole, n):
        one += a[i] * b[i]
    return (one + two) + (three + four)


@kernel
def answer(model: Logistic, room: Scratch) -> None:
    """Fill sigma [M] and p [K] of the event whose inputs are in `room.z`."""
    p, K = room.p, len(room.p)
    total = 0.0
    for m in range(len(room.sigma)):
        room.sigma[m] = 1.0 / (1.0 + math.exp(-dot(model.weights[m], room.z, len(room.z))))
        eps = model.noise[m, 0]
        p[K - 1 if K <= 2 else m] = eps + (1.0 - 2.0 * eps) * room.sigma[m]
        total += eps + (1.0 - 2.0 * eps) * room.sigma[m]
    if K == 1:
        p[0] = 1.0
    elif K == 2:
        p[0] = 1.0 - p[1]
    else:
        for k in range(K):
            p[k] /= total


@kernel
def slope_and_information(sigma: float, eps: float, label: float, weight: float) -> tuple[float, float]:
    """The gradient of the log likelihood of one label by the margin w z, and its Fisher information h."""
    q = eps + (1.0 - 2.0 * eps) * sigma
    steepness = (1.0 - 2.0 * eps) * sigma * (1.0 - sigma)
    return weight * (label - q) * steepness / (q * (1.0 - q)), weight * steepness * steepness / (q * (1.0 - q))


@kernel
def spread(factor: Floats, room: Scratch) -> float:
    """f = U'z and g = D f into `room`; returns s = z'Pz."""
    s = 0.0
    for j in range(len(room.z)):
        room.f[j] = room.z[j] + dot(factor[j], room.z, j)
        room.g[j] = factor[j, j] * room.f[j]
        s += room.f[j] * room.g[j]
    return s


@kernel
def update(factor: Floats, room: Scratch, rate: float) -> None:
    """P <- P - rate / (1 + rate s) P z z'P in its factors, and P z of before into `room.gain`.

    Bierman's update with 1 / rate as the variance of what is measured; 1 + rate s must be above 0. A rate below 0
    gives P variance.
    """
    gain = room.gain
    before = 1.0
    for j in range(len(gain)):
        f, g = room.f[j], room.g[j]
        after = before + rate * f * g
        turn = -rate * f / before
        for i in range(j):
            u = factor[j, i]
            factor[j, i] = u + turn * gain[i]
            gain[i] += g * u
        gain[j] = g
        factor[j, j] *= before / after
        before = after


@kernel
def bound(factor: Floats, most: float, scale: Floats) -> None:
    """Cut variances above `most` back to it; correlations stay. `scale` [D] is scratch."""
    D = len(scale)
    scale[:] = 0.0
    for j in range(D):
        for i in range(j):
            scale[i] += factor[j, i] * factor[j, i] * factor[j, j]
        scale[j] += factor[j, j]
    above = False
    for j in range(D):
        above = above or scale[j] > most
        scale[j] = math.sqrt(most / scale[j]) if scale[j] > most else 1.0
    if above:
        # With S the diagonal of scales, S P S = (S U S^-1) (S D S) (S U S^-1)'.
        for j in range(D):
            for i in range(j):
                factor[j, i] *= scale[i] / scale[j]
            factor[j, j] *= scale[j] * scale[j]


@kernel
def learn_noise(noise: Floats, sigma: float, label: float, weight: float, seen: float) -> None:
    """One step for eps of one model, noise [2]."""
    eps = noise[0]
    q = eps + (1.0 - 2.0 * eps) * sigma
    gradient = eps * (1.0 - 2.0 * sigma) * (label - q) / (q * (1.0 - q))
    noise[1] += (gradient * gradient - noise[1]) / min(seen + 1.0, NOISE_MEMORY)
    step = NOISE_STEP * min(weight, 1.0) * gradient / (math.sqrt(noise[1]) + 1e-12)
    noise[0] = min(max(eps * math.exp(step), LEAST_NOISE), MOST_NOISE)


@kernel
def label_of(m: int, y: int, classes: int) -> float:
    """The label of model m: whether y is its class. The one model of two classes is that of the second."""
    return 1.0 if y == (m if classes > 2 else 1) else 0.0


@kernel
def learn_event(model: Logistic, room: Scratch, y: int, weight: float, rates: Rates) -> None:
    """Learn the label y of the event that `answer` was asked for, by its weight."""
    fit, sigma, K, M = model.fit, room.sigma, len(room.p), len(room.sigma)
    fit[STRENGTH] = fitted(fit[STRENGTH], room.p[y], K, weight, fit[SEEN], rates.most_strength)
    what = restarts(model.errors, 0.0 if room.p.argmax() == y else 1.0, rates.threshold)
    if what > 1:
        model.weights[:] = 0.0
    if what > 0:
        begin(model.weights, model.factors, rates.variance, LEAST_KEPT if what == 1 else 1.0)
    c = 1.0 / rates.fade - 1.0
    models = 1 if len(model.factors) == M else M  # how many share one P
    for first in range(0, M, models):
        factor = model.factors[first // models]
        most = 0.0
        for m in range(first, first + models):
            label = label_of(m, y, K)
            most = max(most, slope_and_information(sigma[m], model.noise[m, 0], label, weight)[1])
        s = spread(factor, room)
        rate = (most * s - c) / (s * (1.0 + c))
        forgotten = s >= rates.variance * dot(room.z, room.z, len(room.z))
        update(factor, room, max(rate, 0.0) if forgotten else rate)
        for m in range(first, first + models):
            label = label_of(m, y, K)
            slope, _ = slope_and_information(sigma[m], model.noise[m, 0], label, weight)
            step = slope / (1.0 + most * s)
            step *= min(1.0, LONGEST_STEP / max(abs(step) * s, 1e-300))
            for d in range(len(room.gain)):
                model.weights[m, d] += step * room.gain[d]
            learn_noise(model.noise[m], sigma[m], label, weight, fit[SEEN])
        if fit[SEEN] % CHECKED == CHECKED - 1.0:
            bound(factor, rates.variance, room.f)
    fit[SEEN] += 1.0


@kernel
def expect(model: Logistic, row: Floats, columns: Columns, room: Scratch) -> None:
    """Make inputs of the values of one event, row [F], by `room.scale`, and answer it: z, sigma and p into `room`."""
    room.z[inputs_of(row, columns, room.scale, room.z)] = 1.0
    answer(model, room)


@kernel
def tell(model: Logistic, room: Scratch, most: float, out: Floats) -> None:
    """The evidence [K] for the event that was answered last into `out`, of at most `most` pseudo-counts."""
    worth = min(model.fit[STRENGTH], most) if model.fit[SEEN] > 0.0 else 0.0
    for k in range(len(out)):
        out[k] = worth * room.p[k]


@kernel
def evidence(model: Logistic, X: Floats, columns: Columns, most: float, out: Floats) -> None:
    """The evidence [B, K] of X [B, F] into `out`, of at most `most` pseudo-counts an event."""
    room = scratch(len(columns.nominal), model.weights.shape[0], model.weights.shape[1], out.shape[1])
    scales_of(columns.moments, room.scale)
    for b in range(len(X)):
        expect(model, X[b], columns, room)
        tell(model, room, most, out[b])


@kernel
def learn(model: Logistic, events: Labelled, columns: Columns, rates: Rates, classes: int, answers: Floats) -> None:
    """Learn B events of so many classes in order.

    `answers` [B, K] is filled with the evidence for each event just before it is learnt; [0, 0] where nobody asks.
    """
    moments = columns.moments
    room = scratch(len(columns.nominal), model.weights.shape[0], model.weights.shape[1], classes)
    for b in range(len(events.X)):
        scales_of(moments, room.scale)
        expect(model, events.X[b], columns, room)
        if len(answers) > 0:
            tell(model, room, rates.most_strength, answers[b])
        learn_event(model, room, events.y[b], events.weight[b], rates)
        learn_row(moments.rows, moments.mean, moments.square, moments.memory, events.X[b])


def covariances(factors: Floats) -> Floats:
    """P [C, D, D] from its factors."""
    unit = np.triu(factors.transpose(0, 2, 1), 1) + np.eye(factors.shape[1])
    variances = np.diagonal(factors, axis1=1, axis2=2)
    product: Floats = (unit * variances[:, None, :]) @ unit.transpose(0, 2, 1)
    return product


def reference_answer(weights: Floats, noise: Floats, z: Floats) -> tuple[Floats, Floats]:
    """sigma [M] and q [M] as the formulae are written, of weights [M, D] and eps, noise [M]."""
    sigma = 1.0 / (1.0 + np.exp(-weights @ z))
    return sigma, noise + (1.0 - 2.0 * noise) * sigma


def reference_learn(
    weights: Floats, P: Floats, noise: Floats, z: Floats, labels: Floats, weight: float, rates: Rates
) -> None:
    """One event as the formulae are written, in two steps: labels [M] for models with weights [M, D], P [C, D, D]."""
    sigma, q = reference_answer(weights, noise, z)
    steepness = (1.0 - 2.0 * noise) * sigma * (1.0 - sigma)
    slope = weight * (labels - q) * steepness / (q * (1.0 - q))
    information = weight * steepness**2 / (q * (1.0 - q))
    c = 1.0 / rates.fade - 1.0
    for n in range(len(P)):
        mine = slice(None) if len(P) == 1 else slice(n, n + 1)
        h, gain = information[mine].max(), P[n] @ z
        s = z @ gain
        step = slope[mine] / (1.0 + h * s)
        step *= np.minimum(1.0, LONGEST_STEP / np.maximum(np.abs(step) * s, 1e-300))
        weights[mine] += np.outer(step, gain)
        if h * s < c and s >= rates.variance * (z @ z):
            continue
        P[n] -= h * np.outer(gain, gain) / (1.0 + h * s)
        gain = P[n] @ z
        P[n] += c * np.outer(gain, gain) / (z @ gain)
