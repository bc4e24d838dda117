"""A budget of reviews: at most so many abstentions an hour or a day of event time go to people.

People look at so many events an hour and no more, and should get those that the model doubts most. Which those are is
not known before the hour is over, so the hour around an event stands for it: an event may go to review where the more
doubtful events of that hour leave room for it. A day is an hour of longer minutes. The state is of one partition of the
events and a function of them in their order: how polls are cut, and who reads the partition, changes nothing.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from tocsin.config.service import ReviewSettings
from tocsin.models.data.batch import Floats
from tocsin.models.data.belief import doubts, pignistic
from tocsin.models.decision.abstention import COLD_START
from tocsin.streams.wire.records import Decision

MINUTE = 60_000
"""Milliseconds of one."""
HOUR = 60
"""Minutes of one. Of a day there are as many parts, which stand for its minutes."""
BINS = 16
"""How finely doubts are told apart."""
ROWS = 128
"""Minutes that are remembered: an hour either way and some. The one longest left alone makes room."""
ASKED, REVIEWED = 0, 1


def share(budget: int, partitions: int, index: int) -> int:
    """What a partition may spend of a budget of all: equal parts, the remainder to the first."""
    return budget // partitions + (index < budget % partitions)


class Budget:
    """What one partition asked for and spent, by minute of event time and by doubt.

    >>> hour = Budget()
    >>> [hour.spend(1, time, 0.4) for time in (0, 1_000, 3_599_000, 3_700_000)]
    [True, False, False, True]
    """

    def __init__(self, state: bytes | None = None, period: int = HOUR * MINUTE) -> None:
        """`state` is that of an earlier one of the same period, in milliseconds."""
        self._unit = period // HOUR
        self.changed = False
        """Whether anything was noted since it was made."""
        self._minutes = np.full(ROWS, -1, np.int64)
        self._touched = np.zeros(ROWS, np.int64)
        self._counts = np.zeros((ROWS, 2, BINS), np.int64)
        if state is not None:
            rows = np.frombuffer(state, np.int64).reshape(-1, 2 + 2 * BINS)
            self._minutes[: len(rows)], self._touched[: len(rows)] = rows[:, 0], rows[:, 1]
            self._counts[: len(rows)] = rows[:, 2:].reshape(-1, 2, BINS)

    def state(self) -> bytes:
        """The state, for `Budget(state)`."""
        used = self._minutes >= 0
        columns = (self._minutes[used, None], self._touched[used, None], self._counts[used].reshape(-1, 2 * BINS))
        return np.concatenate(columns, axis=1).tobytes()

    def spend(self, most: int, time: int, doubt: float) -> bool:
        """Whether an event that was abstained from goes to review, where `most` may in a period; it is noted.

        `time` is the event's, epoch milliseconds, `doubt` as `doubt_in` gives it, infinite where classes tie. No period
        that holds the event sees more than `most` reviews, in whatever order times come.
        """
        near = np.abs(self._minutes - time // self._unit) <= HOUR
        near &= self._minutes >= 0
        counts, place = self._counts[near].sum(axis=0), _bin(doubt)
        reviews = int(counts[REVIEWED].sum())
        # Room is kept for as many more doubtful events as there were.
        room = most - int(counts[ASKED, place + 1 :].sum()) - int(counts[REVIEWED, : place + 1].sum())
        goes = reviews < most and room > 0
        self.note(time, doubt, goes)
        return goes

    def note(self, time: int, doubt: float, reviewed: bool) -> None:
        """Count an event that was abstained from, or would have been."""
        minute = max(time // self._unit, 0)
        found = np.flatnonzero(self._minutes == minute)
        row = int(found[0]) if len(found) else int(self._touched.argmin())
        if not len(found):
            self._minutes[row], self._counts[row] = minute, 0
        self._touched[row] = self._touched.max() + 1
        self.changed = True
        self._counts[row, ASKED, _bin(doubt)] += 1
        self._counts[row, REVIEWED, _bin(doubt)] += reviewed

    def recall(self, decision: Decision) -> None:
        """`note` what a decision in the log says."""
        over = decision.over_budget if decision.over_budget is not msgspec.UNSET else None
        if decision.status == "abstained" or over is not None:
            self.note(decision.time, doubt_of(decision), over is None)


def reviewable(reason: str | None, settings: ReviewSettings) -> bool:
    """Whether an abstention with this reason goes to review, if there is room for it."""
    return reason != COLD_START or settings.cold_start


def decidable(reason: str, doubt: float) -> bool:
    """Whether an abstention can be turned into a decision: not while nothing is known, nor between equals."""
    return reason != COLD_START and math.isfinite(doubt)


def doubt_in(belief: Floats, uncertainty: Floats) -> Floats:
    """The doubts [B] that a budget is spent by, from belief [B, K] and uncertainty [B], which decision records hold.

    How sharp a decision was (`tocsin.kernels.routing.inverse_temperature`) they do not say, so it has no part in this.
    """
    if not belief.shape[1]:
        return np.full(len(belief), np.inf)
    return doubts(pignistic(belief, uncertainty))


def doubt_of(decision: Decision) -> float:
    """The doubt in a decision record, to the bit as `doubt_in` gave it."""
    return float(doubt_in(np.array([list(decision.belief.values())]), np.array([decision.uncertainty]))[0])


def _bin(doubt: float) -> int:
    return BINS - 1 if doubt >= 1.0 else max(int(doubt * BINS), 0)
