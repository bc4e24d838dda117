"""Recent traffic: events of one partition as they were scored, labelled or not, and how dense it lies around an event.

It belongs to a partition of the events and not to the model, which is a fold over the feedback and of nothing else. It
depends on the order of the partition's events, and on the models that scored them, and not on how batches were cut.

Every `stride`-th event is kept. Where the buffer is full, its older half goes if the other half reaches back to the
labelled events that traffic is compared with; else every second event goes and the stride doubles. So the buffer always
reaches back as far as it must, however late labels are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.decision import traffic_ratio as kernel
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.decision.traffic.counterpart import ENOUGH, Counterpart, Labelled, width

ROOM = 4
"""The buffer has room for so many times the labelled events."""
MIDDLE = 5
"""So many events tell together how far a part of the buffer reaches back: one may have a wrong time."""


class Compared(NamedTuple):
    """What events are compared with while counterpart and traffic stay as they are."""

    sets: kernel.Compared | None
    """None where too little is known."""
    share: float
    """The labelled share of the events of that time, as far as this partition tells; NaN where it is not known."""


@dataclass
class KeptEvents:
    """Events kept, in their order, with room for more behind them."""

    values: Floats
    """[C, F]"""
    times: Ints
    """[C]"""
    ratio: Floats
    """[C], each event's own ratio at its own time, 0 where it was not known."""
    filled: int = 0
    """Rows behind which nobody has written yet."""


class RecentTraffic:
    """The recent traffic of one partition. What asking changes of it is a new object; this one stays as it is.

    `held` is how many labelled events it is compared with, `least` the labelled share of the events below which nothing
    is said, and `partitions` how many there are whose labels are learnt.
    """

    def __init__(self, held: int, features: int, least: float = 0.0, partitions: int = 1) -> None:
        rows = max(ROOM * held, 2 * MIDDLE)
        self._buffer = KeptEvents(np.empty((rows, features)), np.zeros(rows, np.int64), np.zeros(rows))
        self.least, self.partitions = least, partitions
        self.count = 0
        """Events kept."""
        self.seen = 0
        """Events of the partition so far."""
        self.stride = 1
        self.built = 0
        """How many of the events kept there were when they were last compared anew."""
        self.version = 0
        """The version of the counterpart with which they were."""
        self._compared: Compared | None = None

    def ask(self, X: Floats, times: Ints, counterpart: Counterpart | None) -> tuple[Floats, RecentTraffic]:
        """How much denser traffic lies around events X [B, F] than labelled events do, [B], and the traffic after them.

        An event is compared with those before it. NaN where too little is known.
        """
        after = self._copy(X.shape[1])
        out = np.full(len(X), np.nan)
        if counterpart is not None and counterpart.version != after.version:
            after._compare(counterpart)
        done = 0
        while done < len(X):
            stop = min(len(X), done + after._left())
            own = after._score(X[done:stop], counterpart, out[done:stop])
            after._keep(X[done:stop], times[done:stop], own)
            if after.count == len(after._buffer.times):
                after._make_room(counterpart)
            done = stop
        return out, after

    def goes_on_from(self, before: RecentTraffic) -> bool:
        """Whether all that was kept before is still there, and what is kept since stands behind it."""
        return self._buffer is before._buffer and self.count >= before.count

    @property
    def share(self) -> float:
        """The labelled share of the events of the time that is compared; NaN where it is not known."""
        return np.nan if self._compared is None else self._compared.share

    @property
    def speaks(self) -> bool:
        """Whether enough is known to say anything."""
        return self._compared is not None and self._compared.sets is not None

    def _copy(self, features: int) -> RecentTraffic:
        """The same, which may be written to; arrays are shared as long as nobody wrote behind the last row."""
        result = type(self).__new__(type(self))
        result.__dict__.update(self.__dict__)
        before = self._buffer
        more = features - before.values.shape[1]
        if more > 0 or before.filled != self.count:
            values = np.pad(before.values, ((0, 0), (0, max(more, 0))), constant_values=np.nan)
            result._buffer = KeptEvents(values, before.times.copy(), before.ratio.copy(), self.count)
        return result

    def _left(self) -> int:
        """How many events come until the buffer is full, that one included."""
        room = len(self._buffer.times) - self.count
        return (-self.seen) % self.stride + (room - 1) * self.stride + 1

    def _score(self, X: Floats, counterpart: Counterpart | None, out: Floats) -> Floats:
        """Fill `out` [B], and return each event's own ratio [B], 0 where it is not known."""
        own = np.zeros(len(X))
        if counterpart is not None:
            if self._compared is None:
                self._compared = self._sets(counterpart)
            if self._compared.sets is not None:
                kernel.ratios(counterpart.mapped(X), self._compared.sets, own, out)
        return own

    def _keep(self, X: Floats, times: Ints, own: Floats) -> None:
        rows = np.arange((-self.seen) % self.stride, len(X), self.stride)
        buffer, where = self._buffer, slice(self.count, self.count + len(rows))
        buffer.values[where], buffer.times[where], buffer.ratio[where] = X[rows], times[rows], own[rows]
        self.count += len(rows)
        self.seen += len(X)
        buffer.filled = self.count

    def _make_room(self, counterpart: Counterpart | None) -> None:
        rows, buffer = len(self._buffer.times), self._buffer
        start = -np.inf if counterpart is None else counterpart.start
        if counterpart is not None and self._reaches(rows // 2, start):
            kept = slice(rows // 2, rows)
            if self.stride > 1 and self._reaches(3 * rows // 4, start):
                self.stride //= 2
        else:
            kept = slice(1, rows, 2)
            self.stride *= 2
        n = len(range(*kept.indices(rows)))
        fresh = KeptEvents(np.empty_like(buffer.values), np.zeros_like(buffer.times), np.zeros_like(buffer.ratio), n)
        fresh.values[:n], fresh.times[:n], fresh.ratio[:n] = buffer.values[kept], buffer.times[kept], buffer.ratio[kept]
        self._buffer, self.count = fresh, n
        self._compare(counterpart)

    def _reaches(self, row: int, start: float) -> bool:
        """Whether the events from a row on reach back to a time."""
        return bool(np.median(self._buffer.times[row : row + MIDDLE]) <= start)

    def _compare(self, counterpart: Counterpart | None) -> None:
        """Compare events from now on with those that are kept now."""
        self.built, self.version = self.count, 0 if counterpart is None else counterpart.version
        self._compared = None

    def _sets(self, counterpart: Counterpart) -> Compared:
        times = self._buffer.times[: self.built]
        within: Bools = (times >= counterpart.start) & (times <= counterpart.end)
        rows, labelled = np.flatnonzero(within), counterpart.labelled
        n = labelled.shape[1]
        events = max(len(rows) * self.stride * self.partitions, 1)
        share = min(n / events, 1.0)
        held = min(n, len(rows))
        if held < ENOUGH or share < self.least:
            return Compared(None, share)
        rows = rows[np.arange(held) * len(rows) // held]
        traffic = counterpart.mapped(self._buffer.values[rows])
        columns = np.arange(held) * n // held
        ratio = np.zeros(_padded(held))
        ratio[:held] = self._buffer.ratio[rows]
        return Compared(kernel.Compared(_wide(labelled[:, columns]), _wide(traffic), ratio), share)

    def header(self) -> tuple[int, int, int, int, int]:
        """All of the state but the events kept, which `rows` has."""
        return self.count, self.seen, self.stride, self.built, self.version

    def rows(self, start: int, stop: int) -> Floats:
        """Some of the events kept, [n, F + 2]: features, the time and the ratio of each."""
        part, buffer = slice(start, stop), self._buffer
        times, ratio = buffer.times[part].astype(np.float64)[:, None], buffer.ratio[part, None]
        return np.concatenate([buffer.values[part], times, ratio], axis=1)

    def restore(self, header: tuple[int, int, int, int, int], rows: Floats) -> None:
        """Take over a state that `header` and `rows` [count, F + 2] gave. Raises ValueError where they do not fit."""
        count, self.seen, self.stride, self.built, self.version = header
        buffer = self._buffer
        if len(rows) != count or count > len(buffer.times) or rows.shape[1] != buffer.values.shape[1] + 2:
            raise ValueError("this is the traffic of another model")
        if self.stride < 1 or not 0 <= self.built <= count:
            raise ValueError("this is no state of traffic")
        buffer.values[:count], buffer.ratio[:count] = rows[:, :-2], rows[:, -1]
        buffer.times[:count] = rows[:, -2].astype(np.int64)
        self.count = buffer.filled = count
        self._compared = None


def warm_up(nominal: Bools) -> None:
    """Compile what comparing needs, for events of which some columns are `nominal` [F]."""
    made, X = Labelled(ENOUGH, width(nominal)), np.zeros((ENOUGH, len(nominal)))
    made.resize(nominal.tolist())
    made.learn(X, np.zeros(ENOUGH, np.int64), np.zeros(ENOUGH, np.int64))
    _, now = RecentTraffic(ENOUGH, len(nominal)).ask(X, np.zeros(ENOUGH, np.int64), None)
    now.ask(X[:1], np.zeros(1, np.int64), made.counterpart)


def _padded(columns: int) -> int:
    return -(-columns // kernel.GROUPS) * kernel.GROUPS


def _wide(events: NDArray[np.float32]) -> NDArray[np.float32]:
    """Events [D, M] with infinite columns behind them, up to a whole number of groups."""
    D, M = events.shape
    wide = np.full((D, _padded(M)), np.inf, np.float32)  # row by row, which gathered columns need not be
    wide[:, :M] = events
    return wide
