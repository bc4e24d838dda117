"""Whether a class is so rare that a promise about all events says nothing of it.

Where the sets miss the true class in a share `error` of all events, a class with at most that share of the events may
be missed every time. In an even split among many classes each has so small a share, too, and none is worse off than the
others; so the class must also have less than half of an even share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Ints
from tocsin.models.data.snapshot import Arrays

YOUNG = 1_000
"""With fewer labels than this no class is taken to be rare: of a few labels any may have none."""
EVERY = 64
"""The question is asked anew after every so many labels, counted from the first."""


class Unequal:
    """Counts the labels of each class, in the order in which they are learnt.

    >>> classes = Unequal(error=0.1)
    >>> for i in range(2_000):
    ...     classes.learn(int(i % 50 == 0))
    >>> classes.found
    True
    """

    def __init__(self, error: float) -> None:
        self._error = error
        self._labels: list[int] = []
        self._count = 0
        self.found = False
        """Whether a class is so rare."""

    def learn(self, label: int) -> None:
        """One label more, by the place of its class."""
        while len(self._labels) <= label:
            self._labels.append(0)
        self._labels[label] += 1
        self._count += 1
        if self._count >= YOUNG and self._count % EVERY == 0:
            self.found = self._some_class_is_rare()

    def _some_class_is_rare(self) -> bool:
        """A class must have labels enough for a threshold of its own, 1 / error of them."""
        counts: Ints = np.array(self._labels, np.int64)
        classes = np.count_nonzero(counts)
        rare = (counts + 1) * self._error >= 1.0
        rare &= (counts <= self._error * self._count) & (2 * classes * counts < self._count)
        return bool(rare.any())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {"labels": np.array(self._labels, np.int64), "found": np.array(self.found)}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        self._labels = arrays["labels"].tolist()
        self._count, self.found = sum(self._labels), bool(arrays["found"])
