"""Groups of novel events: each event joins the nearest group that it is like, or begins one of its own.

An event is like a group where it lies no farther from the group's centre than nearly all events of such a spread would:
the mean over the numbers that tell anything of (x - centre)^2 / variance is at most 1 + `REACH` standard deviations of
that mean among normal numbers. A group's variances are learnt from its own events. Before it has many they lean on a
guess, which is greater the farther the first event lay from all that is known: what lies between two novel events that
are that far out need not be known either.

Groups between which no gap is left become one. The least recent group makes room for a new one. All of it
is a fold over the novel events in their order.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from tocsin.models.data.batch import Floats
from tocsin.models.decision.traffic.counterpart import FARTHEST

REACH = 3.0
"""Standard deviations of the mean of squares within which an event is like a group."""
GUESS, NOISE = 0.25, 1.5
"""A new group of D numbers is taken to have the variance 1 - `NOISE` / sqrt(D), where that of all known events is 1: of
many numbers most tell nothing of the class. `GUESS` is the least."""
APART = 0.25
"""The part of the squared distance from what is known, a number, that a new group is taken to vary by."""
LEAN = 2.0
"""So many events the guess counts as."""
GAP = 6.0
"""Two groups are one where the square of the distance of their centres, less what chance gives it, is at most so many
times the variance of both in that direction: so far apart lie the centres of two halves of what is spread evenly."""
EXAMPLES, LONGEST = 5, 256
"""The latest events of a group that are named, and the most characters of an id for that."""


class NovelEvent(NamedTuple):
    """An event that was told novel."""

    name: str
    """Of the group that it begins, if it does; no two events have the same."""
    identity: str
    """The event's id."""
    time: int
    """Epoch ms."""
    far: float
    """Its squared distance from the nearest known event, in standard deviations."""

    @property
    def named(self) -> list[str]:
        """Its id as an example; none where it is too long."""
        return [self.identity] if len(self.identity) <= LONGEST else []


class KeptGroup(msgspec.Struct):
    """Novel events that are alike."""

    name: str
    events: int
    guess: float
    """The variance that it was taken to have at first."""
    asked: int
    """How many events it had when a person was last asked about it; 0 before."""
    touched: int
    """How many novel events there had been when it got its latest one."""
    first: int
    """Event times, epoch ms."""
    last: int
    examples: list[str]
    """The ids of its latest events, the latest one last."""

    def due(self, least: int) -> bool:
        """Whether a person is to be asked about it: with `least` events, and whenever they have doubled since."""
        return self.events >= max(least, 2 * self.asked)


class _State(msgspec.Struct, array_like=True):
    seen: int
    groups: list[KeptGroup]
    centre: bytes
    square: bytes


class NovelGroups:
    """At most `most` groups of events of D numbers.

    >>> groups = NovelGroups(4, 1)
    >>> places = (9.0, -9.0, 9.2)
    >>> [groups.add(np.array([x]), NovelEvent(f"g{i}", f"e{i}", i, 64.0)).name for i, x in enumerate(places)]
    ['g0', 'g1', 'g0']
    """

    def __init__(self, most: int, numbers: int) -> None:
        self._most, self._seen = most, 0
        self.groups: list[KeptGroup] = []
        """In the order in which they began."""
        self._centre: Floats = np.zeros((0, numbers))
        """[G, D]"""
        self._square: Floats = np.zeros((0, numbers))
        """[G, D], squared deviations from the centre, added up."""

    def add(self, x: Floats, event: NovelEvent) -> KeptGroup:
        """The group of a novel event at x [D], which has taken it in."""
        self._seen += 1
        g = self._nearest(x)
        if g is None:
            g = self._begin(x, event)
        else:
            group, apart = self.groups[g], x - self._centre[g]
            group.events += 1
            self._centre[g] += apart / group.events
            self._square[g] += apart * (x - self._centre[g])
            group.last, group.first = max(group.last, event.time), min(group.first, event.time)
            group.examples = [*group.examples, *event.named][-EXAMPLES:]
        group = self.groups[g]
        group.touched = self._seen
        while len(self.groups) > 1 and (other := self._alike(self.groups.index(group))) is not None:
            group = self._join(*sorted((self.groups.index(group), other)))
        return group

    def _variance(self) -> Floats:
        """[G, D]"""
        events = np.array([group.events for group in self.groups], np.float64)[:, None]
        guess = np.array([group.guess for group in self.groups])[:, None]
        result: Floats = (self._square + LEAN * guess) / (events - 1.0 + LEAN)
        return result

    def _nearest(self, x: Floats) -> int | None:
        """The nearest of the groups that an event is like; None where there is none."""
        if not self.groups:
            return None
        events = np.array([group.events for group in self.groups], np.float64)[:, None]
        squares = (x - self._centre) ** 2 / (self._variance() * (1.0 + 1.0 / events))
        told = np.maximum(((x != 0.0) | (self._centre != 0.0)).sum(axis=1), 1)
        mean = squares.sum(axis=1) / told
        near = np.flatnonzero(mean <= 1.0 + REACH * np.sqrt(2.0 / told))
        return int(near[mean[near].argmin()]) if len(near) else None

    def _begin(self, x: Floats, event: NovelEvent) -> int:
        if len(self.groups) >= self._most:
            self._remove(min(range(len(self.groups)), key=lambda g: self.groups[g].touched))
        told = max(int((x != 0.0).sum()), 1)
        guess = max(GUESS, 1.0 - NOISE / told**0.5, min(APART * event.far / told, FARTHEST**2))
        self.groups.append(
            KeptGroup(event.name, 1, guess, 0, self._seen, event.time, event.time, event.named),
        )
        self._centre = np.concatenate([self._centre, x[None]])
        self._square = np.concatenate([self._square, np.zeros_like(x)[None]])
        return len(self.groups) - 1

    def _alike(self, g: int) -> int | None:
        """Another group between which and group g there is no gap, the nearest one; None where there is none."""
        variance, apart = self._variance(), (self._centre - self._centre[g]) ** 2
        events = np.array([group.events for group in self.groups], np.float64)[:, None]
        by_chance = (variance / events + variance[g] / events[g]).sum(axis=1)
        square = apart.sum(axis=1)
        along = (apart * (variance + variance[g])).sum(axis=1)
        gap = np.where(square > by_chance, (square - by_chance) * square / np.where(along > 0.0, along, 1.0), 0.0)
        gap[g] = np.inf
        nearest = int(gap.argmin())
        return nearest if gap[nearest] <= GAP else None

    def _join(self, g: int, other: int) -> KeptGroup:
        """The older group g with all that a younger one had."""
        one, two = self.groups[g], self.groups[other]
        n, m = one.events, two.events
        apart = self._centre[other] - self._centre[g]
        self._square[g] += self._square[other] + apart * apart * (n * m / (n + m))
        self._centre[g] += apart * (m / (n + m))
        earlier, later = (one, two) if one.touched < two.touched else (two, one)
        one.examples = [*earlier.examples, *later.examples][-EXAMPLES:]
        one.guess = (n * one.guess + m * two.guess) / (n + m)
        one.events, one.asked, one.touched = n + m, max(one.asked, two.asked), later.touched
        one.first, one.last = min(one.first, two.first), max(one.last, two.last)
        self._remove(other)
        return one

    def _remove(self, g: int) -> None:
        del self.groups[g]
        self._centre, self._square = np.delete(self._centre, g, axis=0), np.delete(self._square, g, axis=0)

    def state(self) -> bytes:
        """All of it, for `restore`."""
        made = _State(self._seen, self.groups, self._centre.tobytes(), self._square.tobytes())
        return msgspec.msgpack.encode(made)

    def restore(self, state: bytes) -> None:
        """Take over a state that `state` gave; of more groups than there may be now the most recent ones stay.

        Raises ValueError where it is damaged, or of other numbers.
        """
        made, numbers = msgspec.msgpack.decode(state, type=_State), self._centre.shape[1]
        centre, square = np.frombuffer(made.centre), np.frombuffer(made.square)
        if len(centre) != len(made.groups) * numbers or len(square) != len(centre):
            raise ValueError("these are groups of other events")
        self._seen, self.groups = made.seen, made.groups
        self._centre, self._square = centre.reshape(-1, numbers).copy(), square.reshape(-1, numbers).copy()
        while len(self.groups) > self._most:
            self._remove(min(range(len(self.groups)), key=lambda g: self.groups[g].touched))
