"""What an n-gram is worth to each class: SS3's local value, significance, sanction, and their maxima.

Sources: Burdisso, Errecalde, Montes-y-Gomez 2019, "A text classification framework for simple and effective
early depression detection over social media streams", Expert Systems with Applications 133; pyss3 0.6.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.text.counts import Lead, Table

Floats = NDArray[np.float64]
Ids = NDArray[np.int32]
Flags = NDArray[np.uint8]


XAI_SPREAD, XAI_MEDIAN, XAI_LOW, XAI_ALL, XAI_FLAT = 0.03, 0.3, 0.2, 0.09, 0.1
GUARD, BONUS = 0.05, 0.01


class Rule(NamedTuple):
    """SS3's hyper-parameters, ready for the kernels."""

    s: float
    l: float  # noqa: E741 - SS3's own name
    p: float
    a: float
    xai: bool
    """The significance of pyss3's default mode, and values divided by the largest; else as in the paper."""
    roots: Floats
    """i ** s for i = 0, 1, ..."""


def rule(s: float, l: float, p: float, a: float, xai: bool) -> Rule:  # noqa: E741
    """The hyper-parameters with their table of roots."""
    return Rule(s, l, p, a, xai, np.arange(4096.0) ** s)


@kernel
def root(count: float, r: Rule) -> float:
    """Count ** s, from the table for small whole numbers."""
    if count < 4096.0:
        whole = int(count)
        if whole == count:
            return float(r.roots[whole])
    return float(count**r.s)


@kernel
def significance(lv: Floats, ordered: Floats, r: Rule, counts: Floats, out: Floats) -> None:
    """The significance (sg) of one n-gram for every class, into `out`; `ordered` is scratch."""
    C = len(lv)
    for c in range(C):  # insertion sort
        v = lv[c]
        i = c
        while i > 0 and ordered[i - 1] > v:
            ordered[i] = ordered[i - 1]
            i -= 1
        ordered[i] = v
    median = ordered[(C - 1) // 2]
    spread = 0.0
    if C == 2:
        spread = median
    else:
        for c in range(C):
            spread += abs(median - ordered[c])
        spread /= C
    if r.xai:
        if r.l * spread <= XAI_SPREAD:
            spread = XAI_SPREAD / r.l if r.l > 0.0 else 0.0
        common = median > XAI_LOW or ordered[0] > XAI_ALL
        if (common and spread <= XAI_FLAT) or median >= XAI_MEDIAN:
            out[:] = 0.0
            return
    for c in range(C):
        if counts[c] <= 0.0:
            out[c] = 0.0
        elif spread == 0.0 and lv[c] > 0.0:
            out[c] = 1.0
        elif r.l * spread == 0.0:
            out[c] = 0.0
        else:
            out[c] = 0.5 * math.tanh((3.0 / (r.l * spread)) * (lv[c] - median) - 3.0) + 0.5


@kernel
def sanction(sg: Floats, c: int, p: float) -> float:
    """The sanction (sn) of one n-gram for class c."""
    C = len(sg)
    if C == 1:
        return 1.0
    s = 0.0
    for other in range(C):
        if other != c:
            s += min(sg[other], 1.0)
    base = max((C - (s + 1.0)) / ((C - 1.0) * (s + 1.0)), 0.0)
    return base if p == 1.0 else base**p


@kernel
def local(counts: Floats, top: Floats, r: Rule, out: Floats) -> bool:
    """The local value (lv) of one n-gram for every class, into `out`; whether any is above 0."""
    some = False
    for c in range(len(counts)):
        out[c] = 0.0
        if counts[c] > 1.0:
            out[c] = root(counts[c], r) / root(top[c], r)
            some = True
    return some


@kernel
def global_values(counts: Floats, top: Floats, r: Rule, scratch: Floats, out: Floats) -> None:
    """The global value (gv) of one n-gram for every class, into `out` [C]; `scratch` is [3, C].

    `top` [C] are the largest counts of n-grams of its length.
    """
    lv, ordered, sg = scratch[0], scratch[1], scratch[2]
    if not local(counts, top, r, lv):
        out[:] = 0.0
        return
    significance(lv, ordered, r, counts, sg)
    for c in range(len(counts)):
        g = lv[c] * sg[c]
        out[c] = g * sanction(sg, c, r.p) if g > 0.0 else 0.0


def reference_global_values(
    counts: Sequence[float],
    top: Sequence[float],
    s: float,
    l: float,  # noqa: E741
    p: float,
    xai: bool = True,
) -> list[float]:
    """The global value (gv) of one n-gram for every class, as the formulae are written.

    >>> [round(v, 4) for v in reference_global_values([30, 0], [100, 80], 0.45, 0.5, 1.0)]
    [0.5817, 0.0]
    """
    C = len(counts)
    lv = [(n / t) ** s if n > 1 else 0.0 for n, t in zip(counts, top, strict=True)]
    ordered = sorted(lv)
    median = ordered[(C - 1) // 2]
    spread = median if C == 2 else sum(abs(median - v) for v in ordered) / C
    if xai and l * spread <= XAI_SPREAD:
        spread = XAI_SPREAD / l if l else 0.0
    common = median > XAI_LOW or ordered[0] > XAI_ALL
    if xai and ((common and spread <= XAI_FLAT) or median >= XAI_MEDIAN):
        return [0.0] * C

    def significant(c: int) -> float:
        if counts[c] <= 0:
            return 0.0
        if not spread and lv[c]:
            return 1.0
        return 0.5 * math.tanh(3 / (l * spread) * (lv[c] - median) - 3) + 0.5 if l * spread else 0.0

    def sanctioned(c: int) -> float:
        if C == 1:
            return 1.0
        others = sum(min(significant(o), 1.0) for o in range(C) if o != c)
        return float(max((C - (others + 1)) / ((C - 1) * (others + 1)), 0.0) ** p)

    return [lv[c] * significant(c) * sanctioned(c) for c in range(C)]


@kernel
def _consider(
    number: int,
    table: Table,
    top: Floats,
    r: Rule,
    limit: Floats,
    best: Floats,
    leaders: NDArray[np.int64],
    scratch: Floats,
    values: Floats,
) -> None:
    """Let one n-gram compete; `limit` is the count whose local value is the best so far (a little less)."""
    n = table.lengths[number] - 1
    counts = table.counts[number]
    C = len(values)
    hope = False
    for c in range(C):
        hope = hope or counts[c] > limit[n, c]
    if not hope:
        return
    global_values(counts, top[n], r, scratch, values)
    for c in range(C):
        if values[c] > best[n, c]:
            best[n, c] = values[c]
            leaders[n, c] = number
            limit[n, c] = max(1.0, top[n, c] * values[c] ** (1.0 / r.s) * (1.0 - 1e-9))


@kernel
def _choose(table: Table, size: int, limit: Floats, lead: Lead) -> None:
    """Choose the candidates anew: what is counted above half of the limit for some class."""
    order, C = limit.shape
    for n in range(order):
        for c in range(C):
            lead.floor[n, c] = max(1.0, 0.5 * limit[n, c])
    used = 0
    for number in range(size):
        n = table.lengths[number] - 1
        lead.flags[number] = 0
        for c in range(C):
            if table.counts[number, c] > lead.floor[n, c]:
                lead.flags[number] = 1
        if lead.flags[number]:
            lead.ids[used] = number
            used += 1
    lead.used[0], lead.used[1] = used, used


@kernel
def largest(table: Table, size: int, top: Floats, r: Rule, lead: Lead) -> Floats:
    """The largest global value by length and class [order, C], exact.

    No global value exceeds its local value, and that grows with the count: once a best is known, only n-grams
    counted above a limit can beat it. Those are few and hardly change, so they are kept as candidates, and
    all n-grams are looked at again only where the limit has sunk below what made one a candidate.
    """
    order, C = top.shape
    best = np.zeros((order, C))
    limit = np.ones((order, C))
    leaders = np.full((order, C), -1, np.int64)
    scratch = np.empty((3, C))
    values = np.empty(C)
    for n in range(order):
        for c in range(C):
            if lead.leaders[n, c] >= 0:
                _consider(lead.leaders[n, c], table, top, r, limit, best, leaders, scratch, values)
    for i in range(lead.used[0]):
        _consider(lead.ids[i], table, top, r, limit, best, leaders, scratch, values)
    enough = lead.used[0] <= 2 * lead.used[1] + 256
    for n in range(order):
        for c in range(C):
            enough = enough and limit[n, c] >= lead.floor[n, c]
    if not enough:
        for number in range(size):
            _consider(number, table, top, r, limit, best, leaders, scratch, values)
        _choose(table, size, limit, lead)
    lead.leaders[:] = leaders
    return best
