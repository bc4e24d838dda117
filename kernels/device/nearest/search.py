"""The search that a place has: Triton's kernel where Triton runs, else plain PyTorch."""

from __future__ import annotations

from torch import Tensor

from tocsin.kernels.device.nearest import torch_tensors
from tocsin.kernels.device.nearest.torch_tensors import NearestRows, RingOfEvents
from tocsin.kernels.device.place import Place


def nearest_at(place: Place, ring: RingOfEvents, X: Tensor, k: int, kinds: Tensor) -> NearestRows:
    """The k nearest events of the ring to X, float64 [B, F]; `kinds` int8 [F] are the ring's `nominal` as a tensor."""
    if place.triton:
        from tocsin.kernels.device.nearest import triton_launch  # here, because Triton is not everywhere

        return triton_launch.nearest(ring, X, k, kinds)
    return torch_tensors.nearest(ring, X, k)
