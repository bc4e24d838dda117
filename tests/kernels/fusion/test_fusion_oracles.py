"""Fusion against other people's: torchbelief, dense over all 2^K focal sets, and eSLIM++, subjective logic."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torchbelief as tb

from tocsin.kernels.fusion import (
    Rule,
    backends,
    discount,
    fuse,
    opinions,
)

EXPERTS = range(2, 13)
BACKENDS = sorted(set(backends()) - {"triton"})  # which the suite of behaviour holds to the reference


def opinion(E: int, K: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """An event's evidence [E, K] and reliability [E], and the discounted opinions b [E, K], u [E] that they are."""
    rng = np.random.default_rng(1000 * E + seed)
    evidence, rho = rng.gamma(0.5, 6.0, (E, K)), rng.uniform(0.1, 0.99, E)
    b, u = discount(*opinions(evidence[None], float(K)), rho[None])
    return evidence, rho, b[0], u[0]


def check(rule: Rule, backend: str, evidence: Any, rho: Any, belief: Any, uncertainty: float) -> None:
    fused = fuse(evidence[None], rho[None], rule=rule, backend=backend)
    np.testing.assert_allclose(fused.belief[0], belief, rtol=0, atol=1e-9)
    assert fused.uncertainty[0] == pytest.approx(uncertainty, abs=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rule", ["dempster", "cautious", "murphy"])
@pytest.mark.parametrize("E", EXPERTS)
def test_torchbelief_agrees(backend: str, rule: Rule, E: int) -> None:
    for seed, K in enumerate((2, 3, 5)):
        evidence, rho, b, u = opinion(E, K, seed)
        frame = tb.Frame(K)
        mass = torch.zeros((E, 2**K), dtype=torch.float64)
        mass[:, [1 << k for k in range(K)]] = torch.from_numpy(b)
        mass[:, -1] = torch.from_numpy(u)
        if rule == "murphy":
            fused = tb.murphy(mass, frame)
        else:
            combine = {"dempster": lambda *of: tb.dempster(*of, eps=0.0), "cautious": tb.cautious}[rule]
            fused = mass[0]
            for other in mass[1:]:
                fused, _ = combine(fused, other, frame)
        check(rule, backend, evidence, rho, fused[[1 << k for k in range(K)]].numpy(), float(fused[-1]))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("rule", "theirs"), [("dempster", "BELIEF_CONSTRAINT"), ("cumulative", "CUMULATIVE"), ("averaging", "AVERAGE")]
)
@pytest.mark.parametrize("E", EXPERTS)
def test_eslim_agrees(backend: str, rule: Rule, theirs: str, E: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it draws a figure when it is imported
        sl = pytest.importorskip("subjective_logic")
    for seed, K in enumerate((2, 3, 10)):
        evidence, rho, b, _ = opinion(E, K, seed)
        stated = [getattr(sl, f"Opinion{K}d")(row.tolist()) for row in b]
        fused = sl.Fusion.fuse_opinions(getattr(sl.Fusion.FusionType, theirs), stated)
        belief = np.array([fused.belief_masses[k] for k in range(K)])
        check(rule, backend, evidence, rho, belief, 1.0 - float(belief.sum()))
