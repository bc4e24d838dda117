"""Target statistics: how often each class came with a category, for experts that add up numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.inputs.categories import CategoriesSettings
from tocsin.kernels.inputs import target_statistics as kernel
from tocsin.kernels.lagged import inputs as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError


class TargetStatistics:
    """The classes that came with each category, learnt from labelled events in their order.

    >>> statistics = TargetStatistics(CategoriesSettings())
    >>> statistics.resize([True], 2)
    >>> kinds, y = np.array([[5.0], [7.0]] * 50), np.array([0, 1] * 50)
    >>> _ = statistics.learn(kinds, y)
    >>> statistics.apply(np.array([[5.0], [7.0], [8.0]])).round(1).tolist()
    [[-3.9], [3.9], [0.0]]
    """

    def __init__(self, settings: CategoriesSettings) -> None:
        self._settings = settings
        self._rates = kernel.Rates(settings.prior, settings.fading_factor)
        self._columns: Ints = np.zeros(0, np.int64)
        self._classes: Ints = kernel.rated(0, settings.classes)
        self._table = kernel.new(0, 0)

    def resize(self, nominal: Sequence[bool], classes: int) -> None:
        """Make room for more columns, of which `nominal` are categories, or for more classes. Never shrinks."""
        self._columns = np.flatnonzero(nominal).astype(np.int64)
        if not self._settings.enabled or not len(self._columns):
            return
        self._classes = kernel.rated(classes, self._settings.classes)
        self._table = kernel.widened(self._table, self._settings.values, min(classes, self._settings.classes))

    @property
    def _idle(self) -> bool:
        return not self._settings.enabled or not len(self._columns)

    def apply(self, X: Floats) -> Floats | None:
        """The rates of X float64 [B, F] as log odds [B, C R]: for each of C categories those of R classes, see
        `tocsin.kernels.inputs.target_statistics.rated`. None without categories. Nothing changes."""
        if self._idle:
            return None
        out = np.empty((len(X), len(self._columns) * len(self._classes)))
        given = np.ascontiguousarray(X, np.float64)
        kernel.apply(self._table, self._columns, self._classes, given, self._rates, out)
        return out

    def learn(self, X: Floats, y: Ints) -> Floats | None:
        """Learn the rows of X float64 [B, F] and their labels y [B], in order; returns each as `apply` gave it just
        before."""
        if self._idle:
            return None
        out = np.empty((len(X), len(self._columns) * len(self._classes)))
        given, labels = np.ascontiguousarray(X, np.float64), np.ascontiguousarray(y, np.int64)
        kernel.learn(self._table, self._columns, self._classes, given, labels, self._rates, out)
        return out

    def ask_and_learn(self, asked: Floats, ahead: Ints, X: Floats, y: Ints) -> tuple[Floats | None, Floats | None]:
        """`apply` for each of n rows `asked`, in turns with `learn` for each of m rows X; returns what both give.

        `ahead` [n], which never falls, is how many of X are learnt before each question.
        """
        if self._idle:
            return None, None
        width = len(self._columns) * len(self._classes)
        told = lagged.Told(np.empty((len(asked), width)), np.empty((len(X), width)))
        given, labels = np.ascontiguousarray(X, np.float64), np.ascontiguousarray(y, np.int64)
        questions = turns.asked(asked, ahead)
        lagged.rate(self._table, self._columns, self._classes, self._rates, questions, given, labels, told)
        return told.asked, told.learnt

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {name: array.copy() for name, array in self._table._asdict().items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        table = kernel.Table(*(np.array(arrays[name]) for name in kernel.Table._fields))
        for name, old, new in zip(kernel.Table._fields, self._table, table, strict=True):
            if old.shape != new.shape or old.dtype != new.dtype:
                raise SnapshotError(f"categories.{name} {new.dtype} {new.shape} is not {old.dtype} {old.shape}")
        self._table = table
