"""The counts of declared rules: the kernel against the definition in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tocsin.kernels.experts.rules import STANDARD_ERRORS, Rules, Seen, evidence, learn, upper_limit

Floats = NDArray[np.float64]
R, K = 5, 3


def made(rng: np.random.Generator) -> tuple[Rules, Seen]:
    label = rng.integers(0, K, R)
    confidence = rng.uniform(0.1, 0.9, R)
    prior = np.repeat((1.0 - confidence)[:, None] / (K - 1), K, axis=1)
    prior[np.arange(R), label] = confidence
    rules = Rules(label, confidence, 10.0 * prior)
    return rules, Seen(np.zeros((R, K)), np.zeros(R), np.ones(R), np.zeros(R, np.bool_))


def counted(y: list[int], w: list[float], fade: float) -> tuple[list[float], float, float]:
    """By definition: the faded counts of one rule that fired on these events, squares of weights, and what is left."""
    ages = range(len(y) - 1, -1, -1)
    counts = [sum(v * fade**age for label, v, age in zip(y, w, ages, strict=True) if label == k) for k in range(K)]
    return counts, sum((v * fade**age) ** 2 for v, age in zip(w, ages, strict=True)), fade ** len(y)


@pytest.mark.parametrize("fade", [1.0, 0.99, 0.7])
def test_counts_and_evidence_are_those_of_the_definition(fade: float) -> None:
    rng = np.random.default_rng(1)
    rules, seen = made(rng)
    fired, y, weight = rng.random((400, R)) < 0.3, rng.integers(0, K, 400), rng.uniform(0.1, 3.0, 400)
    answers = np.empty((400, K))
    learn(rules, seen, fired, y, weight, fade, 40.0, answers)
    for i in (0, 1, 57, 399, 400):
        expected = np.zeros(K)
        for r in range(R):
            before = fired[:i, r]
            counts, squares, left = counted(y[:i][before].tolist(), weight[:i][before].tolist(), fade)
            if i == 400:
                assert seen.counts[r] == pytest.approx(counts)
                assert (seen.squares[r], seen.left[r]) == (pytest.approx(squares), pytest.approx(left))
            elif fired[i, r]:
                expected += np.array(counts) + left * rules.prior[r]
        if i < 400:
            assert answers[i] == pytest.approx(expected * min(1.0, 40.0 / max(expected.sum(), 40.0)))
    assert evidence(rules, seen, fired[:9], 1e9).tolist() == [
        evidence(rules, seen, fired[i : i + 1], 1e9)[0].tolist() for i in range(9)
    ]


@pytest.mark.parametrize(("share", "events"), [(0.0, 5.0), (0.3, 40.0), (0.79, 398.0), (1.0, 2.0)])
def test_the_upper_limit_is_the_share_that_lies_so_many_standard_errors_away(share: float, events: float) -> None:
    limit = upper_limit(share, events)
    assert limit - share == pytest.approx(STANDARD_ERRORS * math.sqrt(limit * (1.0 - limit) / events), abs=1e-9)


def test_a_rule_is_bad_from_the_event_on_at_which_its_limit_falls_below_what_was_declared() -> None:
    rules, seen = made(np.random.default_rng(2))
    rules.label[:], rules.confidence[:] = 0, 0.6
    found = []
    for n in range(60):
        y = np.array([0 if n % 10 == 0 else 1], np.int64)
        learn(rules, seen, np.ones((1, R), np.bool_), y, np.ones(1), 1.0, 100.0, np.empty((0, 0)))
        limit = upper_limit(seen.counts[0, 0] / (n + 1), float(n + 1))
        found.append((bool(seen.bad[0]), limit < 0.6))
    first = [below for _, below in found].index(True)
    assert [bad for bad, _ in found] == [False] * first + [True] * (60 - first)
