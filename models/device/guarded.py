"""A device that may fail: what it cannot score, the CPU scores, and from the first failure on everything."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tocsin.models.data.batch import Batch, Bools
from tocsin.models.decision.scoring.opinions import CPU, BatchOpinions, CpuScorer, Parts, ScoredOn, Scorer
from tocsin.models.routing.gate import AskingPlan

CLOSE = 1e-6
"""By how much the first answers of a device may differ from the CPU's, in each number."""
MOST_SAID = 300
"""Characters of what a failure said."""


class GuardedScorer:
    """Scores on a device as long as it works.

    The first batch is scored both ways, and a device that answers otherwise than the CPU is not used. Whatever fails
    later (an error in the middle of a batch, memory that does not suffice, a device that falls away), that batch and
    all after it are scored on the CPU, from the same model: nothing is lost or decided twice.
    """

    def __init__(self, asked: str, parts: Parts, make: Callable[[Parts], Scorer]) -> None:
        """`asked` is what the config asks for; `make` gives the scorer of the device, and may raise."""
        self._asked = asked
        self._parts = parts
        self._cpu = CpuScorer(parts)
        self._make = make
        self._device: Scorer | None = None
        self._reason = ""
        self._failures = 0

    @property
    def failed(self) -> bool:
        """Whether the device is given up."""
        return self._failures > 0

    @property
    def standing(self) -> ScoredOn:
        """See `Scorer`."""
        if self._failures or self._device is None:
            place = CPU if self._failures else self._asked
            return ScoredOn(self._asked, place, self._reason, self._failures)
        return self._device.standing._replace(asked=self._asked)

    def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
        """See `Scorer`."""
        if self._failures:
            return self._cpu.opinions(batch, active, learnt, plan)
        try:
            if self._device is None:
                return self._first(batch, active, learnt, plan)
            return self._device.opinions(batch, active, learnt, plan)
        except Exception as error:  # PyTorch, Triton and drivers raise of all kinds, and none may stop the service
            said = " ".join(str(error).split())[:MOST_SAID]
            self._give_up(f"{type(error).__name__}: {said}" if said else type(error).__name__)
            return self._cpu.opinions(batch, active, learnt, plan)

    def _first(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None) -> BatchOpinions:
        device = self._make(self._parts)
        known, found = self._cpu.opinions(batch, active, learnt, plan), device.opinions(batch, active, learnt, plan)
        apart = largest_difference(known, found)
        if not apart <= CLOSE:
            self._give_up(f"its first answers differ from the CPU's by {apart:.3g}")
            return known
        self._device = device
        return found

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_device": None}  # a copy of the model makes copies on the device of its own

    def _give_up(self, reason: str) -> None:
        self._failures += 1
        self._reason = reason
        self._device = None  # with all that it holds on the device


def largest_difference(one: BatchOpinions, other: BatchOpinions) -> float:
    """The largest difference between the probabilities, masses and reliabilities of two answers; NaN where one is NaN
    and the other is not, or where shapes differ."""
    largest = 0.0
    of_one, of_other = one.combined, other.combined
    pairs = [
        (of_one.betp, of_other.betp),
        (of_one.reliability, of_other.reliability),
        (of_one.fused.belief, of_other.fused.belief),
        (of_one.fused.uncertainty, of_other.fused.uncertainty),
        (of_one.fused.conflict, of_other.fused.conflict),
        (one.read.betp, other.read.betp),
    ]
    for a, b in pairs:
        if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
            return math.nan
        largest = max(largest, float(np.nanmax(np.abs(a - b), initial=0.0)))
    return largest
