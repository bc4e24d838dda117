"""The interface of both ways to ask trees: what they take and what they answer."""

from __future__ import annotations

from torch import Tensor

from tocsin.kernels.device.trees import by_torch
from tocsin.kernels.device.trees.tensors import Answers, Shape, Trees

AT_ONCE = 1 << 28
"""Bytes that the answers of all trees take at most at once, before they become one."""


def ask(trees: Trees, shape: Shape, X: Tensor, triton: bool) -> Answers:
    """What each tree answers for events X float64 [B, F], NaN where a value is not known.

    `triton` runs the Triton kernel, which needs a CUDA device or an interpreter. Both ways find the same leaf, and
    agree with `tocsin.kernels.hoeffding` to 1e-9. Raises ValueError where X does not fit.
    """
    if X.ndim != 2 or X.shape[1] != shape.features:
        raise ValueError(f"X {tuple(X.shape)} is not [B, {shape.features}]")
    if triton:
        from tocsin.kernels.device.trees import by_triton  # here, because it needs an extra

        return by_triton.ask(trees, shape, X)
    return by_torch.ask(trees, shape, X)


def events_at_once(shape: Shape) -> int:
    """For so many events at a time all trees may answer within bounded memory."""
    return max(1, AT_ONCE // (8 * max(1, shape.trees * (shape.classes + 2))))
