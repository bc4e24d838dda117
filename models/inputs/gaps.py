"""Gaps that tell something, for experts that see them as inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.inputs.gaps import GapsSettings
from tocsin.kernels.inputs import informative as kernel
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError


class InformativeGaps:
    """Which columns say something by not being known, learnt from labelled events in their order.

    >>> gaps = InformativeGaps(GapsSettings())
    >>> gaps.resize([False], 2)
    >>> y = np.arange(200) % 2
    >>> _ = gaps.learn(np.where(y == 1, np.nan, 0.0)[:, None], y)
    >>> gaps.apply(np.array([[np.nan], [1.0]])).tolist()
    [[1.0], [0.0]]
    """

    def __init__(self, settings: GapsSettings) -> None:
        self._settings = settings
        self._informative = kernel.new(0, 0)

    def resize(self, nominal: Sequence[bool], classes: int) -> None:
        """Make room for more columns or classes. Never shrinks."""
        self._informative = kernel.widened(self._informative, len(nominal), classes)

    @property
    def open(self) -> Bools:
        """Which columns say something by not being known, [F]."""
        return self._informative.open.copy()

    def apply(self, X: Floats) -> Floats | None:
        """1 for each value of X float64 [B, F] that is not known and says something by that, else 0; None where there
        is none. Nothing changes."""
        if not self._settings.enabled or not self._informative.open.any():
            return None
        out = np.empty(X.shape)
        kernel.apply(self._informative, np.ascontiguousarray(X, np.float64), out)
        return out if out.any() else None

    def learn(self, X: Floats, y: Ints) -> Floats | None:
        """Learn the rows of X float64 [B, F] and their labels y [B], in order; returns each as `apply` gave it just
        before."""
        if not self._settings.enabled:
            return None
        out = np.empty(X.shape)
        given = np.ascontiguousarray(X, np.float64)
        kernel.learn(self._informative, given, np.ascontiguousarray(y, np.int64), self._settings.least, out)
        return out if out.any() else None

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {name: array.copy() for name, array in self._informative._asdict().items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        informative = kernel.Informative(*(np.array(arrays[name]) for name in kernel.Informative._fields))
        for name, old, new in zip(kernel.Informative._fields, self._informative, informative, strict=True):
            if old.shape != new.shape or old.dtype != new.dtype:
                raise SnapshotError(f"gaps.{name} {new.dtype} {new.shape} is not {old.dtype} {old.shape}")
        self._informative = informative
