"""DriftMoE as published: copies of one Hoeffding tree, and an MLP trained on who was right.

After arXiv 2507.18464, from its description: E trees (grace period 50, split confidence 1e-7, tie 0.05, adaptive
leaves), a router d-256-128-E with ReLU and Adam (2e-3), binary cross-entropy against the multi-hot mask of the experts
that were right (if none was, the one that gave y most), one step each 256 events. It predicts the class of the one
expert that the router puts first, and teaches each event to the first three.

The "task" variant has one tree a class, which tells it from the rest. As published its trees never touch the output;
here the decision weighs each tree's yes by how far the router trusts it, and all trees learn, because a tree that
sees its own class alone has nothing to tell.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tocsin.kernels import hoeffding
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.routing.multi_hot import layer

EXPERTS, TAUGHT, EVERY = 12, 3, 256
HIDDEN = (256, 128)
STEP = 2e-3
TREE = hoeffding.Settings(grace_period=50, delta=1e-7, tau=0.05, leaf_prediction="nba")


class Published:
    """The preset "paper"; see `tocsin.models.driftmoe.Engine`."""

    def __init__(self, variant: Literal["data", "task"], seed: int) -> None:
        self._task = variant == "task"
        self._seed = seed
        self._features, self._classes = 0, 0
        self._pools: list[hoeffding.Pool] = []
        self._net: nn.Sequential | None = None
        self._optimiser: torch.optim.Optimizer | None = None
        self._inputs: list[NDArray[np.float32]] = []
        self._masks: list[NDArray[np.float32]] = []

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return self._classes if self._task else EXPERTS

    def widen(self, names: list[str], nominal: list[bool], classes: int) -> None:
        """See `Engine`. The published router has a fixed size, so a new column or class begins it anew."""
        F, kinds = len(names), np.array(nominal, np.bool_)
        new = kinds[self._features :]
        width = 2 if self._task else classes
        self._pools = [hoeffding.resize(pool, F, width, new) for pool in self._pools]
        while len(self._pools) < (classes if self._task else 1):
            self._pools.append(hoeffding.new_pool([TREE] * (1 if self._task else EXPERTS), F, width, kinds))
        begin = self._features != F or (self._task and classes != self._classes) or self._net is None
        self._features, self._classes = F, classes
        if begin and self.trees:
            self._begin()

    def _begin(self) -> None:
        generator = torch.Generator().manual_seed(self._seed)
        sizes = [self._features, *HIDDEN]
        layers: list[nn.Module] = []
        for wide, narrow in itertools.pairwise(sizes):
            layers += [layer(wide, narrow, generator), nn.ReLU()]
        self._net = nn.Sequential(*layers, layer(sizes[-1], self.trees, generator))
        self._optimiser = torch.optim.Adam(self._net.parameters(), lr=STEP, foreach=False)
        self._inputs, self._masks = [], []

    def _gate(self, X: Floats) -> Floats:
        """The router's trust in each tree [B, E]. Inputs are as they come, as published; what is unknown is 0."""
        assert self._net is not None
        # Row by row, each in memory of its own: a matrix product may sum in an order that depends on the number of
        # rows, and on how they are aligned; a sigmoid may round otherwise at the end of an array.
        with torch.inference_mode():
            rows = [torch.sigmoid(self._net(row[None].clone())[0]) for row in torch.from_numpy(_plain(X))]
            return torch.stack(rows).numpy().astype(np.float64)

    def predict(self, X: Floats) -> Floats:
        """See `Engine`."""
        if not len(X) or not self._classes:
            return np.zeros((len(X), self._classes))
        return self._decide(self._gate(X), self._ask(X))

    def _ask(self, X: Floats) -> Floats:
        """What the trees say: [B, E, K], or of the task variant each tree's yes [B, K, 1]."""
        said = [hoeffding.probabilities(pool, X) for pool in self._pools]
        return np.stack([p[:, 0, 1:] for p in said], axis=1) if self._task else said[0]

    def _decide(self, gate: Floats, said: Floats) -> Floats:
        # Of the task variant, each tree's yes by how far it is trusted; without any yes, trust alone.
        p = gate * (said[:, :, 0] + 1e-9) if self._task else said[np.arange(len(gate)), gate.argmax(axis=1)] + 1e-9
        result: Floats = p / p.sum(axis=1, keepdims=True)
        return result

    def predict_then_learn(self, X: Floats, y: Ints, weight: Floats) -> Floats:
        """See `Engine`. Between two steps of the router nothing of it changes, so such a stretch is one pass."""
        out = np.empty((len(X), self._classes))
        start = 0
        while start < len(X):
            stop = min(len(X), start + EVERY - len(self._inputs))
            out[start:stop] = self._learn_stretch(X[start:stop], y[start:stop], weight[start:stop])
            start = stop
            if len(self._inputs) == EVERY:
                self._step()
        return out

    def _learn_stretch(self, X: Floats, y: Ints, weight: Floats) -> Floats:
        gate = self._gate(X)
        said = self._learn_trees(X, y, weight, gate)
        self._inputs += list(_plain(X))
        self._masks += list(self._mask(said, y))
        return self._decide(gate, said)

    def _learn_trees(self, X: Floats, y: Ints, weight: Floats, gate: Floats) -> Floats:
        """Teach the trees; returns what they said before, as `_ask`."""
        if not self._task:
            said = np.empty((len(X), EXPERTS, self._classes))
            first = np.argsort(-gate, axis=1, kind="stable")[:, :TAUGHT]
            w = np.zeros(gate.shape)
            np.put_along_axis(w, first, weight[:, None], axis=1)
            self._pools[0] = hoeffding.learn(self._pools[0], X, y, w, predicted=said)
            return said
        yes = np.empty((len(X), self._classes, 1))
        for k, pool in enumerate(self._pools):
            p = np.empty((len(X), 1, 2))
            self._pools[k] = hoeffding.learn(pool, X, (y == k).astype(np.int64), weight[:, None], predicted=p)
            yes[:, k, 0] = p[:, 0, 1]
        return yes

    def _mask(self, said: Floats, y: Ints) -> NDArray[np.float32]:
        """Who was right [B, E]; if nobody was, who gave the true class most."""
        rows = np.arange(len(y))
        if self._task:
            # A tree is right about its own class and the rest: a yes above half, or not.
            is_own = np.arange(self._classes) == y[:, None]
            right = (said[:, :, 0] > 0.5) == is_own
            return np.asarray(right, np.float32)
        right = (said.argmax(axis=2) == y[:, None]) & (said.max(axis=2) > 0)
        nobody = ~right.any(axis=1)
        right[rows[nobody], said[rows, :, y][nobody].argmax(axis=1)] = True
        return np.asarray(right, np.float32)

    def _step(self) -> None:
        assert self._net is not None
        assert self._optimiser is not None
        logits = self._net(torch.from_numpy(np.stack(self._inputs)))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(np.stack(self._masks)))
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._inputs, self._masks = [], []

    def state(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays, for comparison."""
        state: dict[str, NDArray[Any]] = {}
        for i, pool in enumerate(self._pools):
            state |= {f"{i}.{name}": array for name, array in hoeffding.state_dict(pool).items()}
        if self._net is not None:
            state |= {f"net.{name}": tensor.numpy().copy() for name, tensor in self._net.state_dict().items()}
        return state


def _plain(X: Floats) -> NDArray[np.float32]:
    return np.nan_to_num(X).astype(np.float32)
