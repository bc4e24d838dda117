"""Contextual discounting: each expert's evidence for a class is discounted by how often it was right about that class.

The formula is in `tocsin.kernels.routing.class_discount`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.fusion import FusionSettings
from tocsin.kernels.routing import class_discount as kernel
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.feedback import in_turns
from tocsin.models.experts.base import Arrays


class ClassDiscount:
    """Discounts evidence class by class, and keeps each expert's precision for each class."""

    def __init__(self, experts: int, fade: float) -> None:
        self._fade = fade
        self._precision = np.full((experts, 0), 0.5)
        self._answers = np.zeros((experts, 0))

    def resize(self, classes: int) -> None:
        """Make room for more classes. Never shrinks."""
        more = classes - self._precision.shape[1]
        if more > 0:
            self._precision = np.pad(self._precision, ((0, 0), (0, more)), constant_values=0.5)
            self._answers = np.pad(self._answers, ((0, 0), (0, more)))

    def forget(self, expert: int) -> None:
        """Forget the precision of an expert that begins anew."""
        self._precision[expert], self._answers[expert] = 0.5, 0.0

    def discount(self, evidence: Floats, prior: float) -> Floats:
        """The evidence [B, E, K] with each class discounted; `prior` is the prior weight of an opinion."""
        out = np.empty_like(evidence)
        kernel.discount_rows(self._precision, self._answers, evidence, prior, out)
        return out

    def learn(self, evidence: Floats, y: Ints, prior: float) -> Floats:
        """Learn B events in order; returns what `discount` gave just before each."""
        out = np.empty_like(evidence)
        kernel.learn_rows(self._precision, self._answers, evidence, y, prior, self._fade, out)
        return out

    def ask_and_learn(
        self, asked: Floats, ahead: Ints, evidence: Floats, y: Ints, prior: float
    ) -> tuple[Floats, Floats]:
        """`discount` for `asked` [n, E, K], in turns with `learn` for `evidence` [m, E, K]; returns what both give.

        `ahead` [n], which never falls, is how many are learnt before each question.
        """
        out, learnt = np.empty_like(asked), np.empty_like(evidence)

        def ask(start: int, stop: int) -> None:
            out[start:stop] = self.discount(asked[start:stop], prior)

        def learn(start: int, stop: int) -> None:
            learnt[start:stop] = self.learn(evidence[start:stop], y[start:stop], prior)

        in_turns(ahead, len(y), ask, learn)
        return out, learnt

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        return {"precision": self._precision, "answers": self._answers}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`. Raises KeyError or ValueError where arrays do not fit."""
        precision, answers = (np.array(arrays[name], np.float64) for name in ("precision", "answers"))
        if not precision.shape == answers.shape == self._precision.shape:
            raise ValueError(f"records of {precision.shape} and {answers.shape}, not of {self._precision.shape}")
        self._precision, self._answers = precision, answers


class NoClassDiscount:
    """Evidence as it is, where the config does not ask for a discount by class."""

    def resize(self, classes: int) -> None:
        """Nothing to make room for."""

    def forget(self, expert: int) -> None:
        """Nothing to forget."""

    def discount(self, evidence: Floats, prior: float) -> Floats:
        """The evidence itself."""
        return evidence

    def learn(self, evidence: Floats, y: Ints, prior: float) -> Floats:
        """The evidence itself."""
        return evidence

    def ask_and_learn(
        self, asked: Floats, ahead: Ints, evidence: Floats, y: Ints, prior: float
    ) -> tuple[Floats, Floats]:
        """The evidence itself."""
        return asked, evidence

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """No state."""
        return {}

    def load_state_dict(self, arrays: Arrays) -> None:
        """No state."""


def class_discount(settings: FusionSettings, experts: int) -> ClassDiscount | NoClassDiscount:
    """What the config asks for, for E experts."""
    return ClassDiscount(experts, settings.fading_factor) if settings.contextual else NoClassDiscount()
