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
"""By how much the answers of a device may differ from the CPU's, each number in units of the larger of it and 1."""
MOST_SAID = 300
"""Characters of what a failure said."""


class GuardedScorer:
    """Scores on a device as long as it works.

    The first batch of every size, and the 2nd, 4th, 8th, ... batch of all, are scored both ways, and a device that
    answers otherwise than the CPU is given up. Whatever fails (an error in the middle of a batch, memory that does not
    suffice, a device that falls away), that batch and all after it are scored on the CPU, from the same model: nothing
    is lost or decided twice.
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
        self._batches = 0
        self._sizes: set[int] = set()
        """Powers of two: the sizes of batches that were compared."""

    def anew(self, parts: Parts) -> GuardedScorer:
        """See `Scorer`; what has failed is not tried again."""
        other = GuardedScorer(self._asked, parts, self._make)
        other._failures, other._reason = self._failures, self._reason
        return other

    def release(self) -> None:
        """Give back what it holds on the device; the next batch takes it anew."""
        self._device = None

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
                self._device = self._make(self._parts)
            found = self._device.opinions(batch, active, learnt, plan)
            if not self._is_due(len(batch)):
                return found
        except Exception as error:  # PyTorch, Triton and drivers raise of all kinds, and none may stop the service
            said = " ".join(str(error).split())[:MOST_SAID]
            self._give_up(f"{type(error).__name__}: {said}" if said else type(error).__name__)
            return self._cpu.opinions(batch, active, learnt, plan)
        known = self._cpu.opinions(batch, active, learnt, plan)
        if self._parts.novelty is not None:
            known = known._replace(distance=self._parts.novelty.distances(batch.X))
        apart = largest_difference(known, found)
        if apart <= CLOSE:
            return found
        self._give_up(f"its answers differ from the CPU's by {apart:.3g}")
        return known

    def _is_due(self, rows: int) -> bool:
        """Whether this batch is to be compared."""
        self._batches += 1
        size = 1 << max(rows - 1, 0).bit_length()
        due = size not in self._sizes or self._batches & (self._batches - 1) == 0
        self._sizes.add(size)
        return due

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_device": None}  # a copy of the model makes copies on the device of its own

    def _give_up(self, reason: str) -> None:
        self._failures += 1
        self._reason = reason
        self.release()


def largest_difference(one: BatchOpinions, other: BatchOpinions) -> float:
    """The largest difference between any two numbers of two answers, in units of the larger of the first and 1; NaN
    where one is NaN and the other is not, or where shapes differ. Distances are compared where both know them."""
    largest = 0.0
    of_one, of_other = one.combined, other.combined
    pairs = [
        (of_one.betp, of_other.betp),
        (of_one.reliability, of_other.reliability),
        (of_one.fused.belief, of_other.fused.belief),
        (of_one.fused.uncertainty, of_other.fused.uncertainty),
        (of_one.fused.conflict, of_other.fused.conflict),
        (one.answers, other.answers),
        (one.read.betp, other.read.betp),
    ]
    if one.distance is not None and other.distance is not None:
        pairs.append((one.distance, other.distance))
    for a, b in pairs:
        if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
            return math.nan
        if a.size:
            with np.errstate(invalid="ignore"):  # equal infinities differ by NaN, which is passed over
                apart = np.where(a == b, 0.0, np.abs(a - b) / np.maximum(np.abs(a), 1.0))
            largest = max(largest, float(np.nanmax(apart, initial=0.0)))
    return largest
