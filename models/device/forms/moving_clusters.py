"""Moving clusters on a device."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.moving_clusters import torch_tensors
from tocsin.kernels.device.moving_clusters.torch_tensors import Distances, MovingOnDevice, evidence
from tocsin.kernels.experts.moving_clusters.density import EUCLIDEAN, MAXIMUM, TURNS
from tocsin.kernels.experts.moving_clusters.state import LOSS, SHAPE, SPEED, STRENGTH, Clusters
from tocsin.models.data.batch import Floats
from tocsin.models.device.forms.arrays import FormOfArrays
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.moving_clusters import MovingClustersExpert


class MovingClustersForm(FormOfArrays):
    """See `tocsin.models.experts.moving_clusters.MovingClustersExpert`. A cluster that moves sends its own row."""

    views: ClassVar[frozenset[View]] = frozenset({"X", "ranked"})
    expert: MovingClustersExpert

    def arrays(self) -> dict[str, NDArray[Any]]:
        """See `FormOfArrays`."""
        expert, model = self.expert, self.expert.model
        if not len(expert.columns):
            return {}
        return {
            "clusters": rows_of(model.clusters),
            "factor": model.factor,
            "numbers": self._numbers(),
            "places": expert.columns,
        }

    def _numbers(self) -> Floats:
        """See `tocsin.kernels.device.moving_clusters.torch_tensors.NOW`."""
        figures, varied = self.expert.model.figures, float((self.expert.model.factor > 0.0).sum())
        shape, turns = min(figures[SHAPE], 0.5 * varied), TURNS * math.sqrt(figures[SPEED])
        maximum = float(figures[LOSS + EUCLIDEAN] > figures[LOSS + MAXIMUM])
        strength = min(figures[STRENGTH], self.expert.settings.strength)
        return np.array([self.expert.learnt, varied, shape, turns, maximum, strength], np.float64)

    def evidence(self, inputs: Inputs) -> Tensor:
        """See `Form`."""
        if not len(self.expert.columns):
            return torch.zeros((len(inputs), self.expert.classes), dtype=torch.float64, device=inputs.place)
        X = inputs.ranked_where_known.index_select(1, self.copies["places"])
        model = MovingOnDevice(self.copies["clusters"], self.copies["factor"], self.copies["numbers"])
        return evidence(model, X, self.expert.classes, self._distances)

    @property
    def _distances(self) -> Distances:
        if not self.copies.mirror.place.triton:
            return torch_tensors.distances
        from tocsin.kernels.device.moving_clusters import triton_launch  # here, because Triton is not everywhere

        return triton_launch.distances

    @property
    def structure(self) -> Hashable:
        """See `Form`."""
        return len(self.expert.columns), self.expert.classes, len(self.expert.model.clusters.label)


def rows_of(clusters: Clusters) -> Floats:
    """All that is known of each cluster in one row, [C, 9 + 2 F]; see the module of `evidence`."""
    head = [clusters.label, clusters.at, *clusters.sums, clusters.spread, *clusters.logs]
    return np.concatenate([np.stack(head), clusters.centre, clusters.velocity]).T.astype(np.float64)
