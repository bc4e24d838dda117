"""How well a probability ranks the events of a class, from bounded counts: a histogram of its log odds.

Events of one bin count as equal. With `FINE` bins, .05 of a log odds wide, that is as near as makes no difference; the
few of `COARSE` fit a record, and lower the area a little.
"""

from __future__ import annotations

import numpy as np

from tocsin.models.data.batch import Floats, Ints

REACH = 14.0
"""Log odds beyond it count as it."""
FINE, COARSE = 561, 57
"""Bins from -REACH to REACH: .05 and .5 wide."""


def bins_of(p: Floats, bins: int) -> Ints:
    """The bin of each probability [B] by its log odds, int64 [B]."""
    odds = np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(1.0 - p, 1e-300))
    place = np.floor((odds + REACH) / (2.0 * REACH) * (bins - 1) + 0.5)
    return np.clip(place, 0, bins - 1).astype(np.int64)


def average_precision(found: Ints, every: Ints) -> float | None:
    """The area under the precision-recall curve: the mean of the precision at each event of the class, surest first.

    `found` [bins] are the events of the class by bin, `every` [bins] all events. None without an event of the class.

    >>> average_precision(np.array([0, 1, 2]), np.array([5, 2, 2]))
    0.9166666666666666
    """
    total = int(found.sum())
    if not total:
        return None
    hits, named = found[::-1].cumsum(), every[::-1].cumsum()
    precision = hits / np.maximum(named, 1)
    return float((precision * found[::-1]).sum() / total)


def recall_of_surest(found: Ints, every: Ints, share: float) -> float | None:
    """Which share of the events of the class is among this share of all events, the surest ones.

    Within the last bin that is reached events of the class lie evenly. None without an event of the class.
    """
    total, room = int(found.sum()), share * float(every.sum())
    if not total:
        return None
    hits = 0.0
    for own, all_of_it in zip(found[::-1].tolist(), every[::-1].tolist(), strict=True):
        part = min(room / all_of_it, 1.0) if all_of_it else 0.0
        hits, room = hits + part * own, room - all_of_it
        if room <= 0.0:
            break
    return hits / total
