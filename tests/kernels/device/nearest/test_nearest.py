"""The nearest events of a ring on tensors against the plain search of a window, which sorts every distance."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import Tensor

from tocsin.kernels.common import window
from tocsin.kernels.device import pieces
from tocsin.kernels.device.nearest import torch_tensors
from tocsin.kernels.device.nearest.torch_tensors import NearestRows, RingOfEvents, least, votes
from tocsin.kernels.experts.neighbours import Nearest
from tocsin.kernels.experts.neighbours import nearest as plain
from tocsin.kernels.fusion.torch_tensors import device

NOMINAL = (False, True, False, False, True)
F = len(NOMINAL)


def events(n: int, seed: int) -> np.ndarray:
    """Numbers with ties, gaps and values out of all bounds, and two categories."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, F)).astype(np.float64)
    X[:, 0] *= 1e-3
    X[:, 3] = rng.normal(size=n) * 1e6
    X[rng.random((n, F)) < 0.1] = np.nan
    X[rng.random((n, F)) < 0.02] = np.inf
    return X


def ring_of(X: np.ndarray, length: int, factor: np.ndarray) -> RingOfEvents:
    """The ring after these events came."""
    values = np.full((length, F), np.nan)
    for number, x in enumerate(X):
        values[number % length] = x
    newest, held = torch.tensor((len(X) - 1) % length), torch.tensor(min(len(X), length))
    return RingOfEvents(torch.from_numpy(values), newest, held, torch.from_numpy(factor), NOMINAL)


def search(backend: str, ring: RingOfEvents, X: Tensor, k: int) -> NearestRows:
    if backend == "torch":
        return torch_tensors.nearest(ring, X, k)
    from tocsin.kernels.device.nearest import triton_launch

    there = ring._replace(**{name: getattr(ring, name).to(device()) for name in ("values", "newest", "held", "factor")})
    kinds = torch.tensor(ring.nominal, dtype=torch.int8, device=device())
    return NearestRows(*(part.cpu() for part in triton_launch.nearest(there, X.to(device()), k, kinds)))


def behaviour(backend: str, length: int, queries: int) -> type:
    """The suite of one back end, with windows of such a length."""

    class Behaviour:
        @pytest.mark.parametrize("k", [1, 3, 12])
        @pytest.mark.parametrize("came", [0, 1, 7, length - 1, length, 2 * length + length // 3])
        def test_the_same_events_are_nearest_in_the_same_order(self, came: int, k: int) -> None:
            factor = np.array([700.0, 1.0, 0.8, 1e-6, 0.0])
            learnt, asked = events(came, seed=came), events(queries, seed=1)
            found = search(backend, ring_of(learnt, length, factor), torch.from_numpy(asked), k)
            held = learnt[-length:] if came else learnt
            expected = plain(np.ascontiguousarray(held.T), asked, factor, NOMINAL, [length], k, backend="reference")
            n = min(k, length)
            assert found.distance.shape == (queries, n)
            np.testing.assert_array_equal(found.distance.numpy(), expected.distance[:, 0, :n])
            age = expected.age[:, 0, :n]
            rows = (came - 1 - age) % length
            np.testing.assert_array_equal(found.row.numpy()[age >= 0], rows[age >= 0])

        def test_what_was_never_seen_to_vary_keeps_nobody_away(self) -> None:
            learnt = events(5, seed=2)
            ring = ring_of(learnt, length, np.zeros(F))
            found = search(backend, ring, torch.from_numpy(events(3, seed=3)), 2)
            assert found.distance.tolist() == [[0.0, 0.0]] * 3
            assert found.row.tolist() == [[4, 3]] * 3

        def test_nobody_asks(self) -> None:
            ring = ring_of(events(5, seed=2), length, np.ones(F))
            assert search(backend, ring, torch.zeros((0, F), dtype=torch.float64), 2).row.shape == (0, 2)

        def test_events_without_columns_are_all_alike(self) -> None:
            none = torch.zeros((length, 0), dtype=torch.float64)
            ring = RingOfEvents(none, torch.tensor(1), torch.tensor(2), torch.zeros(0, dtype=torch.float64), ())
            found = search(backend, ring, torch.zeros((2, 0), dtype=torch.float64), 3)
            assert found.distance.tolist() == [[0.0, 0.0, torch.inf]] * 2
            assert found.row[:, :2].tolist() == [[1, 0]] * 2

    return Behaviour


class TestTorch(behaviour("torch", 37, 50)):  # type: ignore[misc]
    pass


class TestTorchInPieces(behaviour("torch", 37, 50)):  # type: ignore[misc]
    @pytest.fixture(autouse=True)
    def _little_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pieces, "AT_ONCE", 3 * 37)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs the extra `gpu`")
class TestTriton(behaviour("triton", 300, 19)):  # type: ignore[misc]
    """A window of more than one stretch of the kernel, and more events than one program takes."""

    def test_in_pieces_the_same_are_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ring, X = ring_of(events(280, seed=4), 300, np.ones(F)), torch.from_numpy(events(19, seed=5))
        expected = search("torch", ring, X, 3)
        monkeypatch.setattr(pieces, "AT_ONCE", 40)
        found = search("triton", ring, X, 3)
        assert torch.equal(found.distance, expected.distance)
        assert torch.equal(found.row, expected.row)


@pytest.mark.parametrize("k", [1, 4, torch_tensors.FEW + 3, 99])
def test_of_equals_the_first_is_least(k: int) -> None:
    values = torch.tensor([[2.0, 1.0, 1.0, 2.0, 1.0] * 4, [torch.inf] * 20], dtype=torch.float64)
    expected = torch.sort(values, dim=1, stable=True)
    found, places = least(values.clone(), k)
    assert torch.equal(found, expected.values[:, :k])
    assert torch.equal(places[0], expected.indices[0, :k])


def test_votes_are_those_of_a_window() -> None:
    rng = np.random.default_rng(0)
    B, k, C, K = 40, 5, 30, 3
    distance, age = np.sort(rng.random((B, k)), axis=1), rng.integers(0, C, (B, k))
    distance[0, 0] = 0.0
    distance[1, 2:], age[1, 2:] = np.inf, -1
    distance[2], age[2] = np.inf, -1
    held = window.Window(np.zeros((0, C)), rng.integers(0, K, C), rng.random(C), np.zeros(0, np.bool_))
    expected = window.vote(Nearest(age[:, None].copy(), distance[:, None].copy()), held, C, K)
    row = C - 1 - age.clip(0)
    shares = votes(*(torch.from_numpy(a) for a in (distance, held.labels[row], held.weights[row])), K)
    np.testing.assert_allclose(shares.numpy(), expected, rtol=1e-14)
