"""The guard before all experts: a value far outside what is usual in its column is clipped.

Where a class is rare and such values come with it, they are drawn near instead (`tocsin.kernels.inputs.extremes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.inputs.clipping import ClippingSettings
from tocsin.kernels.inputs import clipping as kernel
from tocsin.kernels.inputs import extremes
from tocsin.kernels.lagged import extremes as in_turns
from tocsin.kernels.lagged import inputs as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError
from tocsin.models.inputs.rarity import Rarity


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
        self._extremes = extremes.new(0)

    def resize(self, nominal: Sequence[bool]) -> None:
        """Make room for more columns, of which `nominal` are categories and stay as they are. Never shrinks."""
        self._nominal = np.array(nominal, np.bool_)
        self._usual = kernel.widened(self._usual, len(self._nominal))
        self._extremes = extremes.widened(self._extremes, len(self._nominal))

    @property
    def tells(self) -> Bools:
        """Which columns have extreme values that come with rare classes, [F]."""
        return self._extremes.tells.copy()

    def apply(self, X: Floats, rare: bool = False) -> Floats:
        """X float64 [B, F] as the experts see it; nothing changes. `rare` is whether a class is rare now."""
        if not self._settings.enabled:
            return X
        given, stretch = np.ascontiguousarray(X, np.float64), rare and bool(self._extremes.tells.any())
        clipped = _room(given, stretch)
        kernel.clip(self._usual, self._nominal, given, self._settings.deviations, clipped)
        if not stretch:
            return clipped.hard
        out = np.empty_like(given)
        extremes.apply(self._extremes, clipped, out)
        return out

    def learn(self, X: Floats, rare: Rarity | None = None) -> Floats:
        """Learn the rows of X float64 [B, F], in order; returns each as `apply` gave it just before.

        `rare` says where a class was rare; without it none was.
        """
        return self.ask_and_learn(X[:0], np.zeros(0, np.int64), X, rare)[1]

    def ask_and_learn(self, asked: Floats, ahead: Ints, X: Floats, rare: Rarity | None = None) -> tuple[Floats, Floats]:
        """`apply` for each of n rows `asked`, in turns with `learn` for each of m rows X; returns what both give.

        `ahead` [n], which never falls, is how many of X are learnt before each question.
        """
        if not self._settings.enabled:
            return asked, X
        questions, given = turns.asked(asked, ahead), np.ascontiguousarray(X, np.float64)
        own = self._settings
        limits, stretch = kernel.Limits(own.deviations, float(own.memory)), rare is not None and bool(rare.any.any())
        told = lagged.ClippedInTurns(_room(questions.X, stretch), _room(given, stretch))
        if len(questions.ahead):
            lagged.clip(self._usual, self._nominal, limits, questions, given, told)
        else:
            kernel.learn(self._usual, self._nominal, given, limits, told.learnt)
        if rare is None or not stretch:
            return told.asked.hard, told.learnt.hard
        out, learnt = np.empty_like(questions.X), np.empty_like(given)
        labels = in_turns.Labels(told.learnt, rare.any, rare.odd)
        in_turns.ask_and_learn(self._extremes, in_turns.Questions(told.asked, questions.ahead), labels, out, learnt)
        return out, learnt

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        own = {name: array.copy() for name, array in self._usual._asdict().items()}
        return own | {f"extremes.{name}": array.copy() for name, array in self._extremes._asdict().items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        usual = kernel.Usual(*(_like(f"{name}", one, arrays) for name, one in self._usual._asdict().items()))
        far = (_like(f"extremes.{name}", one, arrays) for name, one in self._extremes._asdict().items())
        self._usual, self._extremes = usual, extremes.Extremes(*far)


def _room(X: Floats, stretch: bool) -> kernel.Clipped:
    """Room for X [B, F] clipped, and where it is asked for stretched."""
    return kernel.Clipped(np.empty_like(X), np.empty_like(X) if stretch else np.empty((0, X.shape[1])))


def _like(name: str, old: NDArray[Any], arrays: Arrays) -> NDArray[Any]:
    """The array of this name. Raises SnapshotError where it is not like the old one."""
    new = np.array(arrays[name])
    if old.shape != new.shape or old.dtype != new.dtype:
        raise SnapshotError(f"clipping.{name} {new.dtype} {new.shape} is not {old.dtype} {old.shape}")
    return new
