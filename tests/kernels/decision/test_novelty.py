"""Distances to what is remembered: the compiled ring against plain sums."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.decision.novelty import distances, learn
from tocsin.kernels.experts.neighbours import LIMIT
from tocsin.models.data.features import Standardiser


def plainly(past: list[list[float]], x: list[float], nominal: list[bool], scaler: Standardiser) -> float:
    """The squared distance to the nearest, one number at a time."""
    squares = []
    for row in past:
        total = 0.0
        for f, (a, b) in enumerate(zip(x, row, strict=True)):
            scale = math.sqrt(scaler.square[f])
            if not nominal[f] and (scale <= 1e-12 or scaler.count[f] <= 1):
                continue
            if math.isnan(a) or math.isnan(b):
                total += 1.0
            elif nominal[f]:
                total += float(a != b)
            else:
                total += min(abs(a - b) * (1.0 / scale), LIMIT) ** 2
        squares.append(total)
    return min(squares, default=0.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000), st.integers(1, 5), st.integers(1, 9), st.integers(0, 40))
def test_the_ring_is_what_plain_sums_say(seed: int, columns: int, memory: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (rows, columns)).astype(np.float64)
    X[rng.random(X.shape) < 0.1] = np.nan
    nominal = rng.random(columns) < 0.3
    scaler, plain = Standardiser(columns), Standardiser(columns)
    values, found, expected = np.full((columns, memory), np.nan), np.zeros(rows), []
    for i in range(rows):
        expected.append(plainly(X[max(0, i - memory) : i].tolist(), X[i].tolist(), nominal.tolist(), plain))
        plain.learn(X[i])
    taken = learn(values, 0, X, nominal, scaler.moments, found)
    assert taken == rows
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    asked = np.zeros(rows)
    distances(values, min(taken, memory), X, nominal, scaler.moments, asked)
    again = [plainly(X[max(0, rows - memory) :].tolist(), x.tolist(), nominal.tolist(), plain) for x in X]
    np.testing.assert_allclose(asked, again, rtol=1e-12)
