"""Whether the extreme values of a column come with rare classes, and how such values are shown.

Extreme values are clipped, because most are wrong records. But what sets a fraud apart is often that its values are
far from the usual. Where a class is rare, each column is asked whether it is so: of the labelled events whose value was
clipped, more are of a rare class than chance would have. With n such events of late, of which r are of a rare class,
and the share q of rare classes among all labels, that is r - n q > `SURE` sqrt(n q (1 - q) + 1), and r >= `FEWEST`.

In such a column experts see by how much a value is beyond its bound (`tocsin.kernels.inputs.clipping.stretched`).

`reference` is the same in plain numpy, and a test holds the two together.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.inputs.clipping import Clipped

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SURE = 3.5
"""Standard deviations beyond chance."""
FEWEST = 3.0
"""Events of a rare class with a clipped value, old ones fading."""
BLOCK, FADE = 50, 0.9975
"""Columns are asked once in so many labels, and counts keep so much then: some 20,000 labels are remembered."""


class Extremes(NamedTuple):
    """What is known of the clipped values of F columns, changed in place."""

    clipped: Floats
    """[F], labelled events whose value was clipped, old ones fading."""
    rare: Floats
    """[F], those of a rare class among them."""
    labels: Floats
    """[2], all labelled events while a class was rare, and those of a rare class; old ones fading."""
    seen: NDArray[np.int64]
    """[1], such events in all."""
    tells: Bools
    """[F], whether clipped values come with rare classes, at the end of the last block."""


def new(columns: int) -> Extremes:
    """Nothing is known yet."""
    F = columns
    return Extremes(np.zeros(F), np.zeros(F), np.zeros(2), np.zeros(1, np.int64), np.zeros(F, np.bool_))


def widened(state: Extremes, columns: int) -> Extremes:
    """The same with room for more columns."""
    more = columns - len(state.tells)
    if more <= 0:
        return state
    padded: list[Any] = [np.pad(one, (0, more)) for one in (state.clipped, state.rare, state.tells)]
    return Extremes(padded[0], padded[1], state.labels, state.seen, padded[2])


@kernel
def apply(state: Extremes, clipped: Clipped, out: Floats) -> None:
    """Write B rows as experts see them into `out` [B, F]."""
    hard, soft = clipped
    for b in range(hard.shape[0]):
        for f in range(hard.shape[1]):
            out[b, f] = soft[b, f] if state.tells[f] else hard[b, f]


@kernel
def ask(state: Extremes) -> None:
    """Ask each column whether its extremes tell something, and let counts fade."""
    q = state.labels[1] / max(state.labels[0], 1.0)
    for f in range(len(state.tells)):
        n, r = state.clipped[f], state.rare[f]
        state.tells[f] = r >= FEWEST and r - n * q > SURE * math.sqrt(n * q * (1.0 - q) + 1.0)
    state.clipped[:] *= FADE
    state.rare[:] *= FADE
    state.labels[:] *= FADE


@kernel
def learn(state: Extremes, clipped: Clipped, odd: Bools, out: Floats) -> None:
    """Write B rows as experts see them into `out` [B, F], and learn them; `odd` [B] are those of a rare class."""
    hard, soft = clipped
    for b in range(hard.shape[0]):
        apply(state, Clipped(hard[b : b + 1], soft[b : b + 1]), out[b : b + 1])
        state.labels[0] += 1.0
        state.labels[1] += 1.0 if odd[b] else 0.0
        for f in range(hard.shape[1]):
            if math.isfinite(hard[b, f]) and hard[b, f] != soft[b, f]:
                state.clipped[f] += 1.0
                state.rare[f] += 1.0 if odd[b] else 0.0
        state.seen[0] += 1
        if state.seen[0] % BLOCK == 0:
            ask(state)


def reference(hard: Floats, soft: Floats, odd: Bools) -> Floats:
    """How the values [B] of one column are shown, which are clipped to `hard` [B] or stretched to `soft` [B]."""
    out, tells = hard.copy(), False
    for b in range(len(hard)):
        out[b] = soft[b] if tells else hard[b]
        if (b + 1) % BLOCK == 0:
            weights = FADE ** (np.arange(b, -1, -1) // BLOCK)
            was = np.isfinite(hard[: b + 1]) & (soft[: b + 1] != hard[: b + 1])
            n, r = weights @ was, weights @ (was & odd[: b + 1])
            q = weights @ odd[: b + 1] / max(weights.sum(), 1.0)
            tells = bool(r >= FEWEST and r - n * q > SURE * np.sqrt(n * q * (1.0 - q) + 1.0))
    return out
