"""The results of scoring events of many models, and the order in which events are taken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.many.packed import ManyModels
from tocsin.kernels.fusion.interface import Floats

Ints = NDArray[np.int64]


class ManyScored(NamedTuple):
    """The decisions on B events, in the order of the events; E and K are the largest of all models.

    What a model has no expert or class for is 0: no trust in an expert that is not there, no belief in a class that is
    not there. So sums and the largest of a row are those of the event's own model.
    """

    label: Ints
    """[B], the most probable class, or -1 where its probability is below the least of its model."""
    reliability: Floats
    """[B, E]"""
    belief: Floats
    """[B, K]"""
    uncertainty: Floats
    """[B]"""
    conflict: Floats
    """[B]"""
    used: Ints
    """[B], how many experts the decision needed."""
    leaf: NDArray[np.int32]
    """[B, E], the node of each tree that answers; -1 where none does, in an empty tree or beyond the model's trees."""


def empty_results(many: ManyModels, events: int) -> list[Tensor]:
    """Tensors for the fields of `ManyScored` of so many events, on the device, with what they hold beyond a model."""
    _, E, K, _ = many.widest
    place, (B, whole, real) = many.place.device, (events, torch.int64, torch.float64)
    results = [
        torch.zeros(shape, dtype=kind, device=place)
        for shape, kind in (((B,), whole), ((B, E), real), ((B, K), real), ((B,), real), ((B,), real), ((B,), whole))
    ]
    return [*results, torch.full((B, E), -1, dtype=torch.int32, device=place)]


def by_size(many: ManyModels, pools: Ints) -> Ints:
    """[B]: the events in an order in which those of one model, and of models of like sizes, are neighbours."""
    order: Ints = np.argsort(many.ranks()[pools], kind="stable")
    return order
