"""A budget of alerts: at most so many in a day or an hour of event time, or a share of the events, for the surest.

How many events are surer than this one, and still to come, is not known when it is decided. So the scores of late stand
for those to come, and the day before for how many there will be: at each point the threshold is the score that as many
of the events still to come are expected to exceed as alerts are left. What drifts, in the scores or in their number, is
seen in what is left, and moves the threshold; the count itself is held to. (This is the multisecretary problem, and
solving it anew at each step is within a constant of what is best in hindsight: Arlotto & Gurvich 2019.)

The state is of one partition of the events and a function of them in their order: how polls are cut, and who reads the
partition, changes nothing.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from tocsin.config.alert.budget import Rate
from tocsin.models.data.batch import Floats

BINS, REACH = 561, 14.0
"""Bins of the log odds of a score, from -REACH to REACH."""
ENOUGH = 30
"""With fewer scores than this nothing is known of those to come."""
REMEMBERED = 25
"""The scores that are remembered hold about so many alerts, and at least `FEWEST` scores."""
FEWEST, MOST_SCORES = 500, 10_000_000
LOOK_EVERY = 32
"""Events after which the threshold is worked out anew; it is also after each alert, and when time goes on."""
AT_LEAST = 0.05
"""Of a slot that holds more events than usual already, this part of its usual events is still to come."""
SLOTS = 48
"""Parts of a period by which it is remembered when events come."""
PERIODS = 64
"""Periods whose alerts are counted. An event of an earlier one raises none."""
ALL, NONE = -1, BINS
"""Places of the threshold where every event raises an alert, or none does."""
RESERVE, LEAST = 5.0, 0.01
"""Of a share: alerts that are kept back for surer events. With them left the threshold is the score that the share of
all scores exceeds; once they are spent, e times fewer scores exceed it, and at the least the part `LEAST` of the share.
"""


class AlertBudget(Protocol):
    """What one partition spent, and what it knows of the scores to come."""

    changed: bool
    """Whether anything was noted since it was made."""

    def offer(self, most: int, time: int, p: float) -> float | None:
        """Whether an event of probability p raises an alert: the threshold that it reached, else None. It is noted.

        `most` is what the partition may spend in a period, `time` the event's, epoch milliseconds.
        """
        ...

    def recall(self, most: int, time: int, p: float, raised: bool) -> None:
        """Note what is known of an event that was decided before."""
        ...

    def state(self) -> bytes:
        """The state, for `alert_budget`."""
        ...


def alert_budget(rate: Rate, state: bytes | None = None) -> AlertBudget:
    """The budget of a partition, with the state of an earlier one; a state of another kind begins anew."""
    made = Numbered(rate.period) if rate.period else Shared(rate.share)
    numbers = np.frombuffer(state or b"", np.float64)
    if len(numbers) and numbers[0] == made.kind:
        made.restore(numbers[1:].copy())
    return made


class SeenScores:
    """How frequent each score has been of late: every so many scores all that is known counts half."""

    def __init__(self) -> None:
        self.counts: Floats = np.zeros(BINS)
        self.added = 0.0

    def add(self, place: int, memory: float) -> None:
        """One score more."""
        self.counts[place] += 1.0
        self.added += 1.0
        if self.added >= memory:
            self.counts *= 0.5
            self.added = 0.0

    def place(self, share: float) -> tuple[int, bool]:
        """The lowest place that less than this share of all scores lies above, and whether the place itself is within
        the share, too."""
        total = self.counts.sum()
        if total < ENOUGH:
            return NONE, False
        above = total - self.counts.cumsum()
        found = int(np.argmax(above < share * total))
        return found, bool(above[found] + self.counts[found] <= share * total)


class Numbered:
    """So many alerts in each period of event time.

    >>> day = Numbered(86_400_000)
    >>> raised = [day.offer(2, i * 600_000, i % 10 / 10) is not None for i in range(144)]
    >>> sum(raised)
    2
    """

    def __init__(self, period: int) -> None:
        self.kind = float(period)
        self._period = period
        self.changed = False
        self._scores = SeenScores()
        self._slots: Floats = np.zeros(SLOTS)
        """Events of the latest period, by when they came."""
        self._usual: Floats = np.zeros(SLOTS)
        """The same of the periods before it, the latest of which counts half."""
        self._spent: dict[int, int] = {}
        self._floor = -1
        """Up to this period it is not known any more what was spent."""
        self._now = self._first = -1
        """The latest time, and the first of its period."""
        self._place, self._at_pace = NONE, False
        """Events above the place raise an alert, and those at it where no more is spent than time has gone by."""
        self._since, self._looked_at = LOOK_EVERY, -1

    def offer(self, most: int, time: int, p: float) -> float | None:
        """See `AlertBudget`."""
        place, period = place_of(p), time // self._period
        self._go_on(most, time, period)
        reached = place > self._place or (place == self._place and self._at_pace)
        raised = reached and period > self._floor and self._spent.get(period, 0) < most
        self._note(period, place, raised, most)
        return threshold_at(self._place) if raised else None

    def recall(self, most: int, time: int, p: float, raised: bool) -> None:
        """See `AlertBudget`."""
        period = time // self._period
        self._go_on(most, time, period)
        self._note(period, place_of(p), raised, most)

    def _go_on(self, most: int, time: int, period: int) -> None:
        """It is as late as this event, and the threshold is looked at where it is time to."""
        if time > self._now:
            if period > self._now // self._period or self._now < 0:
                self._begin(time)
            self._now = time
        stale = self._now - self._looked_at >= self._period // 1_440
        if stale or self._since >= LOOK_EVERY:
            self._look(most)

    def _begin(self, time: int) -> None:
        """A period is over: from now on it says when events come."""
        if self._slots.any():
            if not self._usual.any():
                first = min(int(self._first % self._period * SLOTS // self._period), SLOTS - 1)
                self._slots[:first] = self._slots[first:].mean()  # it did not see its beginning
                self._usual = self._slots.copy()
            else:
                self._usual = 0.5 * self._usual + 0.5 * self._slots
        self._slots[:] = 0.0
        self._first = time
        self._since = LOOK_EVERY

    def _look(self, most: int) -> None:
        """Work the threshold out anew."""
        self._since, self._looked_at = 0, self._now
        left, coming = most - self._spent.get(self._now // self._period, 0), self._coming()
        if left <= 0 or math.isnan(coming):
            self._place, self._at_pace = NONE, False
        elif left >= coming:
            self._place, self._at_pace = ALL, False
        else:
            self._place, fits = self._scores.place(left / coming)
            self._at_pace = fits or left * (self._slots.sum() + coming) >= most * coming

    def _coming(self) -> float:
        """How many events the period still holds, with the one at hand; NaN where nothing tells."""
        within = self._now % self._period
        came, usual = float(self._slots.sum()), float(self._usual.sum())
        if usual > 0.0:
            slot, part = divmod(within * SLOTS / self._period, 1.0)
            # Where times are coarse (a date), time does not go on within a slot, but its events do.
            own = float(self._usual[int(slot)])
            rest = min(own * (1.0 - part), max(own - float(self._slots[int(slot)]), AT_LEAST * own))
            after = float(self._usual[int(slot) + 1 :].sum()) + rest
            doubt = 0.05 * usual + 1.0  # so many events count as if they had come as usual
            return after * (came + doubt) / (usual - after + doubt) + 1.0
        elapsed = self._now - self._first
        if came < ENOUGH or elapsed <= 0:
            return math.nan
        return came / elapsed * (self._period - within) + 1.0

    def _note(self, period: int, place: int, raised: bool, most: int) -> None:
        self.changed = True
        self._since += 1
        usual = max(float(self._usual.sum()), float(self._slots.sum()), 1.0)
        self._scores.add(place, min(max(REMEMBERED * usual / max(most, 1), FEWEST), MOST_SCORES))
        if period == self._now // self._period:
            self._slots[min(int(self._now % self._period * SLOTS // self._period), SLOTS - 1)] += 1.0
        if not raised:
            return
        self._since = LOOK_EVERY
        self._spent[period] = self._spent.get(period, 0) + 1
        if len(self._spent) > PERIODS:
            self._floor = max(self._floor, min(self._spent))
            del self._spent[min(self._spent)]

    def state(self) -> bytes:
        """See `AlertBudget`."""
        single = [
            self.kind, self._scores.added, self._floor, self._now, self._first, self._place, self._at_pace,
            self._since, self._looked_at,
        ]  # fmt: skip
        spent = [number for pair in sorted(self._spent.items()) for number in pair]
        return np.concatenate([single, self._scores.counts, self._slots, self._usual, spent]).tobytes()

    def restore(self, numbers: Floats) -> None:
        """Take over what `state` gave, without its kind."""
        self._scores.added, single, rest = float(numbers[0]), numbers[1:8].tolist(), numbers[8:]
        self._floor, self._now, self._first, self._place = map(int, single[:4])
        self._at_pace, self._since, self._looked_at = bool(single[4]), int(single[5]), int(single[6])
        self._scores.counts, self._slots, self._usual, spent = np.split(rest, np.cumsum([BINS, SLOTS, SLOTS]))
        self._spent = {int(period): int(alerts) for period, alerts in spent.reshape(-1, 2).tolist()}


class Shared:
    """A share of all events: of the first n events never more than n times the share raise an alert.

    >>> tenth = Shared(0.1)
    >>> sum(tenth.offer(0, 0, i % 7 / 7) is not None for i in range(1_000)) in range(90, 101)
    True
    """

    def __init__(self, share: float) -> None:
        self.kind = -share
        self._share = share
        self.changed = False
        self._scores = SeenScores()
        self._events = self._alerts = 0.0
        self._place, self._fits, self._since = NONE, False, LOOK_EVERY

    def offer(self, most: int, time: int, p: float) -> float | None:
        """See `AlertBudget`; of a share neither `most` nor the time says anything."""
        place, credit = place_of(p), self._go_on()
        reached = place > self._place or (place == self._place and (self._fits or credit >= RESERVE))
        raised = reached and credit >= 1.0
        self._note(place, raised)
        return threshold_at(self._place) if raised else None

    def recall(self, most: int, time: int, p: float, raised: bool) -> None:
        """See `AlertBudget`."""
        self._go_on()
        self._note(place_of(p), raised)

    def _go_on(self) -> float:
        """One event more; returns how many alerts are left."""
        self._events += 1.0
        credit = self._share * self._events - self._alerts
        if self._since >= LOOK_EVERY:
            wanted = self._share * math.exp(min((credit - RESERVE) / RESERVE, 700.0))
            self._place, self._fits = self._scores.place(min(max(wanted, LEAST * self._share), 1.0))
            self._since = 0
        return credit

    def _note(self, place: int, raised: bool) -> None:
        self.changed = True
        self._alerts += raised
        self._since = LOOK_EVERY if raised else self._since + 1
        self._scores.add(place, min(max(REMEMBERED / self._share, FEWEST), MOST_SCORES))

    def state(self) -> bytes:
        """See `AlertBudget`."""
        single = [self.kind, self._scores.added, self._events, self._alerts, self._place, self._fits, self._since]
        return np.concatenate([single, self._scores.counts]).tobytes()

    def restore(self, numbers: Floats) -> None:
        """Take over what `state` gave, without its kind."""
        self._scores.added, self._events, self._alerts = numbers[:3].tolist()
        self._place, self._fits, self._since = int(numbers[3]), bool(numbers[4]), int(numbers[5])
        self._scores.counts = numbers[6:]


def place_of(p: float) -> int:
    """The bin of a probability, by its log odds."""
    odds = math.log(max(p, 1e-300)) - math.log(max(1.0 - p, 1e-300))
    return min(max(math.floor((odds + REACH) / (2.0 * REACH) * (BINS - 1) + 0.5), 0), BINS - 1)


def threshold_at(place: int) -> float:
    """The least probability of a bin; 0 where every event raises an alert."""
    if place <= 0:
        return 0.0
    return 1.0 / (1.0 + math.exp(REACH - (place - 0.5) / (BINS - 1) * 2.0 * REACH))
