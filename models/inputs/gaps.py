"""Gaps that tell something: linear experts see them as inputs, and others see a category of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.inputs.gaps import GapsSettings
from tocsin.kernels.inputs import informative as kernel
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.data.features import MISSING_CATEGORY
from tocsin.models.data.feedback import in_turns
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
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._informative = kernel.new(0, 0)

    def resize(self, nominal: Sequence[bool], classes: int) -> None:
        """Make room for more columns, of which `nominal` are categories, or for more classes. Never shrinks."""
        self._nominal = np.array(nominal, np.bool_)
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

    def ask_and_learn(self, asked: Floats, ahead: Ints, X: Floats, y: Ints) -> tuple[Floats | None, Floats | None]:
        """`apply` for each of n rows `asked`, in turns with `learn` for each of m rows X; returns what both give.

        `ahead` [n], which never falls, is how many of X are learnt before each question. Only rows that lack something
        have to be asked about in their turn.
        """
        out, learnt = np.zeros(asked.shape), np.zeros(X.shape)
        lacking = np.flatnonzero(np.isnan(asked).any(axis=1))

        def ask(start: int, stop: int) -> None:
            rows = lacking[start:stop]
            if (told := self.apply(asked[rows])) is not None:
                out[rows] = told

        def learn(start: int, stop: int) -> None:
            if (told := self.learn(X[start:stop], y[start:stop])) is not None:
                learnt[start:stop] = told

        in_turns(ahead[lacking], len(X), ask, learn)
        return out if out.any() else None, learnt if learnt.any() else None

    def named(self, batch: Batch) -> Batch:
        """Prepared events in which a category that is not known is one of its own, where `Batch.gaps` says that such
        gaps tell something."""
        views = batch.views
        if views is None or views.gaps is None or not views.gaps[:, self._nominal].any():
            return batch
        named = (views.gaps > 0.0) & self._nominal
        X, filled, ranked = (np.where(named, MISSING_CATEGORY, seen) for seen in (batch.X, views.filled, views.ranked))
        return replace(batch, X=X, views=views._replace(filled=filled, ranked=ranked))

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
