"""The router's kernel beside its formulae, and its gradient beside finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from tocsin.kernels.fusion import RULES, Rule
from tocsin.kernels.fusion.log_domain import CODES
from tocsin.kernels.routing import reliability as kernel
from tocsin.kernels.routing.fused_loss import Opinions, combine, reference_loss
from tocsin.kernels.routing.inverse_temperature import reference_raise_rows

F, E, K, H = 4, 3, 3, 8
RATES = kernel.Rates(0.01, 1.0, 0.999, 0.995, 1e4, 0.0, 100.0, 4.0, 0.995, 0.0)


def events(n: int, seed: int = 0) -> tuple[kernel.Floats, kernel.Floats, kernel.Ints]:
    rng = np.random.default_rng(seed)
    evidence = rng.dirichlet(np.full(K, 0.5), (n, E)) * rng.uniform(0, 40, (n, E, 1))
    evidence[rng.random((n, E)) < 0.1] = 0.0
    return rng.normal(size=(n, F)), evidence, rng.integers(0, K, n)


def learn(
    router: kernel.Router,
    X: kernel.Floats,
    evidence: kernel.Floats,
    y: kernel.Ints,
    rates: kernel.Rates = RATES,
    delay: kernel.Ints | None = None,
) -> kernel.Floats:
    """Learn, and say how far each expert was trusted before."""
    n = len(y)
    late, rho = np.zeros(n, np.int64) if delay is None else delay, np.empty((n, E))
    records = kernel.Records(X, evidence, y, np.ones(n), late)
    kernel.learn_rows(router, records, H, rates, kernel.RouterOutput(rho, np.empty(n)))
    return rho


def learnt(n: int = 300, seed: int = 1, rates: kernel.Rates = RATES) -> kernel.Router:
    router = kernel.new(kernel.Sizes(F, E, H), seed, -1.0, 4.0)
    X, evidence, y = events(n, seed)
    learn(router, X, evidence, y, rates)
    return router


def test_reliabilities_are_those_of_the_formulae() -> None:
    router = learnt()
    X, evidence, _ = events(50, seed=2)
    X[3, 1] = np.nan
    rho = np.empty((50, E))
    kernel.reliability_rows(router, X, evidence, H, rho)
    expected = [kernel.reference_reliability(router, x, e, H) for x, e in zip(X, evidence, strict=True)]
    np.testing.assert_allclose(rho, expected, rtol=1e-12)
    assert ((rho > 0) & (rho < 1)).all()


@pytest.mark.parametrize("inverse_temperature", [1.0, 0.7])
@pytest.mark.parametrize("rule", RULES)
def test_the_gradient_is_that_of_the_loss(rule: Rule, inverse_temperature: float) -> None:
    """By every weight, through the network, the null slot and the rule."""
    rng = np.random.default_rng(4)
    router = learnt()
    router.weights[:] += rng.normal(scale=0.1, size=router.weights.size)
    X, evidence, y = events(5, seed=5)
    for x, e, label in zip(X, evidence, y, strict=True):
        before = router.weights.copy()

        def loss(at: int, by: float) -> float:
            router.weights[at] = before[at] + by  # noqa: B023 - called within the loop
            rho = kernel.reference_reliability(router, x, e, H)  # noqa: B023
            value = reference_loss(e, rho, int(label), K, rule, inverse_temperature)  # noqa: B023
            router.weights[at] = before[at]  # noqa: B023
            return value

        numeric = [(loss(i, 1e-6) - loss(i, -1e-6)) / 2e-6 for i in range(before.size)]
        one_step = router._replace(weights=before.copy(), gradient=np.zeros(before.size))
        one_step.inverse_temperature[0] = np.log(inverse_temperature)
        # With steps that never come the gradient only adds up.
        rates = RATES._replace(every=1e9, rule=CODES[rule])
        learn(one_step, x[None], e[None], np.array([label]), rates)
        np.testing.assert_allclose(one_step.gradient, numeric, atol=2e-8)
        router = learnt()
        router.weights[:] = before


def test_the_decision_becomes_as_sharp_as_it_is_right() -> None:
    """Of one expert with too sure an opinion: right in 80 of 100, where it claims 30 pseudo-counts of one class."""
    rng = np.random.default_rng(12)
    n = 8_000
    X, y = np.zeros((n, F)), rng.integers(0, K, n)
    evidence = np.zeros((n, E, K))
    evidence[np.arange(n), :, np.where(rng.random(n) < 0.8, y, (y + 1) % K)] = 1_000.0
    # The network cannot learn: what is left to calibrate by is the inverse_temperature.
    router = kernel.new(kernel.Sizes(F, E, H), 0, 5.0, 0.0)
    rho = learn(router, X, evidence, y, RATES._replace(step=0.0, sharpen=0.01))
    P = np.empty(K)
    combine(Opinions(evidence[-1], rho[-1], float(K), RATES.rule), P)
    q = reference_raise_rows((P / P.sum())[None], np.exp(router.inverse_temperature[:1]))
    assert (P / P.sum()).max() > 0.99
    assert q.max() == pytest.approx(0.8, abs=0.04)


def test_the_one_who_knows_is_trusted_most() -> None:
    X, evidence, y = events(3_000, seed=6)
    evidence[:, 0] = 2.0
    evidence[np.arange(3_000), 0, y] = 30.0
    rho = learn(kernel.new(kernel.Sizes(F, E, H), 0, -1.0, 4.0), X, evidence, y)
    late = rho[-500:].mean(axis=0)
    assert late[0] > 0.9
    assert (late[1:] < 0.6).all()


def test_nobody_is_trusted_where_nobody_knows() -> None:
    X, evidence, y = events(4_000, seed=7)
    rho = learn(kernel.new(kernel.Sizes(F, E, H), 0, -1.0, 4.0), X, evidence, y)
    assert rho[-500:].mean() < 0.1


def test_an_expert_that_was_wrong_for_long_is_trusted_again() -> None:
    n = 6_000
    X, evidence, y = events(n, seed=8)
    wrong = (y + 1) % K
    evidence[:] = 1.0
    evidence[np.arange(n), 0, np.where(np.arange(n) < n // 2, wrong, y)] = 30.0
    router = kernel.new(kernel.Sizes(F, E, H), 0, -1.0, 4.0)
    rho = learn(router, X, evidence, y)
    assert rho[n // 2 - 200 : n // 2, 0].mean() < 0.05
    assert rho[-200:, 0].mean() > 0.8
    assert router.drift["detections"][0] > 0


def test_the_load_of_a_window_pulls_towards_balance() -> None:
    shares = {}
    for balance in (0.0, 0.05):
        router = learnt(2_000, rates=RATES._replace(balance=balance))
        shares[balance] = router.load[1]
        assert router.load[1].sum() == pytest.approx(1.0)
    assert np.ptp(shares[0.05]) < np.ptp(shares[0.0])


def test_how_records_are_cut_leaves_no_trace() -> None:
    X, evidence, y = events(1_000, seed=9)
    states = []
    for size in (1, 7, 1_000):
        router = kernel.new(kernel.Sizes(F, E, H), 0, -1.0, 4.0)
        rates = RATES._replace(every=3.0, balance=0.01, sharpen=0.001)
        for i in range(0, 1_000, size):
            part = slice(i, i + size)
            learn(router, X[part], evidence[part], y[part], rates, np.arange(1_000)[part] % 250)
        states.append([array.tobytes() for array in router])
    assert states[0] == states[1] == states[2]


def test_steps_shrink_with_the_labels_delay() -> None:
    X, evidence, y = events(1, seed=11)
    moved = {}
    for delay in (0, 100, 500):
        router = learnt()
        before = router.weights.copy()
        learn(router, X, evidence, y, delay=np.full(1, delay))
        moved[delay] = np.abs(router.weights - before).max()
    assert moved[0] == moved[100] == pytest.approx(5.0 * moved[500])


def test_new_features_change_nothing_until_they_are_known() -> None:
    router = learnt()
    X, evidence, _ = events(10, seed=10)
    before, after = np.empty((10, E)), np.empty((10, E))
    kernel.reliability_rows(router, X, evidence, H, before)
    wider = kernel.widened(router, kernel.Sizes(F, E, H), F + 2, 1)
    kernel.reliability_rows(wider, np.hstack([X, np.full((10, 2), np.nan)]), evidence, H, after)
    np.testing.assert_allclose(after, before, rtol=1e-12)


# Where some experts are asked about some events only


def balanced(rates: kernel.Rates, nobody: float) -> kernel.Floats:
    """The gradient of the load balance alone by each logit: of the first expert, of one that was not asked, and of the
    null slot, whose logit is `nobody`."""
    router = kernel.new(kernel.Sizes(2, 2, 3), 0, -1.0, 0.0)
    router.load[1] = [0.9, 0.1]
    out, evidence = np.empty(3), np.array([[5.0, 1.0], [0.0, 0.0]])
    kernel.gradient_by_logit(router, np.array([0.0, 0.0, nobody]), np.zeros(2), evidence, rates, 1.0, out)
    return out


def test_who_was_not_asked_is_not_pulled_up_for_it() -> None:
    rates = RATES._replace(balance=0.1)
    assert balanced(rates, 0.0) == pytest.approx([0.1 * 0.8, -0.1 * 0.8, 0.0])
    assert balanced(rates._replace(some_asked=True), 0.0)[:2] == pytest.approx([0.1 * 0.8, 0.0])


@pytest.mark.parametrize("share", [0.1, 1.0 / 3.0, 0.8])
def test_the_balance_covers_the_trust_that_goes_to_nobody(share: float) -> None:
    rates = RATES._replace(balance=0.1, some_asked=True)
    logit = float(np.log(share / (1.0 - share)))
    assert balanced(rates, logit)[2] == pytest.approx(0.1 * (3.0 * share - 1.0))
