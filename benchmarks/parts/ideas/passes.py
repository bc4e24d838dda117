"""Ideas about experts in a chain: a second pass that sees the evidence of the first.

Chain-of-Experts (arXiv 2506.18945) routes a token anew at each pass, with what the experts before it found. Here the
first pass is the pool as it is. Each idea gives the probabilities [T, K] of a second one.
"""

from __future__ import annotations

import numpy as np

from parts.generators import Floats
from parts.ideas.heard import Heard, joined, told
from tocsin.config.experts.logistic import LogisticSettings

SURE = 6.0
"""Log odds are clipped at this."""


def log_odds(heard: Heard) -> Floats:
    """[T, E * K], or [T, E] with two classes: each expert's log probabilities beside their mean."""
    logs = np.log(heard.shares())
    logs -= logs.mean(axis=2, keepdims=True)
    if logs.shape[2] == 2:
        logs = 2.0 * logs[:, :, 1:]
    z: Floats = np.clip(logs.reshape(len(logs), -1), -SURE, SURE)
    return z


def routed_again(heard: Heard) -> Floats:
    """The router of a second pass also sees what each expert said for each class, and what the first pass fused."""
    first = np.log(np.maximum(heard.fused(), 1e-6))
    return heard.fused(X=np.column_stack([heard.X, log_odds(heard), first]))


def _stacked(heard: Heard) -> Floats:
    """Evidence [T, K] of a logistic expert (second order) on the log odds of all others."""
    settings = LogisticSettings(strength=100.0)
    return told(settings, log_odds(heard), heard.y, heard.source.classes)


def stack_alone(heard: Heard) -> Floats:
    """A logistic regression on the experts' log odds takes the router's place."""
    evidence = _stacked(heard)
    p: Floats = (evidence + 1.0) / (evidence.sum(axis=1, keepdims=True) + evidence.shape[1])
    return p


def stack_joins(heard: Heard) -> Floats:
    """That regression is one more expert, which the router trusts as far as it deserves."""
    return heard.fused(joined(heard.evidence, _stacked(heard)))


def stack_with_features(heard: Heard) -> Floats:
    """The same, where the regression sees the features as well."""
    X = np.column_stack([heard.X, log_odds(heard)])
    evidence = told(LogisticSettings(strength=100.0), X, heard.y, heard.source.classes)
    return heard.fused(joined(heard.evidence, evidence))


def fused_is_an_expert(heard: Heard) -> Floats:
    """What the first pass fused is one more expert of the second."""
    return heard.fused(joined(heard.evidence, 100.0 * heard.fused()))
