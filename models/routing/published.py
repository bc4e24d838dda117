"""DriftMoE as published: copies of one Hoeffding tree, and a router trained on which of them were right.

After the description in arXiv 2507.18464: E trees (grace period 50, split confidence 1e-7, tie 0.05, adaptive leaves)
and a router, which is a network d-256-128-E with ReLU. It is trained by Adam (2e-3) with binary cross-entropy against
the multi-hot mask of the experts that were right (if none was, the one that gave y the largest share), one step each
256 events. The class of the one expert that the router trusts most is predicted, and the three that it trusts most
learn the event.

The "task" variant has one tree for each class, which tells it from the rest. As published, its trees never touch the
output. Here each tree's probability of its class is weighed by how far the router trusts the tree, and all trees learn
every event, because a tree that sees its own class alone has nothing to tell.

This module needs torch, and only the preset "paper" of `tocsin.models.DriftMoE` imports it.
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
from tocsin.models.data.snapshot import Arrays, with_prefix, without_prefix
from tocsin.models.routing.multi_hot import layer

EXPERTS, TAUGHT = 12, 3
"""How many trees there are, and how many of them learn each event."""
EVERY = 256
"""Events between two steps of the router."""
HIDDEN = (256, 128)
STEP = 2e-3
TREE = hoeffding.HoeffdingSettings(grace_period=50, delta=1e-7, tau=0.05, leaf_prediction="nba")


class Published:
    """The preset "paper"; see `tocsin.models.driftmoe.Engine`."""

    def __init__(self, variant: Literal["data", "task"], seed: int) -> None:
        # Torch's threads wait for each other by spinning. On cores that others use too, that makes a network as small
        # as this one 20 times slower, and it is too small to gain from a second thread.
        torch.set_num_threads(1)
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
        begins = self._features != F or (self._task and classes != self._classes) or self._net is None
        self._features, self._classes = F, classes
        if begins and self.trees and F:
            self._begin_router()

    def _begin_router(self) -> None:
        generator = torch.Generator().manual_seed(self._seed)
        sizes = [self._features, *HIDDEN]
        layers: list[nn.Module] = []
        for wide, narrow in itertools.pairwise(sizes):
            layers += [layer(wide, narrow, generator), nn.ReLU()]
        self._net = nn.Sequential(*layers, layer(sizes[-1], self.trees, generator))
        self._optimiser = torch.optim.Adam(self._net.parameters(), lr=STEP, foreach=False)
        self._inputs, self._masks = [], []

    def _trust(self, X: Floats) -> Floats:
        """The router's trust in each tree [B, E]. As published, inputs are not scaled; a missing value is 0."""
        if self._net is None:  # no event has had a feature yet
            return np.full((len(X), self.trees), 0.5)
        # Row by row, each in memory of its own: a matrix product may sum in an order that depends on the number of
        # rows, and on how they are aligned; a sigmoid may round otherwise at the end of an array.
        with torch.inference_mode():
            rows = [torch.sigmoid(self._net(row[None].clone())[0]) for row in torch.from_numpy(_inputs(X))]
            return torch.stack(rows).numpy().astype(np.float64)

    def predict(self, X: Floats) -> Floats:
        """See `Engine`."""
        if not len(X) or not self._classes:
            return np.zeros((len(X), self._classes))
        return self._decide(self._trust(X), self._answers(X))

    def _answers(self, X: Floats) -> Floats:
        """What the trees answer: [B, E, K], or in the task variant each tree's probability of its class [B, K, 1]."""
        answers = [hoeffding.probabilities(pool, X) for pool in self._pools]
        return np.stack([p[:, 0, 1:] for p in answers], axis=1) if self._task else answers[0]

    def _decide(self, trust: Floats, answers: Floats) -> Floats:
        """The class probabilities [B, K]. In the task variant, trust alone counts where no tree answers yes.

        Where no tree is trusted either, because every sigmoid is 0 in float32, all classes are equally likely.
        """
        if self._task:
            p = trust * (answers[:, :, 0] + 1e-9)
        else:
            p = answers[np.arange(len(trust)), trust.argmax(axis=1)] + 1e-9
        p[p.sum(axis=1) == 0.0] = 1.0
        result: Floats = p / p.sum(axis=1, keepdims=True)
        return result

    def predict_then_learn(self, X: Floats, y: Ints, weight: Floats) -> Floats:
        """See `Engine`. The router does not change between two of its steps, so the events between are one pass."""
        out = np.empty((len(X), self._classes))
        start = 0
        while start < len(X):
            stop = min(len(X), start + EVERY - len(self._inputs))
            out[start:stop] = self._learn_between_steps(X[start:stop], y[start:stop], weight[start:stop])
            start = stop
            if len(self._inputs) == EVERY:
                self._step()
        return out

    def _learn_between_steps(self, X: Floats, y: Ints, weight: Floats) -> Floats:
        trust = self._trust(X)
        answers = self._learn_trees(X, y, weight, trust)
        if self._net is not None:
            self._inputs += list(_inputs(X))
            self._masks += list(self._mask(answers, y))
        return self._decide(trust, answers)

    def _learn_trees(self, X: Floats, y: Ints, weight: Floats, trust: Floats) -> Floats:
        """Teach the trees; returns what they answered just before, as `_answers`."""
        if not self._task:
            answers = np.empty((len(X), EXPERTS, self._classes))
            first = np.argsort(-trust, axis=1, kind="stable")[:, :TAUGHT]
            w = np.zeros(trust.shape)
            np.put_along_axis(w, first, weight[:, None], axis=1)
            self._pools[0] = hoeffding.learn(self._pools[0], X, y, w, predicted=answers)
            return answers
        yes = np.empty((len(X), self._classes, 1))
        for k, pool in enumerate(self._pools):
            p = np.empty((len(X), 1, 2))
            self._pools[k] = hoeffding.learn(pool, X, (y == k).astype(np.int64), weight[:, None], predicted=p)
            yes[:, k, 0] = p[:, 0, 1]
        return yes

    def _mask(self, answers: Floats, y: Ints) -> NDArray[np.float32]:
        """Which trees were right [B, E]; where none was, the one that gave the true class the largest share."""
        rows = np.arange(len(y))
        if self._task:
            # A tree is right if it gives its own class more than half where that is the label, and no more elsewhere.
            is_own = np.arange(self._classes) == y[:, None]
            right = (answers[:, :, 0] > 0.5) == is_own
            return np.asarray(right, np.float32)
        right = (answers.argmax(axis=2) == y[:, None]) & (answers.max(axis=2) > 0)
        nobody = ~right.any(axis=1)
        right[rows[nobody], answers[rows, :, y][nobody].argmax(axis=1)] = True
        return np.asarray(right, np.float32)

    def _step(self) -> None:
        assert self._net is not None
        assert self._optimiser is not None
        logits = self._net(torch.from_numpy(np.stack(self._inputs)))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(np.stack(self._masks)))
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        self._optimiser.step()
        self._inputs, self._masks = [], []

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Engine`."""
        state: dict[str, NDArray[Any]] = {
            "inputs": np.array(self._inputs, np.float32).reshape(len(self._inputs), self._features),
            "masks": np.array(self._masks, np.float32).reshape(len(self._masks), self.trees),
        }
        for i, pool in enumerate(self._pools):
            state |= with_prefix(f"tree.{i}/", hoeffding.state_dict(pool))
        if self._net is not None and self._optimiser is not None:
            state |= with_prefix("net/", {n: t.numpy().copy() for n, t in self._net.state_dict().items()})
            for number, moments in self._optimiser.state_dict()["state"].items():
                state |= with_prefix(f"adam.{number}/", {n: tensor.numpy().copy() for n, tensor in moments.items()})
        return state

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Engine`. Raises KeyError, ValueError or RuntimeError where the arrays do not fit."""
        self._pools = [hoeffding.load_state_dict(without_prefix(f"tree.{i}/", arrays)) for i in range(len(self._pools))]
        self._inputs, self._masks = list(np.array(arrays["inputs"])), list(np.array(arrays["masks"]))
        if self._net is None or self._optimiser is None:
            return
        self._net.load_state_dict({n: torch.from_numpy(a) for n, a in without_prefix("net/", arrays).items()})
        moments = {
            number: {n: torch.from_numpy(a) for n, a in without_prefix(f"adam.{number}/", arrays).items()}
            for number in range(len(list(self._net.parameters())))
        }
        # Before the first step there are none.
        state = {number: tensors for number, tensors in moments.items() if tensors}
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": state, "param_groups": groups})


def _inputs(X: Floats) -> NDArray[np.float32]:
    # The squares of gradients, which are as large as inputs, must fit a float32.
    return np.clip(np.nan_to_num(X), -1e15, 1e15).astype(np.float32)
