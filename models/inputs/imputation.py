"""Guesses of what is not known of an event, from the rest of it and from the event before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.inputs.imputation import ImputationSettings
from tocsin.kernels.inputs import imputation as kernel
from tocsin.kernels.inputs import imputation_state as state
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.feedback import in_turns
from tocsin.models.data.snapshot import Arrays, SnapshotError

FEWEST = 100
"""Events that are remembered however many columns there are."""


class Imputation:
    """What numbers are guessed from, learnt from labelled events in their order.

    >>> imputation = Imputation(ImputationSettings())
    >>> imputation.resize([False, False])
    >>> known = np.random.default_rng(1).normal(size=(300, 1)) * [1.0, 2.0]
    >>> _ = imputation.learn(known, np.zeros(300, np.int64))
    >>> bool(1.5 < imputation.apply(np.array([[1.0, np.nan]]))[0, 1] < 2.5)
    True
    """

    def __init__(self, settings: ImputationSettings) -> None:
        self._settings = settings
        self._rules = state.Rules(settings.neighbours, float(settings.memory))
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._imputer = state.new(0, self._length(0), np.zeros(0, np.int64))

    def _length(self, columns: int) -> int:
        return min(self._settings.rows, max(FEWEST, self._settings.numbers // max(columns, 1)))

    def resize(self, nominal: Sequence[bool]) -> None:
        """Make room for more columns, of which `nominal` are categories and are not guessed. Never shrinks."""
        if len(nominal) <= len(self._nominal):
            return
        self._nominal = np.array(nominal, np.bool_)
        places = np.flatnonzero(~self._nominal)[: self._settings.columns]
        self._imputer = state.widened(self._imputer, len(nominal), self._length(len(nominal)), places)

    def apply(self, X: Floats) -> Floats:
        """X float64 [B, F] with guesses in place of NaN; nothing changes.

        NaN stays in categories, in columns that were never known, and while hardly anything was learnt.
        """
        if not self._settings.enabled:
            return X
        given = np.ascontiguousarray(X, np.float64)
        if not np.isnan(given).any():
            return given
        out = np.empty_like(given)
        kernel.apply(self._imputer, self._nominal, given, self._rules, out)
        return out

    def learn(self, X: Floats, delay: Ints) -> Floats:
        """Learn the rows of X float64 [B, F], in order; returns each as `apply` gave it just before.

        `delay` int64 [B] is how many events were learnt between an event's decision and its label.
        """
        if not self._settings.enabled:
            return X
        given = np.ascontiguousarray(X, np.float64)
        out = np.empty_like(given)
        kernel.learn(self._imputer, self._nominal, given, np.ascontiguousarray(delay, np.int64), self._rules, out)
        return out

    def ask_and_learn(self, asked: Floats, ahead: Ints, X: Floats, delay: Ints) -> tuple[Floats, Floats]:
        """`apply` for each of n rows `asked`, in turns with `learn` for each of m rows X; returns what both give.

        `ahead` [n], which never falls, is how many of X are learnt before each question. Only rows that lack something
        have to be asked about in their turn.
        """
        if not self._settings.enabled:
            return asked, X
        out, learnt = np.array(asked, np.float64, order="C"), np.empty(X.shape)
        lacking = np.flatnonzero(np.isnan(out).any(axis=1))

        def ask(start: int, stop: int) -> None:
            rows = lacking[start:stop]
            out[rows] = self.apply(out[rows])

        def learn(start: int, stop: int) -> None:
            learnt[start:stop] = self.learn(X[start:stop], delay[start:stop])

        in_turns(ahead[lacking], len(X), ask, learn)
        return out, learnt

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {name: array.copy() for name, array in self._imputer._asdict().items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        imputer = state.Imputer(*(np.array(arrays[name]) for name in state.Imputer._fields))
        for name, old, new in zip(state.Imputer._fields, self._imputer, imputer, strict=True):
            if old.shape != new.shape or old.dtype != new.dtype:
                raise SnapshotError(f"imputation.{name} {new.dtype} {new.shape} is not {old.dtype} {old.shape}")
        self._imputer = imputer
