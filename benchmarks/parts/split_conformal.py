"""Split conformal prediction by crepes, calibrated anew as labels come: a rival in coverage and in confidence.

crepes takes a batch, so every 100 events it is calibrated on the latest 1,000 labelled ones, by the probabilities that
another combination gave their true classes. Confidence is 1 less the second largest p-value, as in conformal prediction
(Vovk, Gammerman & Shafer 2005); a class is in the set of an event where its p-value exceeds the error.
"""

from __future__ import annotations

import numpy as np
from crepes import ConformalClassifier

from parts.generators import Floats, Ints

WINDOW, EVERY, LEAST = 1_000, 100, 100


def p_values(p: Floats, y: Ints) -> Floats:
    """The p-value of each class [T, K], from probabilities [T, K] and labels [T]; NaN while too few labels are known.

    A label beyond the K classes never comes.
    """
    result = np.full(p.shape, np.nan)
    known = np.flatnonzero(y < p.shape[1])
    scores = 1.0 - p[known, y[known]]
    for start in range(0, len(p), EVERY):
        till = int(np.searchsorted(known, start))
        if till >= LEAST:
            conformal = ConformalClassifier().fit(scores[max(till - WINDOW, 0) : till])
            some = slice(start, start + EVERY)
            result[some] = conformal.predict_p(1.0 - p[some], smoothing=False)
    return result


def confidence(values: Floats) -> Floats:
    """1 less the second largest p-value of each event [T]; 0 where there are none yet."""
    second: Floats = np.sort(values, axis=1)[:, -2]
    return np.where(np.isnan(second), 0.0, 1.0 - second)


def inside(values: Floats, y: Ints, error: float) -> Floats:
    """Whether each true class was in the set, [T]; NaN where there were none yet."""
    true = values[np.arange(len(y)), y]
    return np.where(np.isnan(true), np.nan, true > error)
