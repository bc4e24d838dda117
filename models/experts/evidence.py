"""How an expert's answer becomes evidence: pseudo-counts for each class, an opinion's s being on top.

From evidence e and prior weight s an opinion's belief is e / (sum e + s) and its uncertainty s / (sum e + s)
(Josang 2016, "Subjective Logic"; Sensoy et al. 2018). What each kind of expert gives:

| expert | evidence | how much |
|---|---|---|
| tree, forest | probabilities of the leaf, by faded counts or naive Bayes | what it has seen, at most `strength` |
| neighbours | votes | fitted online (`kernels.decision.calibration`), at most `strength` |
| naive Bayes, boosted, logistic, stack, moving clusters | probabilities | fitted online likewise, at most `strength` |
| linear | probabilities | a K-th of the labels learnt, at most `strength` |
| linear-text | probabilities, by margins and a slope fitted online | fitted online, at most `strength` |
| ss3 | confidence values by a scale for each class, fitted online (`kernels.text.ss3.lessons`) | at most `strength` |
| rules | what the rules that fire have seen of the classes, after a declared prior | at most `strength` |
| persistence | the last label known | `strength` |
| river | `predict_proba_one` | the weight of the leaf that answers, where there are leaves; at most `strength` |

How far evidence is trusted is not the expert's to say: reliabilities discount it (`tocsin.models.routing.base`), and
`tocsin.models.routing.class_discount` class by class.
"""

from __future__ import annotations

import numpy as np

from tocsin.models.data.batch import Floats


def proportional(p: Floats, strength: Floats | float) -> Floats:
    """Evidence e = N p from class probabilities p [B, K] and a number of pseudo-counts N (one, or [B])."""
    return np.maximum(p, 0.0) * np.reshape(np.asarray(strength, np.float64), (-1, 1))


def capped(evidence: Floats, strength: float) -> Floats:
    """Evidence [B, K] of at most so many pseudo-counts an event, in its own proportions.

    >>> capped(np.array([[30.0, 10.0], [1.0, 0.0]]), 20.0).tolist()
    [[15.0, 5.0], [1.0, 0.0]]
    """
    total = evidence.sum(axis=1, keepdims=True)
    result: Floats = evidence * np.minimum(1.0, strength / np.maximum(total, strength))
    return result
