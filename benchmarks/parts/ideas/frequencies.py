"""Ideas about class frequencies: experts for different ones, aggregated.

SADE (arXiv 2107.09249) trains experts for the frequencies as they are, for even ones and for inverse ones, and
aggregates them. Each idea gives the probabilities [T, K] that the pool would then have had.
"""

from __future__ import annotations

import numpy as np

from parts.generators import Floats
from parts.ideas.heard import Heard

MEMORY = 10_000.0


def priors(heard: Heard) -> Floats:
    """[T, K], the faded frequencies of the classes before each event."""
    K = heard.source.classes
    counts, result = np.ones(K), np.empty((len(heard.y), K))
    for t, y in enumerate(heard.y.tolist()):
        result[t] = counts / counts.sum()
        counts *= 1.0 - 1.0 / MEMORY
        counts[y] += 1.0
    return result


def weighed_experts(heard: Heard) -> Floats:
    """Beside each expert stands its like whose rare labels weighed more; the router chooses among all."""
    return heard.fused(np.concatenate([heard.evidence, heard.weighed], axis=1))


def weighed_mean(heard: Heard) -> Floats:
    """Two pools, with labels as they are and with rare ones weighing more; the mean of their log probabilities.

    The frequencies that the second was taught are taken out of its answer before.
    """
    plain, even = heard.fused(), heard.fused(heard.weighed)
    z = np.log(np.maximum(plain, 1e-12)) + np.log(np.maximum(even, 1e-12)) + np.log(priors(heard))
    return _softmax(0.5 * z)


def calibrations(heard: Heard) -> Floats:
    """Three routers, whose rare labels count as they are, by the root of their rarity, and by all of it: the mean of
    their log probabilities."""
    logs = [np.log(np.maximum(heard.fused(rare=power), 1e-12)) for power in (0.0, 0.5, 1.0)]
    return _softmax(np.mean(logs, axis=0))


def ratios(heard: Heard) -> Floats:
    """Each expert's evidence is divided by the class frequencies, and the frequencies are put back after the fusion."""
    frequency = priors(heard)
    p = heard.shares() / frequency[:, None]
    p /= p.sum(axis=2, keepdims=True)
    even = heard.fused(p * heard.evidence.sum(axis=2, keepdims=True), rare=1.0)
    return _softmax(np.log(np.maximum(even, 1e-12)) + np.log(frequency))


def _softmax(z: Floats) -> Floats:
    p: Floats = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p
