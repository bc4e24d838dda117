"""What is kept of all that a subject wrote, so that an expert can read it as one text: some six hundred bytes."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.experts.arow import SKETCH

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Sketch = NDArray[np.uint8]


def _empty() -> Sketch:
    return np.zeros(SKETCH // 8, np.uint8)


class SubjectStanding(NamedTuple):
    """How a subject stands with each of K classes: see `tocsin.kernels.decision.subject_threshold`."""

    lift: Floats
    """Log likelihood ratio of what it wrote [K]."""
    odds: Floats
    """Log odds [K]: the lift, and those of the class among labelled subjects of late."""
    least: Floats
    """Log odds from which on an alert is raised [K]."""


@dataclass(slots=True)
class SubjectText:
    """A subject's texts so far, as one expert has read them: see `tocsin.kernels.experts.arow`."""

    sums: Floats = field(default_factory=lambda: np.zeros((2, 0)))
    """Of each block of its n-grams the sum of their weights, [2, K] of the time it was last read."""
    counts: Ints = field(default_factory=lambda: np.zeros(2, np.int64))
    """Its listed n-grams, and its posts that had a summed one, [2]."""
    sketch: Sketch = field(default_factory=_empty)
    """Which listed n-grams it had, uint8 [SKETCH / 8]."""

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        sketch = base64.b85encode(self.sketch.tobytes()).decode()
        return {"sums": self.sums.ravel().tolist(), "sketch": sketch, "counts": self.counts.tolist()}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> SubjectText:
        """What `plain` gave. Raises KeyError, TypeError or ValueError for anything else."""
        sketch = np.frombuffer(base64.b85decode(plain["sketch"]), np.uint8)
        if len(sketch) != SKETCH // 8:
            raise ValueError(f"a sketch has {SKETCH // 8} bytes, not {len(sketch)}")
        listed, summed = plain["counts"]
        sums = np.array(plain["sums"], np.float64).reshape(2, -1)
        return cls(sums, np.array([listed, summed], np.int64), sketch.copy())
