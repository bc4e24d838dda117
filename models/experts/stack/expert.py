"""The expert that hears the others: second-order logistic regression on what they say and on traits of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.logistic import StackSettings
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.experts.base import Arrays, PoolContext, SnapshotError
from tocsin.models.experts.logistic.base import SecondOrderExpert
from tocsin.models.experts.stack.traits import TRAITS, traits

LABELS_MEMORY = 10_000.0
"""Labels over which the shares of classes are taken."""
MOST_RARE = 10.0
"""No label counts more than so many times."""
FAINT = 1e-3
"""A probability counts as at least this, so that it has a logarithm."""


class StackExpert(SecondOrderExpert):
    """Stacking (Wolpert 1992), as a second pass over an event (Chain-of-Experts, arXiv 2506.18945).

    What the experts before it say are log probabilities less their mean over the classes; an expert that is silent has
    0. The fusion weighs experts, and this expert learns what they cannot say by a weight: that one is too sure of a
    class, or right about it in short texts only. Features of the event are no inputs.

    >>> expert = StackExpert(StackSettings(traits=False), heard=1)
    >>> expert.resize(0, 2)
    >>> wrong = np.tile([[[0.0, 9.0]], [[9.0, 0.0]]], (20, 1, 1))
    >>> batch = replace(Batch.of(np.zeros((40, 0))), said=wrong)
    >>> expert.learn(batch, np.tile([0, 1], 20), np.ones(40))
    >>> expert.evidence(batch).argmax(axis=1)[:2].tolist()
    [0, 1]
    """

    hears = True

    def __init__(self, settings: StackSettings, heard: int) -> None:
        """`heard` experts stand before it."""
        self._own, self._heard = settings, heard
        self._traits = len(TRAITS) if settings.traits else 0
        self._labels: list[float] = []
        """Labels of each class, faded; one of each to begin with."""
        super().__init__(settings, settings.name, settings.strength, [False] * self._traits)

    @classmethod
    def from_settings(cls, settings: StackSettings, pool: PoolContext) -> StackExpert:
        """See `Expert`."""
        return cls(settings, pool.before)

    def _fresh(self) -> StackExpert:
        return type(self)(self._own, self._heard)

    @property
    def heard(self) -> int:
        """How many experts stand before it."""
        return self._heard

    def traits_of(self, batch: Batch) -> Floats:
        """The traits of the events' texts [B, n]; none where they are no inputs."""
        return traits(batch.texts, self._own.characters) if self._traits else np.zeros((len(batch), 0))

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`: no column is looked at."""

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`: the inputs are the traits, and behind them for each class what the experts say of it."""
        super().resize(self._traits + max(classes, self._learner.classes) * self._heard, classes)
        self._labels += [1.0] * (self._learner.classes - len(self._labels))

    def _inputs_of(self, batch: Batch) -> Batch:
        """The same events, whose features are this expert's inputs."""
        B, K = len(batch), self._learner.classes
        said = np.zeros((B, self._heard, K)) if batch.said is None else np.ascontiguousarray(batch.said)
        total = said.sum(axis=2, keepdims=True)
        shares = np.divide(said, total, out=np.ones_like(said), where=total > 0.0)
        logs = np.log(np.maximum(shares, FAINT))
        logs -= logs.mean(axis=2, keepdims=True)
        by_class = logs.transpose(0, 2, 1).reshape(B, K * self._heard)
        return replace(batch, X=np.concatenate([self.traits_of(batch), by_class], axis=1), views=None, said=None)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`."""
        if self.silent:
            return np.zeros((len(batch), self._learner.classes))
        return super().evidence(self._inputs_of(batch))

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        if not self.silent:
            super().learn(self._inputs_of(batch), y, self._weighed(y, weight))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        if self.silent:
            return np.zeros((len(batch), self._learner.classes))
        return super().predict_then_learn(self._inputs_of(batch), y, self._weighed(y, weight))

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        if self.silent:
            return np.zeros((len(asked), self._learner.classes))
        weighed = self._weighed(y, weight)
        return super().ask_and_learn(self._inputs_of(asked), ahead, self._inputs_of(batch), y, weighed)

    def _weighed(self, y: Ints, weight: Floats) -> Floats:
        """The weights [B] of labels in order, with those of rare classes raised as `rare_class_power` says."""
        if not self._own.rare_class_power:
            return weight
        labels, result = self._labels, weight.copy()
        for i, k in enumerate(y.tolist()):
            labels[:] = [count - count / LABELS_MEMORY for count in labels]
            labels[k] += 1.0
            mean = sum(labels) / len(labels)
            result[i] *= min((mean / labels[k]) ** self._own.rare_class_power, MOST_RARE)
        return result

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return {**super().state_dict(), "labels": np.array(self._labels, np.float64)}

    def _take_over(self, arrays: Arrays) -> None:
        columns = self._traits + int(arrays["classes"]) * self._heard
        if len(arrays["nominal"]) != columns:
            raise SnapshotError(f"{len(arrays['nominal'])} inputs are not the {columns} of {self._heard} experts")
        super()._take_over(arrays)
        self._labels = np.array(arrays["labels"], np.float64).tolist()
        if len(self._labels) != self._learner.classes:
            raise SnapshotError(f"{len(self._labels)} shares are not those of {self._learner.classes} classes")
