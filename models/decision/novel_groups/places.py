"""Where an event lies among others: its numbers, as groups of novel events compare them."""

from __future__ import annotations

import math

import numpy as np

from tocsin.models.data.batch import Bools, Floats
from tocsin.models.data.features import Standardiser
from tocsin.models.decision.traffic.counterpart import FARTHEST, encoded

EVEN = math.sqrt(12.0)
"""Divides the standard deviation of a number that is drawn evenly from 0 to 1, so that it becomes 1."""


def places(X: Floats, nominal: Bools, scaler: Standardiser) -> Floats:
    """Events X [B, F] as [B, D] in standard deviations: each number one, then each category, of which some columns are
    `nominal` [F], as four that differ between categories. What is not known is 0, as what never varied.

    >>> scaler = Standardiser(1)
    >>> for x in (1.0, 3.0):
    ...     scaler.learn(np.array([x]))
    >>> places(np.array([[3.0], [np.nan]]), np.array([False]), scaler).ravel().tolist()
    [1.0, 0.0]
    """
    numbers = np.clip(scaler.distances(X)[:, ~nominal], -FARTHEST, FARTHEST)
    parts = encoded(X, nominal)[:, numbers.shape[1] :]
    spread = np.where(np.isnan(parts), 0.0, (parts - 0.5) * EVEN)
    result: Floats = np.concatenate([numbers, spread], axis=1)
    return result
