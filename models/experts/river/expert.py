"""Any river classifier as an expert of the pool."""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import base, multiclass

from tocsin.config.experts.river import RiverSettings
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError, TreeCondition
from tocsin.models.experts.evidence import proportional
from tocsin.models.experts.river import state as river_state
from tocsin.models.experts.trees.path import river_path

LARGEST = 1e100
"""Numbers are clipped here on their way to river, which squares them and raises where the result is no number."""


class RiverExpert(Expert):
    """Feeds a river classifier one event at a time and reads its probabilities as evidence.

    Categories arrive as integer codes and the stream's label history as `last_label_1`, `last_label_2`, ...; what is
    not known is left out of the dictionary, as river expects. A model that draws random numbers gets `seed`, unless its
    parameters name one. A model for two classes is wrapped for many, one against the rest.
    """

    def __init__(
        self, settings: RiverSettings, names: Sequence[str] = (), nominal: Sequence[bool] = (), seed: int = 0
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._names = list(names)
        self._nominal = list(nominal)
        self._history = [f"last_label_{i + 1}" for i in range(settings.history)]
        self._classes = 0
        self._seen = 0.0
        self.model = self._build(seed)
        self._weighted = "w" in inspect.signature(self.model.learn_one).parameters

    @classmethod
    def from_settings(cls, settings: RiverSettings, pool: PoolContext) -> RiverExpert:
        """See `Expert`."""
        return cls(settings, pool.names, pool.nominal, pool.seed)

    def _build(self, seed: int) -> Any:
        """The river model. Raises ValueError naming the setting where river has no such model or parameter."""
        module, _, name = self._settings.model.rpartition(".")
        try:
            kind = getattr(importlib.import_module(f"river.{module}"), name)
        except (ImportError, AttributeError):
            raise ValueError(
                f"experts.{self.name}.model: river has no {self._settings.model!r}{_nearest_model(module, name)}"
            ) from None
        if not (inspect.isclass(kind) and issubclass(kind, base.Classifier)):
            raise ValueError(f"experts.{self.name}.model: river's {self._settings.model!r} is no classifier")
        parameters: dict[str, Any] = dict(self._settings.parameters)
        takes = inspect.signature(kind).parameters
        if foreign := [parameter for parameter in parameters if parameter not in takes]:
            close = difflib.get_close_matches(foreign[0], takes, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else f"; it takes {', '.join(takes)}"
            raise ValueError(f"experts.{self.name}.parameters.{foreign[0]}: is no parameter of {name}{hint}")
        if "nominal_attributes" in takes:
            parameters["nominal_attributes"] = self._nominal_names()
        if "seed" in takes:
            parameters.setdefault("seed", seed)
        try:
            model = kind(**parameters)
        except Exception as error:  # whatever a classifier does with a parameter that it did not expect
            raise ValueError(f"experts.{self.name}.parameters: {error}") from None
        return model if model._multiclass else multiclass.OneVsRestClassifier(model)

    def _nominal_names(self) -> list[str]:
        return [n for n, nominal in zip(self._names, self._nominal, strict=True) if nominal] + self._history

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`."""
        self._names, self._nominal = list(names), list(nominal)
        known = getattr(self.model, "nominal_attributes", None)
        if isinstance(known, list | set):
            known.clear()
            known.extend(self._nominal_names()) if isinstance(known, list) else known.update(self._nominal_names())

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        self._classes = max(self._classes, classes)
        for i in range(len(self._names), features):
            self._names.append(f"x{i}")
            self._nominal.append(False)

    def rows(self, batch: Batch) -> list[dict[str, float | int]]:
        """The events as river's dictionaries."""
        return [self.row(batch, i) for i in range(len(batch))]

    def row(self, batch: Batch, i: int) -> dict[str, float | int]:
        """Event i as river's dictionary."""
        row: dict[str, float | int] = {
            name: int(value) if nominal else min(max(value, -LARGEST), LARGEST)
            for name, nominal, value in zip(self._names, self._nominal, batch.X[i].tolist(), strict=True)
            if math.isfinite(value)  # NaN is not known
        }
        if self._history:
            labels = batch.history[i, : len(self._history)].tolist()
            row.update((n, label) for n, label in zip(self._history, labels, strict=False) if label >= 0)
        return row

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`: the probabilities times the weight that the answering leaf has seen, up to `strength`."""
        p = np.zeros((len(batch), self._classes))
        support = np.zeros(len(batch))
        for i, row in enumerate(self.rows(batch)):
            answer = self.model.predict_proba_one(row)
            total = sum(answer.values())
            if 0 < total < math.inf:
                for label, value in answer.items():
                    p[i, label] = value / total
                support[i] = self._support(row)
        return proportional(p, np.minimum(support, self._settings.strength))

    def _support(self, row: dict[str, float | int]) -> float:
        """The weight behind an answer: the leaf's where the model is one tree, else that of all events learnt."""
        root = getattr(self.model, "_root", None)
        if root is None:
            return self._seen
        leaf = root.traverse(row, until_leaf=True) if hasattr(root, "traverse") else root
        return float(sum(leaf.stats.values())) if getattr(leaf, "stats", None) else self._seen

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        for row, label, w in zip(self.rows(batch), y.tolist(), weight.tolist(), strict=True):
            if self._weighted:
                self.model.learn_one(row, label, w=w)
            else:
                self.model.learn_one(row, label)
            self._seen += w

    @property
    def n_nodes(self) -> int | None:
        """See `Expert`; None where the river model counts none."""
        found = getattr(self.model, "n_nodes", None)
        return found if isinstance(found, int) else None

    def explain(self, batch: Batch, i: int, label: int) -> list[TreeCondition]:
        """See `Expert`; empty where the river model is no tree."""
        return river_path(getattr(self.model, "_root", None), self.row(batch, i))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return {"model": river_state.write(self.model), "seen": np.array(self._seen)}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        model = river_state.read(arrays["model"])
        if type(model) is not type(self.model):
            raise SnapshotError(f"the snapshot of {self.name} holds a {type(model).__name__}")
        self.model = model
        self._seen = float(arrays["seen"])


def _nearest_model(module: str, name: str) -> str:
    """A hint at the river classifier whose name is nearest; empty where none is near."""
    try:
        there = importlib.import_module(f"river.{module}")
    except ImportError:
        return ""
    close = difflib.get_close_matches(name, getattr(there, "__all__", []), n=1, cutoff=0.5)
    return f"; did you mean '{module}.{close[0]}'?" if close else ""
