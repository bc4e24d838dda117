"""Priors by online EM, against the formula as one would write it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.kernels.decision.prior_shift import (
    LEAST,
    MOST,
    Floats,
    follow,
)


def reference(p: Floats, usual: Floats, priors: Floats, gain: float, step: float, least: float) -> tuple[Floats, ...]:
    priors, ratios = priors.copy(), np.ones_like(p)
    for b, row in enumerate(p):
        w = np.clip(priors / usual, 1 / MOST, MOST)
        w = w / (usual @ w)
        if gain >= least:
            ratios[b] = w
        z = max(w @ row, LEAST)
        gain += step * (np.log(z) - gain)
        priors = priors + step * (w * row / z - priors)
    return ratios, priors, np.array([gain])


@settings(max_examples=60, deadline=None)
@given(
    classes=st.integers(1, 6),
    events=st.integers(0, 30),
    seed=st.integers(0, 2**32 - 1),
    sharp=st.sampled_from([0.05, 1.0, 50.0]),
    step=st.floats(0.001, 0.5),
    least=st.sampled_from([-1.0, 0.0, 0.05, 10.0]),
)
def test_it_is_the_formula(classes: int, events: int, seed: int, sharp: float, step: float, least: float) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, sharp), events)
    usual, priors = rng.dirichlet(np.ones(classes)) + 1e-6, rng.dirichlet(np.ones(classes))
    expected = reference(p, usual, priors, 0.0, step, least)
    ratios, gain = np.empty_like(p), np.zeros(1)
    follow(p, usual, priors, gain, step, least, ratios)
    for found, right in zip((ratios, priors, gain), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("true", [[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.98, 0.01, 0.01]])
def test_it_finds_the_priors_of_a_calibrated_model(true: list[float]) -> None:
    rng, usual = np.random.default_rng(3), np.array([0.6, 0.3, 0.1])
    y = rng.choice(3, 20_000, p=true)
    x = np.array([-1.5, 0.0, 1.5])[y] + rng.normal(size=len(y))
    likelihood = np.exp(-0.5 * (x[:, None] - np.array([-1.5, 0.0, 1.5])) ** 2)
    p = likelihood * usual
    p /= p.sum(axis=1, keepdims=True)
    priors, gain, ratios = usual.copy(), np.zeros(1), np.empty_like(p)
    follow(p, usual, priors, gain, 1 / 1_000, 0.0, ratios)
    np.testing.assert_allclose(priors, true, atol=0.05)
    moved = true != [0.6, 0.3, 0.1]
    assert (gain[0] > 0.03) == moved
    better = (p * ratios)[5_000:].argmax(axis=1) == y[5_000:]
    plain = p[5_000:].argmax(axis=1) == y[5_000:]
    assert better.mean() > plain.mean() + 0.03 if moved else abs(better.mean() - plain.mean()) < 0.01
