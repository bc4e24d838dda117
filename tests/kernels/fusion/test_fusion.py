"""Every back end of fusion behaves alike; Triton's by its interpreter, unless there is a device."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from tocsin.kernels.fusion import fuse

from .fusion_behaviour import behaviour

TestReference = behaviour("reference")
TestNumba = behaviour("numba")
TestTorch = behaviour("torch")


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
class TestTriton(behaviour("triton", share=0.04, most=9, single=1e-4)):  # type: ignore[misc]
    """By the interpreter: few examples, for it is slow."""

    def test_very_many_experts_stay_numbers(self) -> None:
        rng = np.random.default_rng(0)
        evidence, rho = rng.gamma(0.3, 50.0, (3, 128, 4)), rng.uniform(0.5, 0.999, (3, 128))
        for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-4)):
            found = fuse(evidence.astype(dtype), rho, backend="triton")
            exact = fuse(evidence, rho, backend="reference")
            np.testing.assert_allclose(found.belief, exact.belief, rtol=0, atol=tolerance)


# Errors


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"evidence": np.ones((3, 2))}, "evidence"),
        ({"evidence": np.ones((1, 0, 2)), "reliability": np.ones((1, 0))}, "evidence"),
        ({"evidence": np.ones((1, 2, 0))}, "evidence"),
        ({"evidence": [[[1.0, 2.0], [3.0]]]}, "evidence"),
        ({"evidence": "many"}, "evidence"),
        ({"evidence": None}, "evidence"),
        ({"evidence": -np.ones((1, 2, 2))}, "evidence"),
        ({"evidence": np.full((1, 2, 2), np.nan)}, "evidence"),
        ({"evidence": np.full((1, 2, 2), np.inf)}, "evidence"),
        ({"reliability": np.ones((1, 3))}, "reliability"),
        ({"reliability": np.ones(2)}, "reliability"),
        ({"reliability": [["a", "b"]]}, "reliability"),
        ({"reliability": np.array([[0.5, 1.1]])}, "reliability"),
        ({"reliability": np.array([[0.5, -0.1]])}, "reliability"),
        ({"reliability": np.array([[0.5, np.nan]])}, "reliability"),
        ({"engaged": np.ones((1, 2))}, "engaged"),
        ({"engaged": np.ones((1, 3), np.bool_)}, "engaged"),
        ({"rule": "vote"}, "rule"),
        ({"prior": 0.0}, "prior"),
        ({"prior": -1.0}, "prior"),
        ({"prior": np.nan}, "prior"),
        ({"prior": np.inf}, "prior"),
        ({"prior": "two"}, "prior"),
    ],
)
def test_an_error_names_the_argument(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}: "):
        fuse(**{"evidence": np.ones((1, 2, 2)), "reliability": np.ones((1, 2)), **arguments})
