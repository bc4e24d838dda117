"""The state of a second-order logistic regression, whose inputs and classes may become more."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.logistic import SecondOrderSettings
from tocsin.kernels.experts import logistic as kernel
from tocsin.kernels.experts import restarts
from tocsin.models.experts.base import Arrays, SnapshotError

START = 1.0
"""Pseudo-counts of an answer before any has been checked."""


class SecondOrder:
    """Models of K classes on D inputs, see `tocsin.kernels.experts.logistic`.

    An input is known by a name that stays when others come before it.
    """

    def __init__(self, settings: SecondOrderSettings, strength: float) -> None:
        self._settings = settings
        self.rates = kernel.Rates(settings.fading_factor, settings.variance, settings.restart_threshold, strength)
        self.inputs: list[Hashable] = []
        """Their names, in the order of the weights."""
        self.classes = 0
        nothing = np.zeros((0, 0)), np.zeros((0, 0, 0)), np.zeros((0, 2))
        self.model = kernel.Logistic(*nothing, np.array([START, 0.0]), np.zeros(restarts.SIZE))

    def _shape(self, inputs: int, classes: int) -> tuple[int, int]:
        """How many models there are, and how many covariances."""
        models = 1 if classes <= 2 else classes
        return models, models if models * inputs**2 <= self._settings.max_own else 1

    def resize(self, names: Sequence[Hashable], classes: int) -> None:
        """Have the inputs of these names, in this order, and so many classes. What was there before stays.

        What is new begins at the prior. Where inputs leave, or where classes begin to share a covariance, the
        covariance begins anew. K never shrinks.
        """
        classes = max(classes, self.classes)
        if list(names) == self.inputs and classes == self.classes:
            return
        place = {name: d for d, name in enumerate(names)}
        stay = [d for d, name in enumerate(self.inputs) if name in place]
        to = [place[self.inputs[d]] for d in stay]
        models, covariances = self._shape(len(names), classes)
        old = _as_classes(self.model) if models > 1 and len(self.model.weights) == 1 else self.model
        weights, noise = np.zeros((models, len(names))), np.tile([self._settings.noise, 0.0], (models, 1))
        weights[: len(old.weights), to] = old.weights[:, stay]
        noise[: len(old.noise)] = old.noise
        factors = np.zeros((covariances, len(names), len(names)))
        factors[:, range(len(names)), range(len(names))] = self.rates.variance
        shared_from_now = covariances == 1 and len(self.model.factors) > 1
        if len(stay) == len(self.inputs) and not shared_from_now:
            kept = old.factors[:covariances]
            factors[np.ix_(range(len(kept)), to, to)] = kept
        self.model = self.model._replace(weights=weights, factors=factors, noise=noise)
        self.inputs, self.classes = list(names), classes

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        state: dict[str, NDArray[Any]] = {name: array.copy() for name, array in self.model._asdict().items()}
        return state | {"classes": np.array(self.classes)}

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave, of as many inputs and classes as there is room for.

        Raises KeyError, TypeError, ValueError or SnapshotError.
        """
        model = kernel.Logistic(*(np.array(arrays[name], np.float64) for name in kernel.Logistic._fields))
        found, needed = [array.shape for array in model], [array.shape for array in self.model]
        if found != needed or int(arrays["classes"]) != self.classes:
            raise SnapshotError(f"arrays {found} are not {needed}, those of {self.classes} classes and these columns")
        self.model = model


def _as_classes(one: kernel.Logistic) -> kernel.Logistic:
    """The model of two classes as one model for each of them, with a covariance of its own."""
    signs = np.array([[-1.0], [1.0]])
    return one._replace(
        weights=signs * one.weights, factors=np.repeat(one.factors, 2, axis=0), noise=np.repeat(one.noise, 2, axis=0)
    )
