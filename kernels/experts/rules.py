"""Declared rules: what each has seen of the classes where it fired, with old counts fading.

A rule is a leaf whose counts begin with a prior. Where it fires on a labelled event, all that it had seen fades, the
prior included, and the event's class is counted. What it says of an event is its counts, as a Dirichlet distribution
has them: its mean is how often each class came, its total is how much the rule has seen. Several rules that fire say
the sum.

A rule has turned bad where the upper limit of Wilson's interval (1927) for the share of events of its own class lies
below the share that was declared: `STANDARD_ERRORS` of them, so that a rule as good as declared is hardly ever blamed,
however often it is looked at. It stays so until the share itself has come back to what was declared.
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

STANDARD_ERRORS = 4.0


class Rules(NamedTuple):
    """What is declared of R rules, for K classes."""

    label: Ints
    """[R], the class that each rule speaks for."""
    confidence: Floats
    """[R], the share of the events on which it fires that are expected to be of that class."""
    prior: Floats
    """[R, K], the pseudo-counts that it begins with."""


class Seen(NamedTuple):
    """What R rules have seen. Arrays change in place."""

    counts: Floats
    """[R, K], the weights of the labelled events on which it fired, by class, old ones faded."""
    squares: Floats
    """[R], the squares of these weights, faded twice."""
    left: Floats
    """[R], what is left of the prior, from 1 downwards."""
    bad: Bools
    """[R], whether it has turned bad."""


@kernel
def evidence(rules: Rules, seen: Seen, fired: Bools, most: float) -> Floats:
    """The evidence [B, K] of the rules that `fired` [B, R], at most so many pseudo-counts an event."""
    result = np.empty((len(fired), rules.prior.shape[1]))
    for i in range(len(fired)):
        _answer(rules, seen, fired[i], most, result[i])
    return result


@kernel
def _answer(rules: Rules, seen: Seen, fired: Bools, most: float, answer: Floats) -> None:
    """Fill in the evidence [K] of the rules that `fired` [R]."""
    answer[:] = 0.0
    total = 0.0
    for r in range(len(fired)):
        if fired[r]:
            for k in range(len(answer)):
                count = seen.counts[r, k] + seen.left[r] * rules.prior[r, k]
                answer[k] += count
                total += count
    if total > most:
        for k in range(len(answer)):
            answer[k] *= most / total


@kernel
def learn(
    rules: Rules, seen: Seen, fired: Bools, y: Ints, weight: Floats, fade: float, most: float, answers: Floats
) -> None:
    """Learn B events in order; `answers` [B, K] is filled with the evidence just before each, unless it is empty."""
    for i in range(len(fired)):
        if len(answers) > 0:
            _answer(rules, seen, fired[i], most, answers[i])
        for r in range(len(fired[i])):
            if fired[i, r]:
                for k in range(seen.counts.shape[1]):
                    seen.counts[r, k] *= fade
                seen.left[r] *= fade
                seen.counts[r, y[i]] += weight[i]
                seen.squares[r] = seen.squares[r] * fade * fade + weight[i] * weight[i]
                _judge(rules, seen, r)


@kernel
def _judge(rules: Rules, seen: Seen, r: int) -> None:
    """Say whether a rule has turned bad, or is good again."""
    total = 0.0
    for k in range(seen.counts.shape[1]):
        total += seen.counts[r, k]
    share = seen.counts[r, rules.label[r]] / total
    if share >= rules.confidence[r]:
        seen.bad[r] = False
    elif upper_limit(share, total * total / seen.squares[r]) < rules.confidence[r]:
        seen.bad[r] = True


@kernel
def upper_limit(share: float, events: float) -> float:
    """The upper limit of Wilson's interval for a share of so many events, `STANDARD_ERRORS` wide.

    For weighted events it is their effective number (Kish): the square of the weights' sum over the sum of squares.
    """
    z = STANDARD_ERRORS * STANDARD_ERRORS / events
    spread = STANDARD_ERRORS * math.sqrt(share * (1.0 - share) / events + z / (4.0 * events))
    return (share + z / 2.0 + spread) / (1.0 + z)
