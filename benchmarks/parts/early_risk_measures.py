"""How early and how surely alerts are raised: ERDE (Losada & Crestani 2016) and F-latency (Sadeque et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Measures(NamedTuple):
    """What delays amount to; a delay of 0 is no alert. ERDE in percent."""

    f_latency: float
    erde5: float
    erde50: float
    f1: float
    precision: float
    recall: float
    delay: float
    """Posts read before a right alert, median."""

    @property
    def objective(self) -> float:
        return self.f_latency - (self.erde5 + self.erde50) / 100


def measure(delays: Sequence[int], rumours: Sequence[bool]) -> Measures:
    k, positive = np.array(delays, np.float64), np.array(rumours, np.bool_)
    raised = k > 0
    hits = raised & positive
    precision = float(hits.sum() / max(raised.sum(), 1))
    recall = float(hits.sum() / max(positive.sum(), 1))
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    delay = float(np.median(k[hits])) if hits.any() else np.nan
    late = 2 / (1 + np.exp(-0.0078 * (delay - 1))) - 1 if hits.any() else 0.0
    return Measures(f1 * (1 - late), _erde(k, positive, 5), _erde(k, positive, 50), f1, precision, recall, delay)


def _erde(k: Floats, positive: NDArray[np.bool_], o: int) -> float:
    raised = k > 0
    late = 1 - 1 / (1 + np.exp(np.minimum(k - o, 700)))
    cost = np.where(raised, np.where(positive, late, positive.mean()), np.where(positive, 1.0, 0.0))
    return float(100 * cost.mean())


def show(name: str, m: Measures, seconds: float | None = None) -> None:
    speed = "" if seconds is None else f" {1e6 * seconds:8.0f}"
    print(
        f"{name:52} {m.f_latency:9.3f} {m.erde5:6.1f} {m.erde50:6.1f} {m.f1:6.3f} {m.precision:6.3f} {m.recall:6.3f}"
        f" {m.delay:5.0f}{speed}",
        flush=True,
    )


def first_over(scores: Sequence[Floats], threshold: float | Floats) -> list[int]:
    """The first post of each subject whose score is at or above the threshold (of its number), 0 for none."""
    delays = []
    for one in scores:
        at = threshold if isinstance(threshold, float) else threshold[: len(one)]
        over = np.flatnonzero(one >= at)
        delays.append(int(over[0]) + 1 if len(over) else 0)
    return delays
