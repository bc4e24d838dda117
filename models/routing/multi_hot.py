"""The router: for each event, how far each expert can be trusted.

After DriftMoE (arXiv 2507.18464): a small MLP on standardised inputs, trained online by binary cross-entropy against
a multi-hot mask of which experts were right. Its sigmoid estimates P(expert e is right | x), which is what
Dempster-Shafer discounting wants. Departures, with reasons in `docs/architecture.md`: inputs are standardised and
joined by each expert's recent record, and a step is taken every few feedback records instead of every 256.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tocsin.config.model import ModelSettings
from tocsin.config.routing import MultiHotSettings
from tocsin.kernels.routing.reliability_state import RouterOutput
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.features import Standardiser
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.experts.base import Arrays
from tocsin.models.routing.prequential_accuracy import AccuracyRouter

MAX_RELIABILITY = 0.999
MEMORY = 4
"""A step sees the records since the last one and so many times as many before them."""


class MultiHotRouter(AccuracyRouter):
    """Reliabilities [B, E] from inputs, learnt from the evidence that was seen at each event's own time."""

    def __init__(self, settings: MultiHotSettings, experts: int, features: int, seed: int) -> None:
        super().__init__(experts, settings.fading_factor, settings.top_p)
        # The threads of torch wait for each other by spinning, which costs more than these small matrices do; and with
        # one thread, sums keep one order.
        torch.set_num_threads(1)
        self._settings = settings
        self._experts = experts
        self._scaler = Standardiser(features)
        self._net = self._build(features, torch.Generator().manual_seed(seed))
        self._optimiser = self._new_optimiser()
        size = settings.every * (MEMORY + 1)
        self._inputs = torch.zeros(size, features + experts)
        self._masks = torch.zeros(size, experts)
        self._weights = torch.zeros(size, experts)
        self.count = 0
        """Feedback records learnt."""

    @classmethod
    def from_settings(cls, settings: ModelSettings, experts: int, features: int) -> MultiHotRouter:
        """The router of a model with E experts and F features."""
        router = settings.router
        assert isinstance(router, MultiHotSettings)
        return cls(router, experts, features, settings.seed)

    def _build(self, features: int, generator: torch.Generator) -> nn.Sequential:
        sizes = [features + self._experts, *self._settings.hidden]
        layers: list[nn.Module] = []
        for wide, narrow in itertools.pairwise(sizes):
            layers += [layer(wide, narrow, generator), nn.ReLU()]
        layers.append(layer(sizes[-1], self._experts, generator, zero=True))
        return nn.Sequential(*layers)

    def _new_optimiser(self) -> torch.optim.Adam:
        return torch.optim.Adam(self._net.parameters(), lr=self._settings.step, foreach=False)

    def resize(self, features: int) -> None:
        """Make room for more columns; the new inputs start with weight 0, so nothing already learnt changes."""
        old = self._inputs.shape[1] - self._experts
        more = features - old
        if more <= 0:
            return
        self._scaler.resize(features)
        self._inputs = _insert_columns(self._inputs, old, more)
        first = self._net[0]
        assert isinstance(first, nn.Linear)
        state = self._optimiser.state_dict()["state"]
        first.weight = nn.Parameter(_insert_columns(first.weight.data, old, more))
        first.in_features += more
        for name in ("exp_avg", "exp_avg_sq"):
            if 0 in state:
                state[0][name] = _insert_columns(state[0][name], old, more)
        self._optimiser = self._new_optimiser()
        self._load_moments(state)

    def inputs(self, X: Floats) -> Tensor:
        """float32 [B, F + E]: standardised features and each expert's record, centred."""
        z = np.concatenate(
            [self._scaler.transform(X), np.broadcast_to(self.skill - 0.5, (len(X), self._experts))], axis=1
        )
        return torch.from_numpy(z.astype(np.float32))

    def reliability(self, X: Floats, evidence: Floats) -> Floats:
        """[B, E]: sigmoid of the logit times prequential skill above chance, at most `MAX_RELIABILITY`.

        Of the evidence [B, E, K] only the number of classes is looked at.
        """
        with torch.inference_mode():
            trust = torch.sigmoid(self._net(self.inputs(X))).numpy().astype(np.float64)
        return np.minimum(trust * self._record.above_chance(evidence.shape[2]), MAX_RELIABILITY)

    def learn(self, X: Floats, evidence: Floats, y: Ints, weight: Floats, delay: Ints) -> RouterOutput:
        """See `Router`."""
        before = np.empty(evidence.shape[:2])
        for i in range(len(X)):
            before[i] = self.reliability(X[i : i + 1], evidence[i : i + 1])[0]
            self._learn(X[i], evidence[i], int(y[i]), float(weight[i]))
        return RouterOutput(before, np.ones(len(X)))

    def _learn(self, x: Floats, evidence: Floats, y: int, weight: float) -> None:
        """One feedback record: x [F], the evidence [E, K] seen at the event's time, and the label."""
        self._scaler.learn(x)
        slot = self.count % len(self._inputs)
        self._inputs[slot] = self.inputs(x[None])[0]
        self._masks[slot] = torch.from_numpy(correctness(evidence, y))
        # Silence is neither right nor wrong: an expert that seldom speaks must not be distrusted for it.
        self._weights[slot] = torch.from_numpy(weight * (evidence.max(axis=1) > 0).astype(np.float32))
        self._record.learn(evidence, y)
        self.count += 1
        if self.count % self._settings.every == 0:
            self._step()

    def _step(self) -> None:
        rows = min(self.count, len(self._inputs))
        logits = self._net(self._inputs[:rows])
        loss = nn.functional.binary_cross_entropy_with_logits(logits, self._masks[:rows], weight=self._weights[:rows])
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        result: dict[str, NDArray[Any]] = {
            **self._record.state_dict(),
            "count": np.array(self.count),
            "inputs": self._inputs.numpy().copy(),
            "masks": self._masks.numpy().copy(),
            "weights": self._weights.numpy().copy(),
        }
        result |= with_prefix("scaler.", self._scaler.state_dict())
        result |= with_prefix("net.", {n: tensor.numpy().copy() for n, tensor in self._net.state_dict().items()})
        for number, moments in self._optimiser.state_dict()["state"].items():
            result |= with_prefix(f"adam.{number}.", {n: np.asarray(tensor) for n, tensor in moments.items()})
        return result

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        self._record.load_state_dict(arrays)
        self.count = int(arrays["count"])
        self._scaler.load_state_dict(without_prefix("scaler.", arrays))
        self.resize(len(self._scaler.mean))
        self._inputs, self._masks, self._weights = (
            torch.from_numpy(np.array(arrays[name])) for name in ("inputs", "masks", "weights")
        )
        self._net.load_state_dict({n: torch.from_numpy(np.array(a)) for n, a in without_prefix("net.", arrays).items()})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, array in without_prefix("adam.", arrays).items():
            number, _, moment = name.partition(".")
            moments.setdefault(int(number), {})[moment] = torch.from_numpy(np.array(array))
        self._load_moments(moments)

    def _load_moments(self, moments: dict[int, dict[str, Tensor]]) -> None:
        groups = self._optimiser.state_dict()["param_groups"]
        self._optimiser.load_state_dict({"state": moments, "param_groups": groups})


def correctness(evidence: Floats, y: int) -> NDArray[np.float32]:
    """The multi-hot mask [E]: 1 where the expert was right; if none was, the one that gave y the largest share.

    Where nobody gave y anything, nobody was right.

    >>> correctness(np.array([[3.0, 1.0], [0.0, 2.0]]), 1)
    array([0., 1.], dtype=float32)
    """
    total = evidence.sum(axis=1)
    mask: NDArray[np.float32] = ((evidence.argmax(axis=1) == y) & (total > 0)).astype(np.float32)
    share = evidence[:, y] / np.where(total > 0, total, 1.0)
    if not mask.any() and share.any():
        mask[np.argmax(share)] = 1.0
    return mask


def layer(wide: int, narrow: int, generator: torch.Generator, zero: bool = False) -> nn.Linear:
    """A linear layer drawn from our own generator, never from torch's global one."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, wide, narrow)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        bound = 0.0 if zero else wide**-0.5
        for parameter in layer.parameters():
            parameter.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * bound)
    return layer


def _insert_columns(tensor: Tensor, at: int, more: int) -> Tensor:
    return torch.cat([tensor[:, :at], torch.zeros(tensor.shape[0], more), tensor[:, at:]], dim=1)
