"""A vote on a rare class by log likelihood ratios, with exponential weights, and its calibration.

An expert that gives class k the evidence e_k of s in all says p = (e_k + q) / (s + 1), where q is the share of the
class: one pseudo-count stands for the class frequencies. Its log likelihood ratio is logit p - logit q. A blend is the
mean of all ratios, weighted by exp(-eta loss), where the loss is the log loss of logit q + ratio at the true share, and
what is older fades at each label of the class. Who says nothing of an event has no part in the blend, and the loss of
the class frequencies. A mean of Dempster's kind, whose evidence is bounded, loses the ranking; so does a router that
decides for each event.

How sharply voters should be told apart differs: where one of them knows the truth (a Gaussian of Gaussian classes), the
best should speak alone; where each knows a part (frauds of several kinds, with labels a week late), all together are
better than any. So there are several blends, of several eta and memories (`BLENDS`), and the vote is their mean,
weighted by exp(-loss) in the same way.

The log odds of the class are then logit q + a vote + b. Slope and shift are learnt by logistic regression with Newton
steps from a prior at 1 and 0 that is firm: where they move, events of different times are no longer ranked alike.

Sources: Cesa-Bianchi & Lugosi 2006, "Prediction, learning, and games", ch. 2; Platt 1999, "Probabilistic outputs for
support vector machines".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.experts.rare_class.gaussian import FARTHEST
from tocsin.kernels.experts.rare_class.state import BLENDS, KEPT, KEPT_BLENDS, Vote

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_SLOPE, MOST_SLOPE = 0.1, 3.0


@kernel
def ratio_of(said: Floats, k: int, prior: float, counts: Floats) -> float:
    """The log likelihood ratio of class k by evidence `said` [K], where `prior` are its log odds.

    What is said for a class that has no label yet, by its `counts` [K], is left out: an expert that was never shown an
    event of it knows nothing of it, and a class that a config adds would take from all others.
    """
    q = 1.0 / (1.0 + math.exp(-prior))
    total = 0.0
    for other in range(len(said)):
        if other == k or counts[other] > 0.0:
            total += said[other]
    p = (said[k] + q) / (total + 1.0)
    ratio = math.log(p) - math.log(max(1.0 - p, 1e-300)) - prior
    return min(max(ratio, -FARTHEST), FARTHEST)


@kernel
def blend(loss: Floats, ratio: Floats, spoke: Bools, eta: float) -> float:
    """The mean of the ratios [E + 1] of those who spoke [E + 1], weighted by their losses [E + 1]; 0 if nobody did."""
    least = math.inf
    for e in range(len(ratio)):
        if spoke[e]:
            least = min(least, loss[e])
    weights, total = 0.0, 0.0
    for e in range(len(ratio)):
        if spoke[e]:
            weight = math.exp(-eta * (loss[e] - least))
            weights += weight
            total += weight * ratio[e]
    return total / weights if weights > 0.0 else 0.0


@kernel
def voted(vote: Vote, k: int, ratio: Floats, spoke: Bools, eta: float, blends: Floats) -> float:
    """The vote on class k by the ratios [E + 1] of those who spoke [E + 1]; `blends` [M] is filled with its parts."""
    least = vote.blend_loss[k].min()
    weights, total = 0.0, 0.0
    for m in range(len(BLENDS)):
        memory, sharpness = BLENDS[m]
        blends[m] = blend(vote.loss[k, memory], ratio, spoke, eta * sharpness)
        weight = math.exp(-eta * (vote.blend_loss[k, m] - least))
        weights += weight
        total += weight * blends[m]
    return total / weights


@kernel
def log_loss(odds: float, right: bool) -> float:
    """The log loss of log odds, where the class was `right` or was not."""
    away = -odds if right else odds
    return max(away, 0.0) + math.log1p(math.exp(-abs(away)))


@kernel
def calibrated(vote: Vote, k: int, prior: float, said: float) -> float:
    """The probability of class k, whose log odds are `prior`, by what was voted."""
    odds = prior + vote.scale[k, 0] * said + vote.scale[k, 1]
    return 1.0 / (1.0 + math.exp(-min(max(odds, -30.0), 30.0)))


@kernel
def calibrate(vote: Vote, k: int, said: float, p: float, right: bool) -> None:
    """One Newton step for slope and shift, after a label of an event that was given probability p."""
    P = vote.spread[k]
    gain0, gain1 = P[0, 0] * said + P[0, 1], P[1, 0] * said + P[1, 1]
    h = p * (1.0 - p)
    shrink = 1.0 + h * (said * gain0 + gain1)
    step = ((1.0 if right else 0.0) - p) / shrink
    vote.scale[k, 0] = min(max(vote.scale[k, 0] + step * gain0, LEAST_SLOPE), MOST_SLOPE)
    vote.scale[k, 1] += step * gain1
    P[0, 0] -= h * gain0 * gain0 / shrink
    P[0, 1] -= h * gain0 * gain1 / shrink
    P[1, 0] = P[0, 1]
    P[1, 1] -= h * gain1 * gain1 / shrink


@kernel
def learn_losses(vote: Vote, k: int, prior: float, ratio: Floats, blends: Floats, right: bool) -> None:
    """What voters and blends lost by a label of an event of which they said `ratio` [E + 1] and `blends` [M]."""
    for e in range(len(ratio)):
        lost = log_loss(prior + ratio[e], right)
        for memory in range(len(KEPT)):
            vote.loss[k, memory, e] = (KEPT[memory] if right else 1.0) * vote.loss[k, memory, e] + lost
    for m in range(len(blends)):
        kept = KEPT_BLENDS if right else 1.0
        vote.blend_loss[k, m] = kept * vote.blend_loss[k, m] + log_loss(prior + blends[m], right)
