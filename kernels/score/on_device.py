"""Trees and router kept on a device: a batch costs one copy of X there and one copy of decisions back.

This module imports PyTorch, so the package does not import it: `from tocsin.kernels.score.on_device import
DeviceScorer`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from tocsin.kernels.fusion.interface import (
    Floats,
    Rule,
    checked_prior,
    checked_rule,
    numbers,
)
from tocsin.kernels.fusion.torch_tensors import device
from tocsin.kernels.hoeffding.pool.layout import N_CLASSES, N_FEATURES, Pool
from tocsin.kernels.routing.reliability import Router
from tocsin.kernels.score.interface import Leaves, Network, Scored, Terms, checked_inverse_temperature
from tocsin.kernels.score.triton_launch import Shape, inputs_of, launch
from tocsin.kernels.traversal.flat import flatten
from tocsin.kernels.traversal.torch_tensors import as_tensors
from tocsin.kernels.traversal.triton_launch import traverse_tensors


class DeviceScorer:
    """What `score` says of a pool's leaves under a router's network, by Triton.

    It is a copy: it does not know what the pool and the router learn later.

    Parameters
    ----------
    pool, cap
        The trees, each an expert, and the most that a leaf's weights add up to.
    router, hidden
        The network over them, see `tocsin.kernels.score.Network`.
    rule, prior, least, inverse_temperature
        See `score`.
    """

    def __init__(
        self,
        pool: Pool,
        router: Router,
        hidden: int,
        cap: float = np.inf,
        rule: Rule = "dempster",
        prior: float | None = None,
        least: float = 0.0,
        inverse_temperature: float = 1.0,
    ) -> None:
        features, classes = int(pool.counters[N_FEATURES]), int(pool.counters[N_CLASSES])
        trees = flatten(pool)
        weights = (pool.faded if pool.faded.shape[1] else pool.counts)[:, : trees.kind.shape[1], :classes]
        leaves = Leaves(np.zeros((0, len(weights)), np.int32), np.ascontiguousarray(weights))
        self._trees = as_tensors(trees, device())
        self._inputs = inputs_of(leaves, Network(router, np.zeros((0, features)), hidden))
        self._shape = Shape(0, features, hidden, True, cap)
        power = checked_inverse_temperature(inverse_temperature)
        self._terms = Terms(checked_rule(rule), checked_prior(prior, classes), least, power)

    def __call__(self, X: ArrayLike) -> Scored:
        """Decide B events, X [B, F] float64. Raises ValueError where F is not the pool's."""
        rows: Floats = numbers("X", X)
        if rows.ndim != 2 or rows.shape[1] != self._shape.features:
            raise ValueError(f"X: has shape {rows.shape}, expected [B, F] with F = {self._shape.features}")
        there = torch.from_numpy(rows).to(self._inputs.evidence.device)
        return unpacked(self.packed(there).cpu().numpy(), len(self._trees.kind))

    def packed(self, X: Tensor) -> Tensor:
        """The decisions on X as one tensor float64 [B, 4 + E + K]; nothing leaves the device."""
        inputs = self._inputs._replace(leaves=traverse_tensors(self._trees, X), X=X)
        label, rho, belief, rest, used = launch(inputs, self._shape._replace(events=len(X)), self._terms)
        return torch.cat([label[:, None].double(), used[:, None].double(), rest.T, rho, belief], dim=1)


def unpacked(rows: Floats, E: int) -> Scored:
    """The decisions that `DeviceScorer.packed` returned."""
    label, used, uncertainty, conflict = rows[:, :4].T
    reliability, belief = rows[:, 4 : 4 + E], rows[:, 4 + E :]
    return Scored(label.astype(np.int64), reliability, belief, uncertainty, conflict, used.astype(np.int64))
