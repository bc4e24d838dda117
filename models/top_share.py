"""Top-p engagement by reliability alone."""

from __future__ import annotations

import numpy as np

from tocsin.models.batch import Bools, Floats


def top_share(reliability: Floats, share: float) -> Bools:
    """The most reliable experts of each event [B, E] whose reliabilities reach this share of all; at least one.

    >>> top_share(np.array([[0.1, 0.6, 0.3]]), 0.8).tolist()
    [[False, True, True]]
    """
    if share >= 1.0:
        return np.ones(reliability.shape, np.bool_)
    order = np.argsort(-reliability, axis=1, kind="stable")
    ranked = np.take_along_axis(reliability, order, axis=1)
    total = np.maximum(ranked.sum(axis=1, keepdims=True), 1e-12)
    before = ranked.cumsum(axis=1) - ranked
    chosen = before < share * total
    chosen[:, 0] = True
    result: Bools = np.empty_like(chosen)
    np.put_along_axis(result, order, chosen, axis=1)
    return result
