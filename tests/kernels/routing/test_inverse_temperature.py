"""The inverse_temperature of the fused decision: the kernel beside its formula, and its bounds."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.routing.inverse_temperature import (
    LOG,
    MOST,
    STATE,
    learn,
    raise_rows,
    reference_raise_rows,
)


def test_the_kernel_is_the_formula() -> None:
    rng = np.random.default_rng(0)
    betp, inverse_temperature = rng.dirichlet(np.full(4, 0.3), 200), rng.uniform(0.25, 4.0, 200)
    out = np.empty_like(betp)
    raise_rows(betp, inverse_temperature, out)
    np.testing.assert_allclose(out, reference_raise_rows(betp, inverse_temperature), rtol=1e-9)
    np.testing.assert_allclose(out.sum(axis=1), 1.0)
    assert (out.argmax(axis=1) == betp.argmax(axis=1)).all()


def test_what_is_sure_stays_a_number_and_a_tie_a_tie() -> None:
    betp = np.array([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    out = np.empty_like(betp)
    raise_rows(betp, np.array([4.0, 0.25]), out)
    np.testing.assert_allclose(out, betp, atol=1e-12)


def test_it_stays_within_its_bounds() -> None:
    for sign in (1.0, -1.0):
        state = np.zeros(STATE)
        for _ in range(1_000):
            learn(state, sign, 0.01)
        assert state[LOG] == -sign * MOST
