"""Which events an expert learns where every class but one is rare, and by what its answers are then corrected.

Of two kinds of events, one of which is a hundred times as frequent, a tree sees little but the frequent one. So it
learns each rare event, and of the frequent class so few that the rare ones have the share s of what is learnt: each
with the probability r = min(1, q / (1 - q) (1 - s) / s), where q is the share of all rare classes among the labels.
Where such a learner says p of a rare class, w p / (w p + 1 - p) is meant, with w the share of the frequent events that
it learnt.

Sources: Dal Pozzolo, Caelen, Johnson & Bontempi 2015, "Calibrating probability with undersampling for unbalanced
classification"; Elkan 2001, "The foundations of cost-sensitive learning".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common import draws
from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.experts.rare_class.state import Shares, count_label

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STREAM = 0x756E6465
"""The stream of random draws, which no other part takes numbers from."""
MEMORY = 1.0 - 1.0 / 20_000.0
"""What the share of frequent events that are learnt keeps at each of them."""


class Undersampled(NamedTuple):
    """What has been learnt by each of G shares that are asked for."""

    shares: Shares
    """How frequent the K classes are."""
    learnt: Floats
    """[G], frequent events learnt, old ones fading."""
    met: Floats
    """[1], frequent events met, old ones fading."""


@kernel
def frequent_class(shares: Shares) -> int:
    """The one class that is not rare; -1 where there is none, or more than one."""
    found = -1
    for k in range(len(shares.rare)):
        if not shares.rare[k] and shares.counts[k] > 0.0:
            if found >= 0:
                return -1
            found = k
    return found if shares.rare.any() else -1


@kernel
def weights(state: Undersampled, out: Floats) -> None:
    """The share w of each class that is learnt, into `out` [G, K]."""
    out[:] = 1.0
    k = frequent_class(state.shares)
    if k >= 0 and state.met[0] > 0.0:
        for g in range(len(state.learnt)):
            out[g, k] = max(state.learnt[g] / state.met[0], 1e-6)


@kernel
def undersample(
    state: Undersampled, y: Ints, wanted: Floats, rare_below: float, seed: int, kept: Bools, before: Floats
) -> None:
    """Say of B labels y, in order, who learns them: `kept` [G, B], for the rare shares `wanted` [G].

    `before` [B + 1, G, K] are the `weights` before each, and after all. `rare_below` is the share of the labels below
    which a class is rare.
    """
    shares = state.shares
    for i in range(len(y)):
        weights(state, before[i])
        k = frequent_class(shares)
        kept[:, i] = True
        if k == y[i]:
            frequent = shares.counts[k] + 0.5
            odds = (shares.counts.sum() - shares.counts[k] + 0.5) / frequent
            u = draws.uniform(seed, STREAM, shares.seen[0])
            state.met[0] = MEMORY * state.met[0] + 1.0
            for g in range(len(wanted)):
                kept[g, i] = u < odds * (1.0 - wanted[g]) / wanted[g]
                state.learnt[g] = MEMORY * state.learnt[g] + (1.0 if kept[g, i] else 0.0)
        elif k < 0:
            state.met[0] = MEMORY * state.met[0] + 1.0
            for g in range(len(wanted)):
                state.learnt[g] = MEMORY * state.learnt[g] + 1.0
        count_label(shares, y[i], rare_below)
    weights(state, before[len(y)])


@kernel
def corrected(evidence: Floats, w: Floats, out: Floats) -> None:
    """Evidence [B, K] of a learner that learnt the share w [B, K] of each class, as if it had learnt all, into `out`.

    Its sum stays what it was.
    """
    for b in range(len(evidence)):
        total, scaled = 0.0, 0.0
        for k in range(evidence.shape[1]):
            total += evidence[b, k]
            out[b, k] = evidence[b, k] / w[b, k]
            scaled += out[b, k]
        if scaled > 0.0:
            for k in range(evidence.shape[1]):
                out[b, k] *= total / scaled
