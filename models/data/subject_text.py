"""What is kept of all that a subject wrote, so that an expert can read it as one text: a few hundred bytes."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.experts.arow import SKETCH

Floats = NDArray[np.float64]
Sketch = NDArray[np.uint8]


def _empty() -> Sketch:
    return np.zeros(SKETCH // 8, np.uint8)


@dataclass(slots=True)
class SubjectText:
    """A subject's texts so far, as one expert has read them: see `tocsin.kernels.experts.arow`."""

    sums: Floats = field(default_factory=lambda: np.zeros(0))
    """The sum of the weights of its n-grams, [K] of the time it was last read."""
    ngrams: int = 0
    sketch: Sketch = field(default_factory=_empty)
    """Which n-grams it had, uint8 [SKETCH / 8]."""

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        sketch = base64.b85encode(self.sketch.tobytes()).decode()
        return {"sums": self.sums.tolist(), "ngrams": self.ngrams, "sketch": sketch}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> SubjectText:
        """What `plain` gave. Raises KeyError, TypeError or ValueError for anything else."""
        sketch = np.frombuffer(base64.b85decode(plain["sketch"]), np.uint8)
        if len(sketch) != SKETCH // 8:
            raise ValueError(f"a sketch has {SKETCH // 8} bytes, not {len(sketch)}")
        return cls(np.array(plain["sums"], np.float64), int(plain["ngrams"]), sketch.copy())
