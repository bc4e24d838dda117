"""The latest answers, each with its doubt and whether it was wrong, and the threshold that they allow.

Doubts are told apart by their log odds, in bins: so a threshold costs the same however many answers there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Ints

BINS, REACH = 1_024, 14.0
"""The log odds of doubts from -REACH to REACH, in so many bins. What lies beyond is in the first or the last one."""


class Answer(NamedTuple):
    """What a model said of one labelled event."""

    doubt: float
    """1 - BetP of the most probable class, infinite where several tie."""
    wrong: bool


class Within(NamedTuple):
    """A threshold of doubt, and what is within it."""

    threshold: float
    """-1 where there is none."""
    share: float
    """The share of the answers within it."""
    wrong: float
    """The share of these that was wrong; NaN where there is none."""


class Answers:
    """A ring of answers.

    >>> answers = Answers(1_000)
    >>> for i in range(1_000):
    ...     answers.add(Answer(doubt=0.1 if i % 2 else 0.4, wrong=i % 4 == 0))
    >>> within = answers.within(error=0.1, sure=1.0)
    >>> round(within.threshold, 2), within.share, within.wrong
    (0.1, 0.5, 0.0)
    """

    def __init__(self, window: int) -> None:
        self._bins: Ints = np.zeros(window, np.int16)
        self._wrong = np.zeros(window, np.bool_)
        self._counts = np.zeros((2, BINS), np.int64)
        self.count = 0
        """Answers added so far."""

    def add(self, answer: Answer) -> None:
        """Add one; in a full ring it replaces the oldest. A tie is never decided, and tells nothing."""
        if not math.isfinite(answer.doubt):
            return
        place, window = self.count % len(self._bins), len(self._bins)
        if self.count >= window:
            old, was_wrong = self._bins[place], self._wrong[place]
            self._counts[0, old] -= 1
            self._counts[1, old] -= was_wrong
        new = bin_of(answer.doubt)
        self._bins[place], self._wrong[place] = new, answer.wrong
        self._counts[0, new] += 1
        self._counts[1, new] += answer.wrong
        self.count += 1

    def within(self, error: float, sure: float) -> Within:
        """The greatest doubt up to which at most a share `error` of the answers was wrong.

        So many standard errors are added to the share as `sure` says, since the greatest that passes is chosen among
        many (see `tocsin.models.decision.quantile.selective`). At least 1 / error answers must pass.
        """
        n, wrong = self._counts.cumsum(axis=1)
        passes = wrong + sure * np.sqrt(error * (1.0 - error) * n) <= error * n
        passes &= (n * error >= 1.0) & (self._counts[0] > 0)
        fit = np.flatnonzero(passes)
        if not len(fit):
            return Within(-1.0, 0.0, math.nan)
        return Within(upper_end(int(fit[-1])), float(n[fit[-1]] / n[-1]), float(wrong[fit[-1]] / n[fit[-1]]))

    def up_to(self, threshold: float) -> Within:
        """What is within a threshold that `within` gave."""
        if threshold < 0.0 or not self.count:
            return Within(threshold, 0.0, math.nan)
        n, wrong = self._counts.cumsum(axis=1)
        last = bin_of(threshold)
        few = not n[last]
        return Within(threshold, float(n[last] / n[-1]), math.nan if few else float(wrong[last] / n[last]))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {"bins": self._bins.copy(), "wrong": self._wrong.copy(), "count": np.array(self.count)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        self._bins, self._wrong = np.array(arrays["bins"], np.int16), np.array(arrays["wrong"], np.bool_)
        self.count = int(arrays["count"])
        held = min(self.count, len(self._bins))
        for row, some in enumerate((self._bins[:held], self._bins[:held][self._wrong[:held]])):
            self._counts[row] = np.bincount(some, minlength=BINS)


def bin_of(doubt: float) -> int:
    """The bin of a doubt."""
    if doubt <= 0.0:
        return 0
    odds = math.log(doubt) - math.log(max(1.0 - doubt, 1e-300))
    return min(max(math.floor((odds + REACH) / (2.0 * REACH) * BINS), 0), BINS - 1)


def upper_end(place: int) -> float:
    """The greatest doubt of a bin."""
    if place >= BINS - 1:
        return 1.0
    doubt = 1.0 / (1.0 + math.exp(REACH - (place + 1) / BINS * 2.0 * REACH))
    while bin_of(doubt) > place:  # it is the least of the next one
        doubt = math.nextafter(doubt, 0.0)
    return doubt


def pack(answers: Sequence[Answer]) -> NDArray[np.float64]:
    """Answers as an array [n, 2], for a snapshot."""
    return np.array(answers, np.float64).reshape(-1, 2)


def unpack(array: NDArray[Any]) -> list[Answer]:
    """What `pack` was given."""
    return [Answer(float(doubt), bool(wrong)) for doubt, wrong in np.asarray(array)]
