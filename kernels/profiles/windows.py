"""Windows: what a key's events have been of late, in rings of buckets, one row of numbers for each value of the key.

A row is float64 [W] and holds, one after the other (`Shape` says how many of each):

- the head: the time of the key's newest event (ms), how many events it had, and when it was touched last, as a count;
- for each window a ring of `BUCKETS` buckets: the number of each bucket (its time or its event count divided by the
  window's width) and its events; then for each value added up: how many were known, their mean, the sum of squared
  deviations from it, and their maximum;
- for each category remembered: `ENTRIES` entries of the code, the time and the event count when it came last, the event
  with it among them (0 for an empty entry), and how often it came.

A bucket or an entry without events is all zeros, as is the row of a key without any.

A window is read as of an event's own time, from the buckets up to its own. So a late event is told of what came before
it, as far as buckets tell, and is added to its own bucket, unless that was overwritten: then the window leaves it out.
Means and squared deviations are added up by Welford's method (1962), and buckets are merged by that of Chan, Golub and
LeVeque (1983), in the order of their places.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BUCKETS = 8
"""Buckets of a window."""
ENTRIES = 32
"""Categories that are remembered of one key; a new one takes the place of the one that came longest ago."""
AGED = 1_000.0
"""Once the categories of a key came so often in all, each count is halved."""
LARGEST = 1e140
"""Values are clipped here, and what is said of them. Sums of their squares are still finite."""
HEAD = 3
_NEWEST, _EVENTS, TOUCHED = 0, 1, 2
SAID = 5
"""What is said of each value: sum, mean, maximum, standard deviation, and the event's own value over the mean."""


class Shape(NamedTuple):
    """How many windows T, values V and categories C a row has."""

    windows: int
    values: int
    categories: int

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return HEAD + self.windows * BUCKETS * (2 + 4 * self.values) + self.categories * 4 * ENTRIES

    @property
    def said(self) -> int:
        """Numbers that are said of an event: seconds since the last; of each window the count and `SAID` of each value;
        of each category how many different ones each window had, and the share of the event's own."""
        return 1 + self.windows * (1 + SAID * self.values) + self.categories * (self.windows + 1)


@kernel
def say(row: Floats, time: int, values: Floats, codes: Floats, windows: Ints, out: Floats) -> None:
    """What a row [W] says of an event with these values [V] and codes [C] (NaN: not known), into out [`Shape.said`].

    `windows` int64 [T, 3]: whether it goes by events (1) or by time (0), the width of a bucket, and in how many it is
    cut.
    """
    T, V = len(windows), len(values)
    newest, events = row[_NEWEST], int(row[_EVENTS])
    out[0] = math.nan if events == 0 else max(0.0, (time - newest) / 1_000.0)
    ring, place = BUCKETS * (2 + 4 * V), 1
    for w in range(T):
        start = HEAD + w * ring
        at = (events - 1 if windows[w, 0] else time) // windows[w, 1]
        oldest = at - windows[w, 2]
        count = 0.0
        for b in range(BUCKETS):
            if oldest < row[start + b] <= at:
                count += row[start + BUCKETS + b]
        out[place] = count
        place += 1
        for v in range(V):
            _say_value(row, start, start + BUCKETS * (2 + 4 * v), float(oldest), float(at), values[v], out, place)
            place += SAID
    entries = HEAD + T * ring
    for c in range(len(codes)):
        _say_category(row, entries + c * 4 * ENTRIES, time, codes[c], windows, out, place)
        place += T + 1


@kernel
def _say_value(
    row: Floats, numbers: int, start: int, oldest: float, at: float, value: float, out: Floats, place: int
) -> None:
    known, mean, square, most = 0.0, 0.0, 0.0, -math.inf
    for b in range(BUCKETS):
        n = row[start + b]
        if oldest < row[numbers + b] <= at and n > 0.0:
            delta = row[start + BUCKETS + b] - mean
            total = known + n
            mean += delta * (n / total)
            square += row[start + 2 * BUCKETS + b] + delta * delta * (known * n / total)
            known = total
            most = max(most, row[start + 3 * BUCKETS + b])
    out[place] = known * mean
    out[place + 1] = mean if known > 0.0 else math.nan
    out[place + 2] = most if known > 0.0 else math.nan
    out[place + 3] = math.sqrt(square / known) if known > 1.0 else math.nan
    out[place + 4] = math.nan
    if known > 0.0 and mean != 0.0 and not math.isnan(value):
        out[place + 4] = min(max(value / mean, -LARGEST), LARGEST)


@kernel
def _say_category(row: Floats, start: int, time: int, code: float, windows: Ints, out: Floats, place: int) -> None:
    T, events, total, own = len(windows), int(row[_EVENTS]), 0.0, 0.0
    for w in range(T):
        out[place + w] = 0.0
    for e in range(start, start + ENTRIES):
        if row[e + 2 * ENTRIES] == 0.0:
            continue
        total += row[e + 3 * ENTRIES]
        if row[e] == code:
            own = row[e + 3 * ENTRIES]
        for w in range(T):
            length = windows[w, 1] * windows[w, 2]
            ago = events + 1 - row[e + 2 * ENTRIES] if windows[w, 0] else time - row[e + ENTRIES]
            out[place + w] += 1.0 if ago <= length else 0.0
    out[place + T] = math.nan if math.isnan(code) or total == 0.0 else own / total


@kernel
def add(row: Floats, time: int, values: Floats, codes: Floats, windows: Ints) -> None:
    """Add an event to a row; see `say` for the arguments."""
    T, V = len(windows), len(values)
    events = int(row[_EVENTS])
    ring = BUCKETS * (2 + 4 * V)
    for w in range(T):
        start = HEAD + w * ring
        at = (events if windows[w, 0] else time) // windows[w, 1]
        b = at % BUCKETS
        empty = row[start + BUCKETS + b] == 0.0
        if row[start + b] > at and not empty:
            continue  # so late that the window has forgotten its bucket
        if row[start + b] < at or empty:
            for part in range(1, 2 + 4 * V):
                row[start + part * BUCKETS + b] = 0.0
            row[start + b] = at
        row[start + BUCKETS + b] += 1.0
        for v in range(V):
            if not math.isnan(values[v]):
                _add_value(row, start + BUCKETS * (2 + 4 * v) + b, values[v])
    entries = HEAD + T * ring
    for c in range(len(codes)):
        if not math.isnan(codes[c]):
            _add_category(row, entries + c * 4 * ENTRIES, float(time), codes[c])
    row[_NEWEST] = max(row[_NEWEST], float(time)) if events > 0 else float(time)
    row[_EVENTS] += 1.0


@kernel
def _add_value(row: Floats, place: int, value: float) -> None:
    value = min(max(value, -LARGEST), LARGEST)
    known = row[place] + 1.0
    delta = value - row[place + BUCKETS]
    row[place] = known
    row[place + BUCKETS] += delta / known
    row[place + 2 * BUCKETS] += delta * (value - row[place + BUCKETS])
    row[place + 3 * BUCKETS] = value if known == 1.0 else max(row[place + 3 * BUCKETS], value)


@kernel
def _add_category(row: Floats, start: int, time: float, code: float) -> None:
    found, oldest, total = -1, start, 0.0
    for e in range(start, start + ENTRIES):
        last = row[e + 2 * ENTRIES]
        if last > 0.0:
            total += row[e + 3 * ENTRIES]
            if row[e] == code:
                found = e
        if last < row[oldest + 2 * ENTRIES]:
            oldest = e
    if found < 0:
        found = oldest
        row[found], row[found + ENTRIES], row[found + 3 * ENTRIES] = code, time, 0.0
    row[found + ENTRIES] = max(row[found + ENTRIES], time)
    row[found + 2 * ENTRIES] = row[_EVENTS] + 1.0
    row[found + 3 * ENTRIES] += 1.0
    if total + 1.0 >= AGED:
        for e in range(start, start + ENTRIES):
            row[e + 3 * ENTRIES] *= 0.5


class Events(NamedTuple):
    """B events of one profile, in their order."""

    place: Ints
    """[B], the row of each event's key; -1 where the key is not known."""
    fresh: Bools
    """[B], which keys come for the first time, so that their rows begin."""
    times: Ints
    """[B], epoch milliseconds."""
    values: Floats
    """[B, V]"""
    codes: Floats
    """[B, C]"""


@kernel
def say_and_add(rows: Floats, events: Events, windows: Ints, first: int, out: Floats) -> None:
    """What the rows [N, W] say of each event, into out [B, `Shape.said`], before it is added.

    `first` is how many events with a known key were added before, to this profile as a whole.
    """
    touched = first
    for i in range(len(events.place)):
        place = events.place[i]
        if place < 0:
            out[i] = math.nan
            continue
        row = rows[place]
        if events.fresh[i]:
            row[:] = 0.0
        say(row, events.times[i], events.values[i], events.codes[i], windows, out[i])
        add(row, events.times[i], events.values[i], events.codes[i], windows)
        row[TOUCHED] = touched
        touched += 1


@kernel
def say_at(rows: Floats, events: Events, windows: Ints, out: Floats) -> None:
    """What the rows [N, W] say of each event, into out [B, `Shape.said`]. Nothing is added."""
    for i in range(len(events.place)):
        if events.place[i] < 0:
            out[i] = math.nan
        else:
            say(rows[events.place[i]], events.times[i], events.values[i], events.codes[i], windows, out[i])
