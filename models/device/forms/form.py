"""How a device answers for one expert of a pool, and which kinds of experts it can answer for."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar

from numpy.typing import NDArray
from torch import Tensor

from tocsin.kernels.device.mirror import Mirror
from tocsin.models.data.batch import Batch, Floats
from tocsin.models.device.inputs import Inputs, View
from tocsin.models.experts.base import Expert

FORMS: dict[str, str | type[Form]] = {
    "linear": "tocsin.models.device.forms.regression.linear:LinearForm",
    "logistic": "tocsin.models.device.forms.regression.logistic:LogisticForm",
    "moving-averages": "tocsin.models.device.forms.regression.over_time:MovingAveragesForm",
    "moving-clusters": "tocsin.models.device.forms.moving_clusters:MovingClustersForm",
    "naive-bayes": "tocsin.models.device.forms.naive_bayes:NaiveBayesForm",
    "neighbours": "tocsin.models.device.forms.neighbours:NeighboursForm",
    "persistence": "tocsin.models.device.forms.persistence:PersistenceForm",
    "rare-class": "tocsin.models.device.forms.rare_class:RareClassForm",
    "seasonal": "tocsin.models.device.forms.regression.over_time:SeasonalForm",
    "stack": "tocsin.models.device.forms.regression.stack:StackForm",
    "forest": "tocsin.models.device.forms.trees:ForestForm",
    "tree": "tocsin.models.device.forms.trees:TreeForm",
}
"""The form of each kind of expert, or where it stands. An expert of another kind answers on the CPU."""


class Copies:
    """The tensors of one expert: those of a mirror whose names begin with the expert's own."""

    def __init__(self, mirror: Mirror, prefix: str) -> None:
        self.mirror, self.prefix = mirror, prefix

    def put(self, name: str, array: NDArray[Any]) -> None:
        """See `Mirror.put`."""
        self.mirror.put(self.prefix + name, array)

    def put_rows(self, name: str, array: NDArray[Any], rows: NDArray[Any]) -> None:
        """See `Mirror.put_rows`."""
        self.mirror.put_rows(self.prefix + name, array, rows)

    def write_rows(self, name: str, values: NDArray[Any], rows: NDArray[Any]) -> None:
        """See `Mirror.write_rows`."""
        self.mirror.write_rows(self.prefix + name, values, rows)

    def __getitem__(self, name: str) -> Tensor:
        return self.mirror[self.prefix + name]

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.mirror


class Form(ABC):
    """One expert as tensors. Its answer is what `Expert.evidence` gives, to 1e-9, and for trees from the same leaf.

    `evidence` must be a function of tensors alone: no value is fetched from the device, and no number that changes with
    learning is a Python number, so that the launches can be captured once and repeated. What decides which operations
    run (the number of neighbours, the depth of a loop) is in `structure`: where it changes, they are captured anew.
    """

    views: ClassVar[frozenset[View]]
    """The views of a batch that `evidence` reads."""

    def __init__(self, expert: Any, copies: Copies) -> None:
        self.expert: Any = expert
        self.copies = copies

    @abstractmethod
    def follow(self) -> None:
        """Put what the expert has learnt since the last time (`Copies.put`, `Copies.put_rows`)."""

    @abstractmethod
    def evidence(self, inputs: Inputs) -> Tensor:
        """Pseudo-counts float64 [B, K], from the tensors as they were last sent."""

    def own_columns(self, batch: Batch) -> Floats | None:
        """What it makes of a batch on the CPU beside the views, [B, n], to come as `Inputs.own`; None for most."""
        return None

    @abstractmethod
    def bytes_needed(self) -> int:
        """Bytes that its tensors take, known before they are made."""

    @property
    def structure(self) -> Hashable:
        """Equal as long as `evidence` runs the same operations on tensors of the same shapes."""
        return None


def form_of(kind: str, expert: Expert, copies: Copies) -> Form | None:
    """The form of an expert of this kind; None where it has none and answers on the CPU."""
    found = FORMS.get(kind)
    if isinstance(found, str):
        module, _, name = found.partition(":")
        found = FORMS[kind] = getattr(importlib.import_module(module), name)
    return None if found is None else found(expert, copies)
