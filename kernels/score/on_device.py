"""Trees and router kept on a device: a batch costs one copy of X there and one copy of decisions back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tocsin.kernels.fusion.by_triton import device
from tocsin.kernels.fusion.interface import (
    Floats,
    Rule,
    checked_prior,
    checked_rule,
    numbers,
)
from tocsin.kernels.hoeffding.layout import N_CLASSES, N_FEATURES, Pool
from tocsin.kernels.routing.reliability import Router
from tocsin.kernels.score.by_triton import arrays, score_tensors
from tocsin.kernels.score.interface import (
    Leaves,
    Network,
    Scored,
    checked_sharpness,
)
from tocsin.kernels.traversal.by_torch import on
from tocsin.kernels.traversal.by_triton import traverse_tensors
from tocsin.kernels.traversal.flat import flatten


class DeviceScorer:
    """What `score` says of a pool's leaves under a router's network, by Triton.

    It is a copy: what pool and router learn later it does not know.

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
        import torch  # here, because it takes seconds to load

        self._features, classes = int(pool.counters[N_FEATURES]), int(pool.counters[N_CLASSES])
        trees = flatten(pool)
        weights = (pool.faded if pool.faded.shape[1] else pool.counts)[:, : trees.kind.shape[1], :classes]
        parts = arrays(
            Leaves(np.zeros((0, len(weights)), np.int32), np.ascontiguousarray(weights)),
            Network(router, np.zeros((0, self._features)), hidden),
        )
        place = device()
        self._trees = on(trees, place)
        self._tensors = {name: torch.from_numpy(np.array(part)).to(place) for name, part in parts.items()}
        self._hidden, self._cap, self._rule, self._least = hidden, cap, checked_rule(rule), least
        self._prior, self._sharpness = checked_prior(prior, classes), checked_sharpness(inverse_temperature)

    def __call__(self, X: ArrayLike) -> Scored:
        """Decide B events, X [B, F] float64. Raises ValueError where F is not the pool's."""
        import torch

        rows: Floats = numbers("X", X)
        if rows.ndim != 2 or rows.shape[1] != self._features:
            raise ValueError(f"X: has shape {rows.shape}, expected [B, F] with F = {self._features}")
        there = torch.from_numpy(rows).to(self._tensors["evidence"].device)
        return unpacked(self.packed(there).cpu().numpy(), len(self._trees.kind))

    def packed(self, X: Any) -> Any:
        """The decisions on X as one tensor float64 [B, 4 + E + K]; nothing leaves the device."""
        import torch

        tensors = self._tensors | {"leaves": traverse_tensors(self._trees, X), "X": X}
        sizes = len(X), self._features, self._hidden, True
        label, rho, belief, rest, used = score_tensors(
            tensors, sizes, self._rule, self._prior, self._least, self._sharpness, self._cap
        )
        return torch.cat([label[:, None].double(), used[:, None].double(), rest.T, rho, belief], dim=1)


def unpacked(rows: Floats, E: int) -> Scored:
    """What `DeviceScorer.packed` holds."""
    label, used, uncertainty, conflict = rows[:, :4].T
    reliability, belief = rows[:, 4 : 4 + E], rows[:, 4 + E :]
    return Scored(label.astype(np.int64), reliability, belief, uncertainty, conflict, used.astype(np.int64))
