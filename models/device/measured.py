"""`kernels.device: auto`: the CPU, unless a measurement on this machine says that a device is quicker."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from tocsin.models.data.batch import Batch, Bools
from tocsin.models.decision.scoring.opinions import CPU, BatchOpinions, CpuScorer, Parts, ScoredOn, Scorer
from tocsin.models.device.guarded import GuardedScorer
from tocsin.models.routing.gate import AskingPlan

MEASURED = 30
"""Batches that count. The first of every size does not: it is compiled and captured."""
GAIN = 1.1
"""How many times as quick as the CPU a device must be to be worth its memory and its moods."""


class MeasuredScorer:
    """Scores the first batches both ways, answers by the CPU meanwhile, and from then on takes the quicker one.

    Batches differ in size, so that the times of all of them are added up: what counts is the time of a whole service.
    """

    def __init__(self, parts: Parts, make: Callable[[Parts], Scorer], clock: Callable[[], float] = time.perf_counter):
        self._cpu: Scorer = CpuScorer(parts)
        self._device = GuardedScorer("auto", parts, make)
        self._make, self._clock = make, clock
        self._sizes: set[int] = set()
        self._measured = 0
        self._seconds = np.zeros(2)
        """On the CPU, and on the device."""
        self._chosen: Scorer | None = None
        self._reason = "it is measured which is quicker"

    def anew(self, parts: Parts) -> MeasuredScorer:
        """See `Scorer`; it measures anew."""
        return MeasuredScorer(parts, self._make, self._clock)

    @property
    def standing(self) -> ScoredOn:
        """See `Scorer`."""
        if self._chosen is self._device and not self._device.failed:
            return self._device.standing._replace(reason=self._reason)
        device = self._device.standing
        return ScoredOn("auto", CPU, device.reason or self._reason, device.failures)

    def opinions(self, batch: Batch, active: Bools, learnt: int, plan: AskingPlan | None = None) -> BatchOpinions:
        """See `Scorer`."""
        if self._chosen is not None:
            return self._chosen.opinions(batch, active, learnt, plan)
        began = self._clock()
        known = self._cpu.opinions(batch, active, learnt, plan)
        between = self._clock()
        self._device.opinions(batch, active, learnt, plan)
        ended = self._clock()
        size = 1 << max(len(batch) - 1, 0).bit_length()
        if size in self._sizes:
            self._measured += 1
            self._seconds += between - began, ended - between
        self._sizes.add(size)
        if self._device.failed:
            self._chosen = self._cpu
        elif self._measured >= MEASURED:
            self._choose()
        return known

    def _choose(self) -> None:
        cpu, device = self._seconds.tolist()
        place = self._device.standing.place
        if device * GAIN <= cpu:
            self._chosen = self._device
        else:
            self._chosen = self._cpu
            self._device.release()
        self._reason = (
            f"over {MEASURED} batches {place} took {1000 * device / MEASURED:.2f} ms a batch, "
            f"the CPU {1000 * cpu / MEASURED:.2f} ms"
        )
