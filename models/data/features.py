"""Features as numbers: category codes, and inputs standardised as the stream goes."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.moments import Moments
from tocsin.models.data.batch import Floats

LIMIT = 5.0
"""Standardised inputs are clipped at so many standard deviations, so that no outlier dominates a gradient."""
LARGEST = 1e150
"""Values are clipped here before they are learnt. Their squares are still finite, and a variance that became infinite
would stay so."""


CODE_BITS = 53
"""Bits of a category code: as many as a float64 holds exactly."""


def category_code(value: str) -> int:
    """A code for a category that every worker computes alike without agreeing first, 0 <= code < 2**53.

    It is the first bits of BLAKE2b of the UTF-8 bytes. Among a million categories the chance that any two share a code
    is 1 in 18,000.

    >>> category_code("red")
    489432828731721
    """
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - CODE_BITS)


MISSING_CATEGORY = -1.0
"""The code of a category that is not known, for experts to which that is a category of its own; no name has it."""


class Standardiser:
    """The mean and variance of every column, learnt one row at a time (Welford's method); NaN is left out.

    After `memory` rows old ones fade, so that a column whose scale drifts is followed.
    """

    def __init__(self, columns: int = 0, memory: float = 10_000.0) -> None:
        self.memory = memory
        self.count = np.zeros(columns)
        self.mean = np.zeros(columns)
        self.square = np.zeros(columns)
        """Mean squared deviation from the mean."""

    @property
    def moments(self) -> Moments:
        """The arrays of this standardiser, as kernels change them in place."""
        return Moments(self.count, self.mean, self.square, float(self.memory))

    def resize(self, columns: int) -> None:
        """Make room for more columns."""
        more = columns - len(self.count)
        if more > 0:
            for name in ("count", "mean", "square"):
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more)]))

    def rearranged(self, before: Sequence[Hashable], after: Sequence[Hashable]) -> Standardiser:
        """This one, of columns with the names `before`, as that of columns `after`; new ones have learnt nothing."""
        place = {name: i for i, name in enumerate(after)}
        stay = [i for i, name in enumerate(before) if name in place]
        to = [place[before[i]] for i in stay]
        made = Standardiser(len(after), self.memory)
        made.count[to], made.mean[to], made.square[to] = self.count[stay], self.mean[stay], self.square[stay]
        return made

    def learn(self, x: Floats) -> None:
        """Take in one row [F]."""
        known = np.isfinite(x)
        value = np.clip(np.where(known, x, self.mean), -LARGEST, LARGEST)
        self.count = np.minimum(self.count + known, self.memory)
        share = known / np.maximum(self.count, 1.0)
        delta = value - self.mean
        self.mean = self.mean + share * delta
        self.square = self.square + share * (delta * (value - self.mean) - self.square)

    def distances(self, X: Floats) -> Floats:
        """Standard deviations from the mean [B, F]; 0 for NaN and for columns that never varied."""
        scale = np.sqrt(self.square)
        # Dividing by infinity gives 0, which is the distance in a column that never varied.
        scale[(scale <= 1e-12) | (self.count <= 1)] = np.inf
        with np.errstate(over="ignore", invalid="ignore"):
            z: Floats = (X - self.mean) / scale
        z[~np.isfinite(z)] = 0.0
        return z

    def transform(self, X: Floats) -> Floats:
        """`distances`, clipped at `LIMIT`."""
        z: Floats = self.distances(X)
        return np.clip(z, -LIMIT, LIMIT)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The state, see `tocsin.models.experts.base.Expert`."""
        return {"count": self.count.copy(), "mean": self.mean.copy(), "square": self.square.copy()}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `state_dict` gave."""
        self.count, self.mean, self.square = (np.array(arrays[name]) for name in ("count", "mean", "square"))
