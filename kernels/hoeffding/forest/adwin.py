"""ADWIN for many streams: a window that is as long as the mean of its stream has not changed.

The window is an exponential histogram. At level i stand buckets of 2^i values each, with their sum and their squared
deviations; when a level overflows, its two oldest buckets merge into one bucket of the next level. Every CLOCK values
all cuts of the window are tested, and the oldest bucket is dropped while an older and a younger part differ.

Source: Bifet & Gavalda, "Learning from time-changing data with adaptive windowing", SDM 2007 (ADWIN2). The oracle is
river 0.26.1's `drift.ADWIN`, which finds changes at the same values: sums run in its order.
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
"""How many values come between two tests."""
BUCKETS = 5
"""The most buckets of a level; at one more, two of them merge."""
SHORTEST = 5.0
"""The fewest values on either side of a cut."""
GRACE = 10.0
"""A window up to this long is not tested."""
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
"""The window of one stream. `total` is the sum of its values, `squares` that of their squared deviations from the mean
and `width` their number; `tick` counts values since the start, `levels` the levels in use and `detections` the changes
found. Of every level: `used` is the number of its buckets, `totals` and `deviations` are the sum and the squared
deviations of each, oldest first."""


def new_windows(streams: int) -> Windows:
    """Empty windows, WINDOW [streams]."""
    windows = np.zeros(streams, WINDOW)
    windows["levels"] = 1
    return windows


@kernel
def clear(windows: Windows, s: int) -> None:
    """Empty the window of stream s."""
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
    """Remove the n oldest buckets of a level."""
    left = window.used[level] - n
    for i in range(left):
        window.totals[level, i] = window.totals[level, i + n]
        window.deviations[level, i] = window.deviations[level, i + n]
    window.used[level] = left


@kernel
def add_bucket(window: Window, level: int, total: float, deviation: float) -> None:
    """Append the youngest bucket of a level."""
    place = window.used[level]
    window.totals[level, place] = total
    window.deviations[level, place] = deviation
    window.used[level] = place + 1


@kernel
def merge(window: Window) -> None:
    """Merge the two oldest buckets of every level that overflows into one of the next level."""
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
    """Append a value to the window."""
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
    """Remove the oldest bucket from the window."""
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
    """Whether two parts of n0 and n1 values, whose means lie `apart`, come from different distributions."""
    confidence = math.log(2.0 * math.log(window.width) / delta)
    shortness = 1.0 / (n0 - SHORTEST + 1.0) + 1.0 / (n1 - SHORTEST + 1.0)
    variance = window.squares / window.width
    bound = math.sqrt(2.0 * shortness * variance * confidence) + 2.0 / 3.0 * confidence * shortness
    return bool(abs(apart) > bound)


@kernel
def has_cut(window: Window, delta: float) -> bool:
    """Whether some cut of the window makes two parts that differ."""
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
    """Append a value of stream s. Returns whether its mean has changed; the window then loses its old part."""
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
def update_and_test_rise(windows: Windows, s: int, value: float, delta: float) -> bool:
    """As `update`, but True only where the mean has risen: a falling error rate is no alarm, as in MOA."""
    window = windows[s]
    before = window.total / window.width if window.width > 0.0 else 0.0
    return bool(update(windows, s, value, delta) and window.total / window.width > before)


SCALARS = ("total", "squares", "width", "tick", "levels", "detections")


def state_dict(windows: Windows) -> dict[str, NDArray[Any]]:
    """Everything that `load_state_dict` needs, as arrays of plain dtypes; only the buckets in use are written."""
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
    """The windows whose `state_dict` this is.

    Raises KeyError where an array is missing, and ValueError where arrays do not fit one another.
    """
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
        raise ValueError("the arrays hold more levels or buckets than a window has")
    return windows
