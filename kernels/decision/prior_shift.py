"""Class priors of an unlabelled stream by online EM, and what they make of each event.

With p_k the probabilities of a model for which classes are as frequent as `usual`, and w_k = prior_k / usual_k,

    z = sum_k w_k p_k;   r_k = w_k p_k / z;   prior_k += step (r_k - prior_k);   gain += step (log z - gain).

log z is how much likelier the event is by the priors of late than by the usual ones.

Sources: Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori probabilities";
Cappé & Moulines 2009, "On-line expectation-maximization algorithm for latent data models".
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]

MOST = 20.0
"""No class is taken to be more than so many times as frequent as usual, or as rare."""
LEAST = 1e-12


@kernel
def follow(p: Floats, usual: Floats, priors: Floats, gain: Floats, step: float, least: float, ratios: Floats) -> None:
    """What p [B, K] tells, event by event: `priors` [K] and `gain` [1] move on, in place.

    `ratios` [B, K] takes w for each event, of mean 1 over the usual classes; ones while the gain is below `least`.
    """
    B, K = p.shape
    w = np.empty(K)
    for b in range(B):
        mean = 0.0
        for k in range(K):
            w[k] = min(max(priors[k] / usual[k], 1.0 / MOST), MOST)
            mean += usual[k] * w[k]
        z = 0.0
        for k in range(K):
            w[k] /= mean
            z += w[k] * p[b, k]
        for k in range(K):
            ratios[b, k] = w[k] if gain[0] >= least else 1.0
        z = max(z, LEAST)
        gain[0] += step * (math.log(z) - gain[0])
        for k in range(K):
            priors[k] += step * (w[k] * p[b, k] / z - priors[k])
