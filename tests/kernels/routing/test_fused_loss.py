"""The loss of every rule beside the fusion kernel, and its slope beside finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels.fusion import RULES, Rule, fuse_reference
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.routing.fused_loss import Opinions, combine, reference_loss, slope
from tocsin.kernels.routing.inverse_temperature import reference_raise_rows

E, K = 4, 3


def event(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    evidence = rng.dirichlet(np.full(K, 0.5), E) * rng.uniform(0, 40, (E, 1))
    evidence[rng.random(E) < 0.1] = 0.0
    return evidence, rng.uniform(0.01, 0.999, E)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("prior", [0.25, float(K)])
def test_the_loss_is_that_of_the_fused_decision(rule: Rule, prior: float) -> None:
    for seed in range(20):
        evidence, rho = event(seed)
        fused = fuse_reference(evidence[None], rho[None], None, rule, prior)
        betp = fused.belief[0] + fused.uncertainty[0] / K
        P = np.empty(K)
        one = combine(Opinions(evidence, rho, prior, CODES[rule]), P)
        np.testing.assert_allclose((P - one + one / K) / (P.sum() - (K - 1) * one), betp, rtol=1e-9)
        for y in range(K):
            assert reference_loss(evidence, rho, y, prior, rule) == pytest.approx(-np.log(betp[y]), rel=1e-9)
            sharp = reference_raise_rows(betp[None], np.array([1.7]))[0]
            assert reference_loss(evidence, rho, y, prior, rule, 1.7) == pytest.approx(-np.log(sharp[y]), rel=1e-9)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("prior", [0.25, float(K)])
@pytest.mark.parametrize("a", [1.0, 0.4, 2.5])
def test_the_slope_is_that_of_finite_differences(rule: Rule, prior: float, a: float) -> None:
    P, out, step = np.empty(K), np.empty(E), 1e-6
    for seed in range(20):
        evidence, rho = event(100 + seed)
        for y in range(K):
            opinions = Opinions(evidence, rho, prior, CODES[rule])
            one = combine(opinions, P)
            by_log_a = slope(opinions, a, y, P, one, out)
            up, down = (reference_loss(evidence, rho, y, prior, rule, a * np.exp(by)) for by in (step, -step))
            assert by_log_a == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-6)
            for e in range(E):
                by = step * np.eye(E)[e]
                up, down = (reference_loss(evidence, rho + sign * by, y, prior, rule, a) for sign in (1, -1))
                assert out[e] == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_any_number_of_experts_fits(rule: Rule) -> None:
    many = 400
    evidence = np.full((many, 2), 1e3)
    evidence[:, 1] = 1.0
    rho, P, out = np.full(many, 0.999), np.empty(2), np.empty(many)
    opinions = Opinions(evidence, rho, 2.0, CODES[rule])
    one = combine(opinions, P)
    assert np.isfinite(slope(opinions, 1.5, 0, P, one, out))
    assert np.isfinite(P).all()
    assert np.isfinite(out).all()
    fused = fuse_reference(evidence[None], rho[None], None, rule, 2.0)
    assert (P[0] - one / 2) / (P.sum() - one) == pytest.approx(fused.belief[0, 0] + fused.uncertainty[0] / 2, rel=1e-9)
