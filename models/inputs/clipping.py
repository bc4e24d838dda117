"""The guard before all experts: a value far outside what is usual in its column is clipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.inputs.clipping import ClippingSettings
from tocsin.kernels.inputs import clipping as kernel
from tocsin.kernels.lagged import inputs as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError


class Clipping:
    """What is usual in each column, learnt from labelled events in their order.

    >>> clipping = Clipping(ClippingSettings())
    >>> clipping.resize([False])
    >>> usual = np.random.default_rng(1).normal(size=(200, 1))
    >>> bool((clipping.learn(usual) == usual).all())
    True
    >>> bool(clipping.apply(np.array([[1e12]]))[0, 0] < 12.0)
    True
    """

    def __init__(self, settings: ClippingSettings) -> None:
        self._settings = settings
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._usual = kernel.new(0)

    def resize(self, nominal: Sequence[bool]) -> None:
        """Make room for more columns, of which `nominal` are categories and stay as they are. Never shrinks."""
        self._nominal = np.array(nominal, np.bool_)
        self._usual = kernel.widened(self._usual, len(self._nominal))

    def apply(self, X: Floats) -> Floats:
        """X float64 [B, F] as the experts see it; nothing changes.."""
        if not self._settings.enabled:
            return X
        given = np.ascontiguousarray(X, np.float64)
        out = np.empty_like(given)
        kernel.clip(self._usual, self._nominal, given, self._settings.deviations, out)
        return out

    def learn(self, X: Floats) -> Floats:
        """Learn the rows of X float64 [B, F], in order; returns each as it is clipped by what came before it."""
        if not self._settings.enabled:
            return X
        given = np.ascontiguousarray(X, np.float64)
        out = np.empty_like(given)
        settings = self._settings
        kernel.learn(self._usual, self._nominal, given, settings.deviations, float(settings.memory), out)
        return out

    def ask_and_learn(self, asked: Floats, ahead: Ints, X: Floats) -> tuple[Floats, Floats]:
        """`apply` for each of n rows `asked`, in turns with `learn` for each of m rows X; returns what both give.

        `ahead` [n], which never falls, is how many of X are learnt before each question.
        """
        if not self._settings.enabled:
            return asked, X
        questions, given = turns.asked(asked, ahead), np.ascontiguousarray(X, np.float64)
        out, learnt, settings = np.empty_like(questions.X), np.empty_like(given), self._settings
        memory = float(settings.memory)
        lagged.clip(self._usual, self._nominal, settings.deviations, memory, questions, given, out, learnt)
        return out, learnt

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {name: array.copy() for name, array in self._usual._asdict().items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        usual = kernel.Usual(*(np.array(arrays[name]) for name in kernel.Usual._fields))
        for name, old, new in zip(kernel.Usual._fields, self._usual, usual, strict=True):
            if old.shape != new.shape or old.dtype != new.dtype:
                raise SnapshotError(f"clipping.{name} {new.dtype} {new.shape} is not {old.dtype} {old.shape}")
        self._usual = usual
