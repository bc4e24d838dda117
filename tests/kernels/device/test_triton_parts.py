"""Triton kernels that replace loops over columns give the bits of the plain loops."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tocsin.kernels.device.moving_clusters import torch_tensors as moving
from tocsin.kernels.device.rare_class import torch_tensors as rare
from tocsin.kernels.device.rare_class.torch_tensors import Gaussians
from tocsin.kernels.experts.rare_class.state import LINEAR, QUADRATIC, VIEWS
from tocsin.kernels.fusion.torch_tensors import device

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def there(*tensors: Tensor) -> list[Tensor]:
    return [tensor.to(device()) for tensor in tensors]


def same(found: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.cpu().numpy(), other.numpy())


class TestTritonOfMovingClusters:
    """More events and clusters than one program takes."""

    @pytest.mark.parametrize(("B", "C", "F"), [(1, 2, 1), (19, 80, 7), (70, 130, 3), (4, 3, 0), (0, 5, 2)])
    def test_distances_in_both_norms(self, B: int, C: int, F: int) -> None:
        from tocsin.kernels.device.moving_clusters import triton_launch

        X, centres, factor = numbers(B, F), numbers(F, C, seed=1), numbers(F, seed=2).abs() * 8.0
        X[torch.from_numpy(np.random.default_rng(3).random((B, F)) < 0.2)] = torch.nan
        factor[1::3] = 0.0
        same(triton_launch.distances(*there(X, centres, factor)), moving.distances(X, centres, factor))

    def test_no_column_moves_an_event_far(self) -> None:
        from tocsin.kernels.device.moving_clusters import triton_launch

        X = torch.tensor([[1e150, -1e150]], dtype=torch.float64)
        given = X, torch.zeros((2, 1), dtype=torch.float64), torch.ones(2, dtype=torch.float64)
        found: Any = triton_launch.distances(*there(*given))
        assert [part.item() for part in found] == [200.0, 10.0]


class TestTritonOfRareClasses:
    @pytest.mark.parametrize(("B", "D", "R"), [(1, 1, 1), (150, 5, 2), (40, 17, 1), (0, 3, 1)])
    def test_discriminants(self, B: int, D: int, R: int) -> None:
        from tocsin.kernels.device.rare_class import triton_launch

        systems, L = 1 + R * len(QUADRATIC), len(LINEAR)
        factor = torch.tril(numbers(systems, VIEWS, D, D, seed=5)) + 3.0 * torch.eye(D, dtype=torch.float64)
        gaussians = Gaussians(
            numbers(2, VIEWS, D),
            numbers(R, VIEWS, L, D, seed=1),
            numbers(R, VIEWS, L, seed=2),
            numbers(systems, VIEWS, D, seed=3),
            factor + torch.triu(torch.full_like(factor, torch.nan), 1),  # of which nothing is read
            numbers(systems, VIEWS, seed=6),
            numbers(R, VIEWS * (L + len(QUADRATIC)), seed=7),
        )
        offsets = numbers(D, VIEWS, B, seed=4)
        found = triton_launch.solved(Gaussians(*there(*gaussians)), offsets.to(device()))
        same(found, rare.solved(gaussians, offsets))
