"""The expert on rare classes on a device. Where no class is rare it has no tensors and says nothing."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.rare_class import torch_tensors
from tocsin.kernels.device.rare_class.torch_tensors import Gaussians, RareOnDevice, Solve, evidence
from tocsin.kernels.experts.rare_class.gaussian import CLIP, READY
from tocsin.kernels.experts.rare_class.learning import STRENGTH
from tocsin.kernels.experts.rare_class.state import BLENDS, prior_odds
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.device.forms.arrays import FormOfArrays
from tocsin.models.device.forms.regression.seen import numbers_of, rates_of
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.rare_class.expert import RareClassExpert


class RareClassForm(FormOfArrays):
    """See `tocsin.models.experts.rare_class.expert.RareClassExpert`."""

    views: ClassVar[frozenset[View]] = frozenset({"filled", "rates"})
    expert: RareClassExpert

    @property
    def _inputs(self) -> int:
        """D; 0 where there are no Gaussians."""
        return int(self.expert.model.common.mean.shape[1])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `FormOfArrays`."""
        rare = np.flatnonzero(self.expert.rare)
        if not len(rare):
            return {}
        voting = {**self._voting(rare), "places": numbers_of(self.expert.nominal)}
        return voting | self._gaussians(rare) if self._inputs else voting

    def _voting(self, rare: Ints) -> dict[str, NDArray[Any]]:
        """See `RareOnDevice`."""
        model, eta = self.expert.model, self.expert.settings.eta
        shares, vote = model.shares, model.vote
        place = np.eye(len(shares.counts))[rare]
        prior = np.array([prior_odds(shares, k) for k in rare.tolist()])
        known = self._inputs > 0 and model.common.rows[0] >= READY
        has = known & (model.examples.seen[rare] > 0)
        others = np.where(shares.rare, 0.0, shares.counts)
        memories, sharpness = (np.array(part) for part in zip(*BLENDS, strict=True))
        blends = np.exp(-eta * (vote.blend_loss[rare] - vote.blend_loss[rare].min(axis=1, keepdims=True)))
        return {
            "about": np.column_stack([prior, 1.0 / (1.0 + np.exp(-prior)), vote.scale[rare], has]),
            "place": place,
            "counted": np.maximum(place, shares.counts > 0.0),
            "others": others / max(others.sum(), 1e-300),
            "losses": eta * sharpness[:, None] * vote.loss[rare][:, memories],
            "blends": blends / blends.sum(axis=1, keepdims=True),
            "numbers": np.array([min(vote.fit[STRENGTH], self.expert.settings.strength)]),
        }

    def _gaussians(self, rare: Ints) -> dict[str, NDArray[Any]]:
        """See `Gaussians`. A system is a row: an example of a class changes its own."""
        common, heads = self.expert.model.common, self.expert.model.heads
        variance = np.diagonal(common.covariance, axis1=1, axis2=2)
        far = np.where(variance > 0.0, CLIP * np.sqrt(np.maximum(variance, 0.0)), np.inf)
        weight = np.exp(heads.log_weight[rare] - heads.log_weight[rare].max(axis=1, keepdims=True))

        def systems(of_all: Floats, of_each: Floats) -> Floats:
            """Those of all events [1, V, ..] and of each class [R, V, Q, ..] as [1 + R Q, V, ..]."""
            own = of_each[rare].swapaxes(1, 2)
            return np.concatenate([of_all[None], own.reshape(-1, *own.shape[2:])])

        return {
            "moments": np.stack([common.mean, far]),
            "slope": heads.slope[rare],
            "offset": heads.offset[rare],
            "centre": systems(np.zeros_like(common.mean), heads.centre),
            "factor": systems(common.factor, heads.factor),
            "log_det": systems(common.log_det, heads.log_det),
            "weight": weight / weight.sum(axis=1, keepdims=True),
        }

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`; vacuous where no class is rare."""
        expert, copies = self.expert, self.copies
        B, K = len(inputs), expert.classes
        if not expert.rare.any():
            return torch.zeros((B, K), dtype=torch.float64, device=inputs.place)
        said = inputs.said
        if said is None:
            said = torch.zeros((B, expert.heard, K), dtype=torch.float64, device=inputs.place)
        gaussians = Gaussians(*(copies[name] for name in Gaussians._fields)) if self._inputs else None
        voting = {name: copies[name] for name in RareOnDevice._fields if name != "gaussians"}
        return evidence(RareOnDevice(gaussians=gaussians, **voting), self._rows(inputs), said, self._solve)

    @property
    def _solve(self) -> Solve:
        if not self.copies.mirror.place.triton:
            return torch_tensors.solved
        from tocsin.kernels.device.rare_class import triton_launch  # here, because Triton is not everywhere

        return triton_launch.solved

    def _rows(self, inputs: Inputs) -> Tensor:
        """The inputs [B, D] of B events."""
        expert, filled = self.expert, inputs["filled"]
        if not self._inputs:
            return filled[:, :0]
        numbers = filled.index_select(1, self.copies["places"])
        if not (expert.most_rated and expert.nominal.any()):
            return numbers
        return torch.cat([numbers, rates_of(inputs, expert.nominal, expert.classes, expert.most_rated)], dim=1)

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        expert = self.expert
        return expert.rare.tobytes(), expert.classes, expert.heard, self._inputs, expert.nominal.tobytes()
