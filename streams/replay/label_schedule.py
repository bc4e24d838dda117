"""Which label is due when: at the time at which it became known, or so many events later where nothing says that."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from tocsin.streams.replay.past_event import PastEvent

T = TypeVar("T")


class LabelSchedule(Generic[T]):
    """Hands out past events, each with what is kept of it, when their labels are due.

    Time goes by with the events: it is the latest of their times. A label that was known at that time is due before the
    event is decided, in the order of the labels' times, and of the events where these are equal. A label without a time
    is due once so many later events without one were decided.

    >>> schedule = LabelSchedule[None](1)
    >>> made = [PastEvent(f"e{i}", "s", 10 * i, b"", "yes", known) for i, known in enumerate((25, 12, None, None))]
    >>> for one in made:
    ...     before = [past.id for past, _ in schedule.before(one)]
    ...     schedule.add(one, None)
    ...     print(one.id, before, [past.id for past, _ in schedule.after()])
    e0 [] []
    e1 [] []
    e2 ['e1'] []
    e3 ['e0'] ['e2']
    """

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._unlabelled: deque[tuple[PastEvent, T]] = deque()
        self._known_at: list[tuple[int, int, PastEvent, T]] = []
        self._now = self._added = 0

    def before(self, past: PastEvent) -> Iterator[tuple[PastEvent, T]]:
        """Those whose labels are due before this event is decided."""
        self._now = max(self._now, past.time)
        while self._known_at and self._known_at[0][0] <= self._now:
            yield heapq.heappop(self._known_at)[2:]

    def add(self, past: PastEvent, kept: T) -> None:
        """An event that is decided, with what is kept of it."""
        self._added += 1
        if past.labelled_at is None:
            self._unlabelled.append((past, kept))
        elif past.label is not None:
            heapq.heappush(self._known_at, (past.labelled_at, self._added, past, kept))

    def after(self) -> Iterator[tuple[PastEvent, T]]:
        """Those whose labels are due after the event that was added last."""
        while len(self._unlabelled) > self._delay:
            yield self._unlabelled.popleft()

    def rest(self) -> Iterator[tuple[PastEvent, T]]:
        """Those that are left when no event follows."""
        while self._unlabelled:
            yield self._unlabelled.popleft()
        while self._known_at:
            yield heapq.heappop(self._known_at)[2:]

    def kept(self) -> Iterator[T]:
        """What is kept of all events whose labels are not due yet."""
        yield from (kept for _, kept in self._unlabelled)
        yield from (kept for *_, kept in self._known_at)
