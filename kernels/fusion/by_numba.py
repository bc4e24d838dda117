"""Fusion on the CPU, a block of events at a time and without logarithms.

Experts are taken in order of reliability, so that the exact early stop is found on the way. Events whose products do
not fit a float64 are fused again, each by itself, in the log domain. See `numba_block` for the layout and
`numba_rules` for the formulae.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.fusion.interface import Bools, Evidence, Floats, Fused, Rule, check_values, registry
from tocsin.kernels.fusion.log_domain import CODES, DEMPSTER, MURPHY, fuse_event, is_in_range
from tocsin.kernels.fusion.numba_block import (
    CONFLICT,
    EXCESS,
    LOST,
    UNCERTAINTY,
    USED,
    WIDTH,
    Block,
    look_ahead,
    new_block,
    take_evidence,
    take_reliability,
    weigh,
)
from tocsin.kernels.fusion.numba_rules import (
    add,
    add_beliefs,
    find_largest,
    multiply,
    normalise,
    raise_mean,
    stop_early,
)

ALL_ENGAGED = np.empty((0, 0), np.bool_)
"""What kernels take for `engaged` where it is None."""


@registry.register("numba")
def fuse_numba(evidence: Evidence, reliability: Floats, engaged: Bools | None, rule: Rule, prior: float) -> Fused:
    """Arguments as `checked` gives them. Raises ValueError where a value is out of its range."""
    B, _, K = evidence.shape
    fused = Fused(np.empty((B, K)), np.empty(B), np.empty(B), np.empty(B, np.int64))
    mask = ALL_ENGAGED if engaged is None else engaged
    if not fuse_rows(evidence, reliability, mask, CODES[rule], prior, fused):
        check_values(evidence, reliability)
    return fused


@kernel
def fuse_rows(evidence: Evidence, rho: Floats, engaged: Bools, rule: int, prior: float, fused: Fused) -> bool:
    """Fuse B events into `fused`; `engaged` is empty where all experts are.

    Returns False where a number may be out of its range (or is -0.0, which `check_values` lets pass).
    """
    B, E, K = evidence.shape
    block = new_block(E, K, B)
    in_range = True
    for start in range(0, B, WIDTH):
        n = min(WIDTH, B - start)
        in_range &= take_reliability(block, rho, engaged, start, n)
        in_range &= take_evidence(block, evidence, start, n)
        look_ahead(block, n)
        weigh(block, n, prior)
        if rule == DEMPSTER:
            multiply(block, n)
        else:
            add_beliefs(block, n)
            if rule == MURPHY:
                raise_mean(block, n)
            else:
                add(block, n, rule)
        find_largest(block, n)
        if rule == DEMPSTER and K > 1:
            stop_early(block, n)
        normalise(block, n)
        write_out(block, start, n, fused)
        for i in range(n):
            if block.events[LOST, i] != 0.0:
                in_range &= fuse_alone(evidence, rho, engaged, rule, prior, start + i, fused)
    return in_range


@kernel
def write_out(block: Block, start: int, n: int, fused: Fused) -> None:
    """The block's results into rows `start` and following."""
    for i in range(n):
        for k in range(fused.belief.shape[1]):
            fused.belief[start + i, k] = block.classes[EXCESS, k, i]
        fused.uncertainty[start + i] = block.events[UNCERTAINTY, i]
        fused.conflict[start + i] = block.events[CONFLICT, i]
        fused.used[start + i] = np.int64(block.events[USED, i])


@kernel
def fuse_alone(evidence: Evidence, rho: Floats, engaged: Bools, rule: int, prior: float, b: int, fused: Fused) -> bool:
    """Fuse event b in the log domain. Returns False, and leaves it, where a number is out of its range."""
    if not is_in_range(evidence[b], rho[b]):
        return False
    trusted = rho[b].copy()
    if engaged.size > 0:
        for e in range(trusted.size):
            if not engaged[b, e]:
                trusted[e] = 0.0
    uncertainty, conflict, used = fuse_event(evidence[b], trusted, rule, prior, fused.belief[b])
    fused.uncertainty[b], fused.conflict[b], fused.used[b] = uncertainty, conflict, used
    return True
