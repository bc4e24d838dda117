"""What became of the latest decisions: how many there were, how many were wrong, and how many a drift explains.

Labels are counted in blocks, and the blocks in a ring, so that sums over any number of the latest labels are cheap and
nothing grows. A block also says to what share events were decided while it was the last one: from that follows how many
decisions have no label yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.models.data.batch import Floats

BLOCK = 25
"""Labels of a block; the threshold and the state of the promise change between blocks alone."""
BLOCKS = 4_096
"""Blocks that are remembered; three times the delay must be within them."""
MISSED, DECIDED, WRONG, SHARE, DRIFTS = range(5)
"""The columns: wrong decisions that no drift explains, all decisions and the wrong ones, the share of events that is
decided after this block, and the drifts that were noticed."""
WIDTH = 5


class DecisionLedger:
    """Sums over the latest labels.

    >>> ledger = DecisionLedger()
    >>> for _ in range(BLOCK):
    ...     ledger.add(DECIDED, 1.0)
    >>> ledger.close(share=0.5)
    >>> ledger.sums(1_000)[DECIDED], ledger.waiting(first=0, last=BLOCK + 10)
    (25.0, 5.0)
    """

    def __init__(self) -> None:
        self._rows: Floats = np.zeros((BLOCKS, WIDTH))
        self._open: list[float] = [0.0] * WIDTH
        self.closed = 0
        """Blocks that are complete."""

    def add(self, column: int, value: float) -> None:
        """Add to the block at hand."""
        self._open[column] += value

    def close(self, share: float) -> None:
        """End the block at hand: from now on so many of the events are decided."""
        self._open[SHARE] = share
        self._rows[self.closed % BLOCKS] = self._open
        self._open = [0.0] * WIDTH
        self.closed += 1

    def latest(self, labels: float) -> Floats:
        """The blocks of so many of the latest labels, in any order; a view or a copy."""
        most = min(self.closed, BLOCKS, max(round(labels / BLOCK), 1))
        stop = (self.closed - 1) % BLOCKS + 1 if self.closed else 0
        if most <= stop:
            return self._rows[stop - most : stop]
        return np.concatenate([self._rows[:stop], self._rows[stop - most :]])

    def sums(self, labels: float) -> list[float]:
        """The sum of each column over so many of the latest labels."""
        found: list[float] = self.latest(labels).sum(axis=0).tolist()
        return found

    def waiting(self, first: float, last: float) -> float:
        """How many decisions were made when from `first` up to `last` labels had been learnt, where one event comes a
        label; without those that are forgotten."""
        first = max(first, (self.closed - BLOCKS) * BLOCK, BLOCK)
        if last <= first or not self.closed:
            return 0.0
        blocks = np.arange(int(first) // BLOCK, min(-int(-last // BLOCK), self.closed + 1))
        begin, end = np.maximum(blocks * BLOCK, first), np.minimum((blocks + 1) * BLOCK, last)
        return float((self._rows[(blocks - 1) % BLOCKS, SHARE] * np.maximum(end - begin, 0.0)).sum())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        used = min(self.closed, BLOCKS)
        return {"blocks": self._rows[:used].copy(), "open": np.array(self._open), "closed": np.array(self.closed)}

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        blocks = np.asarray(arrays["blocks"], np.float64)
        self._rows[:] = 0.0
        self._rows[: len(blocks)] = blocks
        self._open, self.closed = [float(value) for value in arrays["open"]], int(arrays["closed"])
