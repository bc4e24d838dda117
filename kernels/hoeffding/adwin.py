"""ADWIN for many streams at once: a window that is as long as its mean has not changed.

Bifet & Gavalda, "Learning from time-changing data with adaptive windowing", SDM 2007 (ADWIN2). The window is an
exponential histogram: at level i stand buckets of 2^i values each, their sum and their squared deviations; when
a level overflows, its two oldest buckets merge into one of the next. Every CLOCK values all cuts of the window
are tested, and its oldest bucket goes while an older and a younger part differ. The oracle is river 0.26.1's
`drift.ADWIN`: it finds changes at the same values, for sums run in its order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel

Floats = NDArray[np.float64]
Windows = NDArray[Any]
Window = Any
"""One WINDOW record."""

CLOCK = 32
"""Values between two tests."""
BUCKETS = 5
"""The most buckets of a level; one more, and two of them merge."""
SHORTEST = 5.0
"""Values that either side of a cut has at least."""
GRACE = 10.0
"""Windows up to this long are not tested."""
LEVELS = 40
"""Room for 5 * 2^40 values, which no stream reaches."""

WINDOW = np.dtype(
    [
        ("total", "f8"),
        ("squares", "f8"),
        ("width", "f8"),
        ("tick", "i8"),
        ("levels", "i8"),
        ("detections", "i8"),
        ("used", "i8", (LEVELS,)),
        ("totals", "f8", (LEVELS, BUCKETS + 1)),
        ("deviations", "f8", (LEVELS, BUCKETS + 1)),
    ],
    align=True,
)
"""A stream's window: the sum of its values and of their squared deviations from the mean, how many there are, values
since the start, levels in use, changes found; and of every level the number of buckets and, oldest first, the sum
and the squared deviations of each."""


def new_windows(streams: int) -> Windows:
    """Empty windows: WINDOW [streams]."""
    windows = np.zeros(streams, WINDOW)
    windows["levels"] = 1
    return windows


@kernel
def clear(windows: Windows, s: int) -> None:
    """Forget what a stream has seen."""
    window = windows[s]
    for i in range(window.levels):
        window.used[i] = 0
    window.total = 0.0
    window.squares = 0.0
    window.width = 0.0
    window.tick = 0
    window.levels = 1
    window.detections = 0


@kernel
def shift(window: Window, level: int, n: int) -> None:
    """Take a level's n oldest buckets away."""
    left = window.used[level] - n
    for i in range(left):
        window.totals[level, i] = window.totals[level, i + n]
        window.deviations[level, i] = window.deviations[level, i + n]
    window.used[level] = left


@kernel
def add_bucket(window: Window, level: int, total: float, deviation: float) -> None:
    """A level's youngest bucket."""
    place = window.used[level]
    window.totals[level, place] = total
    window.deviations[level, place] = deviation
    window.used[level] = place + 1


@kernel
def merge(window: Window) -> None:
    """Make room: two buckets of a level that overflows become one of the next."""
    level = 0
    while window.used[level] > BUCKETS:
        size = float(1 << level)
        first, second = window.totals[level, 0], window.totals[level, 1]
        apart = first / size - second / size
        deviation = window.deviations[level, 0] + window.deviations[level, 1] + size * 0.5 * apart * apart
        if level + 1 == window.levels:
            window.levels += 1
        add_bucket(window, level + 1, first + second, deviation)
        shift(window, level, 2)
        level += 1


@kernel
def insert(window: Window, value: float) -> None:
    """Take in a value."""
    add_bucket(window, 0, value, 0.0)
    before = window.width
    window.width = before + 1.0
    if before > 0.0:
        away = value - window.total / before
        window.squares += before * away * away / window.width
    window.total += value
    merge(window)


@kernel
def drop_oldest(window: Window) -> None:
    """Forget the oldest bucket."""
    last = window.levels - 1
    size = float(1 << last)
    total = window.totals[last, 0]
    mean = total / size
    window.width -= size
    window.total -= total
    rest = window.total / window.width
    window.squares -= window.deviations[last, 0] + size * window.width * (mean - rest) * (mean - rest) / (
        size + window.width
    )
    shift(window, last, 1)
    if window.used[last] == 0:
        window.levels -= 1


@kernel
def differ(window: Window, delta: float, n0: float, n1: float, apart: float) -> bool:
    """Whether two parts of the window, whose means are so far apart, are not of one distribution."""
    confidence = math.log(2.0 * math.log(window.width) / delta)
    shortness = 1.0 / (n0 - SHORTEST + 1.0) + 1.0 / (n1 - SHORTEST + 1.0)
    variance = window.squares / window.width
    bound = math.sqrt(2.0 * shortness * variance * confidence) + 2.0 / 3.0 * confidence * shortness
    return bool(abs(apart) > bound)


@kernel
def has_cut(window: Window, delta: float) -> bool:
    """Whether the window can be cut, anywhere, into parts that differ."""
    n0, n1 = 0.0, window.width
    u0, u1 = 0.0, window.total
    for level in range(window.levels - 1, -1, -1):
        size = float(1 << level)
        for i in range(window.used[level]):
            n0 += size
            n1 -= size
            u0 += window.totals[level, i]
            u1 -= window.totals[level, i]
            if n1 >= SHORTEST and n0 >= SHORTEST and differ(window, delta, n0, n1, u0 / n0 - u1 / n1):
                return True
    return False


@kernel
def update(windows: Windows, s: int, value: float, delta: float) -> bool:
    """Take a value of stream `s` in. True: its mean has changed, and the window lost its old part."""
    window = windows[s]
    insert(window, value)
    window.tick += 1
    changed = False
    if window.tick % CLOCK == 0 and window.width > GRACE:
        while has_cut(window, delta):
            drop_oldest(window)
            changed = True
    if changed:
        window.detections += 1
    return changed


@kernel
def rose(windows: Windows, s: int, value: float, delta: float) -> bool:
    """`update`, but True only where the mean went up: of an error rate, falling is no alarm (so MOA has it)."""
    window = windows[s]
    before = window.total / window.width if window.width > 0.0 else 0.0
    return bool(update(windows, s, value, delta) and window.total / window.width > before)


@kernel
def update_many(windows: Windows, values: Floats, delta: Floats, changed: NDArray[np.bool_]) -> None:
    """Take in values [n, S] of S streams, row by row; delta [S]; says at which the mean changed: bool [n, S].

    A window in which a change was found goes on with what is left of it.
    """
    for i in range(values.shape[0]):
        for s in range(values.shape[1]):
            changed[i, s] = update(windows, s, values[i, s], delta[s])


def means(windows: Windows) -> Floats:
    """The mean of each window [S]; 0 where it is empty."""
    mean: Floats = windows["total"] / np.maximum(windows["width"], 1.0)
    return mean


SCALARS = ("total", "squares", "width", "tick", "levels", "detections")


def state_dict(windows: Windows) -> dict[str, NDArray[Any]]:
    """Everything that `load_state_dict` needs, in plain dtypes: the buckets in use, and no others."""
    out: dict[str, NDArray[Any]] = {name: windows[name].copy() for name in SCALARS}
    levels = int(windows["levels"].max(initial=1))
    used = windows["used"][:, :levels]
    kept = np.arange(BUCKETS + 1) < used[..., None]
    return out | {
        "used": used.astype(np.uint8),
        "totals": windows["totals"][:, :levels][kept],
        "deviations": windows["deviations"][:, :levels][kept],
    }


def load_state_dict(saved: Mapping[str, NDArray[Any]]) -> Windows:
    """The windows whose `state_dict` this is. Raises KeyError where one is missing, ValueError where one does not
    fit."""
    windows = new_windows(len(saved["width"]))
    for name in SCALARS:
        windows[name] = saved[name]
    levels = min(LEVELS, saved["used"].shape[1])
    windows["used"][:, :levels] = saved["used"]
    kept = np.arange(BUCKETS + 1) < windows["used"][..., None]
    windows["totals"][kept] = saved["totals"]
    windows["deviations"][kept] = saved["deviations"]
    lowest, highest = int(windows["levels"].min(initial=1)), int(windows["levels"].max(initial=1))
    if lowest < 1 or highest > levels or int(windows["used"].max(initial=0)) > BUCKETS:
        raise ValueError("more levels or buckets than a window has")
    return windows
