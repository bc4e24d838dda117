"""A lagged pass of the router of reliabilities."""

from __future__ import annotations

from tocsin.kernels.common.compiled import kernel
from tocsin.kernels.lagged.turns import Asked, Floats, due
from tocsin.kernels.routing.inverse_temperature import LOG
from tocsin.kernels.routing.reliability import learn_rows, reliability_rows
from tocsin.kernels.routing.reliability_state import Rates, Records, Router, RouterOutput


@kernel
def ask_and_learn(
    router: Router,
    records: Records,
    H: int,
    rates: Rates,
    before: RouterOutput,
    asked: Asked,
    evidence: Floats,
    out: RouterOutput,
) -> None:
    """Reliabilities of the events asked about, from their evidence [n, E, K], into `out`; `before` is filled with what
    held just before each record was learnt.

    As the inverse temperature `out` has its logarithm, of which Python takes the exponential as it does elsewhere.
    """
    X, answers, y, weight, delay = records
    done = 0
    for i in range(len(asked.ahead) + 1):
        stop = due(asked.ahead, i, len(y))
        if stop > done:
            these = Records(X[done:stop], answers[done:stop], y[done:stop], weight[done:stop], delay[done:stop])
            there = RouterOutput(before.reliability[done:stop], before.inverse_temperature[done:stop])
            learn_rows(router, these, H, rates, there)
            done = stop
        if i < len(asked.ahead):
            reliability_rows(router, asked.X[i : i + 1], evidence[i : i + 1], H, out.reliability[i : i + 1])
            out.inverse_temperature[i] = router.inverse_temperature[LOG]
