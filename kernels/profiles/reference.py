"""The plain form of `tocsin.kernels.profiles.windows`: a key's events in lists, of which figures are taken by numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tocsin.kernels.profiles.windows import AGED, BUCKETS, ENTRIES, LARGEST, Floats, Ints

Buckets = dict[int, list[Floats]]
"""The values [V] of the events in each bucket, by its number."""


class ReferenceKey:
    """What one key's events have been."""

    def __init__(self, windows: Ints, categories: int) -> None:
        """`windows` [T, 3] as in `windows.say`."""
        self._windows = [(bool(by_events), int(width), int(reach)) for by_events, width, reach in windows]
        self._buckets: list[Buckets] = [{} for _ in self._windows]
        self._events = 0
        self._newest = -math.inf
        self._codes: list[dict[float, tuple[int, int]]] = [{} for _ in range(categories)]
        """Of each category by its code: the newest time, and the event count when it came last."""
        self._counts: list[dict[float, float]] = [{} for _ in range(categories)]

    def say(self, time: int, values: Floats, codes: Floats) -> list[float]:
        """What is said of an event, see `windows.say`."""
        said = [max(0.0, (time - self._newest) / 1_000.0) if self._events else math.nan]
        for (by_events, width, reach), buckets in zip(self._windows, self._buckets, strict=True):
            at = (self._events - 1 if by_events else time) // width
            there = [event for number in buckets if at - reach < number <= at for event in buckets[number]]
            said.append(float(len(there)))
            for v, value in enumerate(values.tolist()):
                said += _of_value(value, [float(event[v]) for event in there if not math.isnan(event[v])])
        for known, counts, code in zip(self._codes, self._counts, codes.tolist(), strict=True):
            for by_events, width, reach in self._windows:
                ago = [self._events - last if by_events else time - newest for newest, last in known.values()]
                said.append(float(sum(one <= width * reach for one in ago)))
            total = sum(counts.values())
            said.append(math.nan if math.isnan(code) or not total else counts.get(code, 0.0) / total)
        return said

    def add(self, time: int, values: Floats, codes: Floats) -> None:
        """Add an event."""
        for (by_events, width, _), buckets in zip(self._windows, self._buckets, strict=True):
            at = (self._events if by_events else time) // width
            same_place = [number for number in buckets if number % BUCKETS == at % BUCKETS and number != at]
            if any(number > at for number in same_place):
                continue
            for number in same_place:
                del buckets[number]
            buckets.setdefault(at, []).append(np.clip(values, -LARGEST, LARGEST))
        for known, counts, code in zip(self._codes, self._counts, codes.tolist(), strict=True):
            if not math.isnan(code):
                self._add_code(known, counts, code, time)
        self._newest = max(self._newest, time)
        self._events += 1

    def _add_code(
        self, known: dict[float, tuple[int, int]], counts: dict[float, float], code: float, time: int
    ) -> None:
        aged = sum(counts.values()) + 1.0 >= AGED
        if code not in known and len(known) >= ENTRIES:
            longest_ago = min(known, key=lambda one: known[one][1])
            del known[longest_ago], counts[longest_ago]
        known[code] = max(known[code][0] if code in known else time, time), self._events
        counts[code] = counts.get(code, 0.0) + 1.0
        if aged:
            for one in counts:
                counts[one] *= 0.5


def _of_value(value: float, there: Sequence[float]) -> list[float]:
    """Sum, mean, maximum, standard deviation, and the value over the mean."""
    if not there:
        return [0.0, math.nan, math.nan, math.nan, math.nan]
    mean = float(np.mean(there))
    ratio = math.nan if mean == 0.0 or math.isnan(value) else min(max(value / mean, -LARGEST), LARGEST)
    return [float(np.sum(there)), mean, max(there), float(np.std(there)) if len(there) > 1 else math.nan, ratio]
