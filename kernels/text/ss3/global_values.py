"""What an n-gram is worth to each class: SS3's local value, significance and sanction, and their product, the
global value.

Sources: Burdisso, Errecalde, Montes-y-Gomez 2019, "A text classification framework for simple and effective
early depression detection over social media streams", Expert Systems with Applications 133; pyss3 0.6.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.common.compiled import inlined, kernel

Floats = NDArray[np.float64]

XAI_SPREAD, XAI_MEDIAN, XAI_LOW, XAI_ALL, XAI_FLAT = 0.03, 0.3, 0.2, 0.09, 0.1
"""pyss3's default mode: the least spread of local values, and the medians, lowest value and spread at which a word is
taken for a stop word."""

ROOTS = 4096
"""Whole numbers below this have their root in a table."""


class Rule(NamedTuple):
    """SS3's hyperparameters, ready for the kernels."""

    s: float
    l: float  # noqa: E741 - SS3's own name
    p: float
    a: float
    xai: bool
    """True: the significance of pyss3's default mode, and values divided by the largest. False: as in the paper."""
    roots: Floats
    """i ** s for i = 0, 1, ..."""


def rule(s: float, l: float, p: float, a: float, xai: bool) -> Rule:  # noqa: E741
    """The hyperparameters with their table of roots."""
    return Rule(s, l, p, a, xai, np.arange(float(ROOTS)) ** s)


@inlined
def root(count: float, r: Rule) -> float:
    """count ** s, taken from the table where the count is a small whole number."""
    if count < ROOTS:
        whole = int(count)
        if whole == count:
            return float(r.roots[whole])
    return float(count**r.s)


@inlined
def middle(lv: Floats, ordered: Floats, l: float, xai: bool) -> tuple[float, float, bool]:  # noqa: E741
    """The median of local values [C], their spread, and whether they are those of a stop word; `ordered` is scratch."""
    C = len(lv)
    for c in range(C):  # an insertion sort
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
    if not xai:
        return median, spread, False
    if l * spread <= XAI_SPREAD:
        spread = XAI_SPREAD / l if l > 0.0 else 0.0
    common = median > XAI_LOW or ordered[0] > XAI_ALL
    return median, spread, bool((common and spread <= XAI_FLAT) or median >= XAI_MEDIAN)


@inlined
def significance(lv: Floats, ordered: Floats, r: Rule, counts: Floats, out: Floats) -> None:
    """Write the significance (sg) of one n-gram for every class to `out` [C].

    `lv` [C] are its local values and `counts` [C] its counts; `ordered` [C] is scratch.
    """
    median, spread, stop_word = middle(lv, ordered, r.l, r.xai)
    for c in range(len(lv)):
        if stop_word or counts[c] <= 0.0:
            out[c] = 0.0
        elif spread == 0.0 and lv[c] > 0.0:
            out[c] = 1.0
        elif r.l * spread == 0.0:
            out[c] = 0.0
        else:
            out[c] = 0.5 * math.tanh((3.0 / (r.l * spread)) * (lv[c] - median) - 3.0) + 0.5


@inlined
def sanction(sg: Floats, c: int, p: float) -> float:
    """The sanction (sn) of one n-gram for class c, from its significances [C]."""
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
def local_values(counts: Floats, top: Floats, r: Rule, out: Floats) -> bool:
    """Write the local value (lv) of one n-gram for every class to `out` [C]; returns whether any is above 0."""
    some = False
    for c in range(len(counts)):
        out[c] = 0.0
        if counts[c] > 1.0:
            out[c] = root(counts[c], r) / root(top[c], r)
            some = True
    return some


@inlined
def local_values_by_roots(counts: Floats, top_roots: Floats, r: Rule, out: Floats) -> bool:
    """`local_values` where the roots of `top` [C] are known, to the same bits."""
    some = False
    for c in range(len(counts)):
        out[c] = 0.0
        if counts[c] > 1.0:
            out[c] = root(counts[c], r) / top_roots[c]
            some = True
    return some


@kernel
def global_values(counts: Floats, top: Floats, r: Rule, scratch: Floats, out: Floats) -> None:
    """Write the global value (gv) of one n-gram for every class to `out` [C].

    `counts` [C] are its counts, and `top` [C] the largest counts of n-grams of its length; `scratch` is [3, C].
    """
    lv, ordered, sg = scratch[0], scratch[1], scratch[2]
    if not local_values(counts, top, r, lv):
        out[:] = 0.0
        return
    from_local_values(lv, counts, r, ordered, sg, out)


@inlined
def from_local_values(lv: Floats, counts: Floats, r: Rule, ordered: Floats, sg: Floats, out: Floats) -> None:
    """Write the global values to `out` [C] from the local values [C]; `ordered` and `sg` [C] are scratch."""
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
    """The global value (gv) of one n-gram for every class, by the formulae as they are written: the reference.

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
