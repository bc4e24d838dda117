"""Columns of heavy tails by rank, for those who standardise what they see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.inputs.tails import TailsSettings
from tocsin.kernels.inputs import tails as kernel
from tocsin.kernels.lagged import inputs as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError


class HeavyTails:
    """The tails of each column, learnt from labelled events in their order.

    >>> tails = HeavyTails(TailsSettings())
    >>> tails.resize([False])
    >>> incomes = np.exp(2.0 * np.random.default_rng(1).normal(size=(1_000, 1)))
    >>> _ = tails.learn(incomes)
    >>> tails.by_rank.tolist(), (tails.apply(np.array([[1.0], [100.0]])).by_rank.round(0) + 0.0).tolist()
    ([True], [[0.0], [2.0]])
    """

    def __init__(self, settings: TailsSettings) -> None:
        self._enabled = settings.enabled
        self._gate = kernel.Gate(settings.heavy, settings.light)
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._tails = kernel.new(0)

    def resize(self, nominal: Sequence[bool]) -> None:
        """Make room for more columns, of which `nominal` are categories and stay as they are. Never shrinks."""
        self._nominal = np.array(nominal, np.bool_)
        self._tails = kernel.widened(self._tails, len(self._nominal))

    @property
    def by_rank(self) -> Bools:
        """Which columns go by rank because their tails are heavy, [F]."""
        return self._tails.heavy.copy()

    @property
    def by_log(self) -> Bools:
        """Which columns experts on time see by their logarithms, [F]."""
        by_log: Bools = self._tails.chosen == kernel.BY_LOG
        return by_log

    def apply(self, X: Floats) -> kernel.Seen:
        """X float64 [B, F] as it is seen; NaN stays, and nothing changes."""
        if not self._enabled:
            return kernel.Seen(X, X, X)
        given = np.ascontiguousarray(X, np.float64)
        out = kernel.Seen(*(np.empty_like(given) for _ in range(3)))
        kernel.apply(self._tails, self._nominal, given, out)
        return out

    def learn(self, X: Floats, known: Bools | None = None) -> kernel.Seen:
        """Learn the rows of X float64 [B, F], in order; returns each as `apply` gave it just before.

        Where they are given, only values that are `known` [B, F] are learnt.
        """
        if not self._enabled:
            return kernel.Seen(X, X, X)
        given = np.ascontiguousarray(X, np.float64)
        out = kernel.Seen(*(np.empty_like(given) for _ in range(3)))
        all_known = np.ones(given.shape, np.bool_) if known is None else np.ascontiguousarray(known)
        kernel.learn(self._tails, self._nominal, all_known, given, self._gate, out)
        return out

    def ask_and_learn(self, asked: Floats, ahead: Ints, X: Floats, known: Bools) -> tuple[kernel.Seen, kernel.Seen]:
        """`apply` for each of n rows `asked`, in turns with `learn` for each of m rows X; returns what both give.

        `ahead` [n], which never falls, is how many of X are learnt before each question.
        """
        if not self._enabled:
            return kernel.Seen(asked, asked, asked), kernel.Seen(X, X, X)
        questions, given = turns.asked(asked, ahead), np.ascontiguousarray(X, np.float64)
        out = kernel.Seen(*(np.empty_like(questions.X) for _ in range(3)))
        learnt = kernel.Seen(*(np.empty_like(given) for _ in range(3)))
        told = lagged.SeenInTurns(out, learnt)
        lagged.rank(self._tails, self._nominal, self._gate, questions, given, np.ascontiguousarray(known), told)
        return out, learnt

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {name: array.copy() for name, array in self._tails._asdict().items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        tails = kernel.Tails(*(np.array(arrays[name]) for name in kernel.Tails._fields))
        for name, old, new in zip(kernel.Tails._fields, self._tails, tails, strict=True):
            if old.shape != new.shape or old.dtype != new.dtype:
                raise SnapshotError(f"tails.{name} {new.dtype} {new.shape} is not {old.dtype} {old.shape}")
        self._tails = tails
