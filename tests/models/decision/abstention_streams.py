"""Thresholds and streams that the tests of abstention share."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import numpy as np

from tocsin.config.abstention import AbstentionSettings as Settings
from tocsin.models.data.batch import Bools
from tocsin.models.decision.abstention import Abstention


def warm(scores: Any = (), **values: Any) -> Abstention:
    made = Abstention(Settings(**{"cold_start": 1, "window": 1_000, **values}))
    for score in scores:
        made.learn(float(score), math.inf, 0)
    return made


def stream(made: Abstention, rows: int, delay: int, seed: int = 0) -> Bools:
    """An i.i.d. stream of scores whose labels come late; returns which events' true classes were covered."""
    rng = np.random.default_rng(seed)
    waiting: deque[tuple[float, float, int]] = deque()
    covered = []
    for i in range(rows):
        score = float(rng.beta(2, 5))
        covered.append(score <= made.threshold())
        waiting.append((score, made.threshold(), i))
        if len(waiting) > delay:
            score, judged_by, at = waiting.popleft()
            made.learn(score, judged_by, i - at)
    return np.array(covered)


def judged(made: Abstention, betp: Any, conflict: float = 0.0, novel: bool = False) -> tuple[bool, str | None, Any]:
    decided, reasons, sets = made.judge(np.array([betp]), np.array([conflict]), np.array([novel]))
    return bool(decided[0]), reasons[0], sets[0].tolist()
