"""Columns that tell nothing of the class, left out by those who standardise what they see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.inputs.relevance import RelevanceSettings
from tocsin.kernels.inputs import relevance as kernel
from tocsin.kernels.lagged import inputs as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError


class Relevance:
    """What each column tells of the class, learnt from labelled events in their order.

    >>> relevance = Relevance(RelevanceSettings())
    >>> relevance.resize([False] * 10, 2)
    >>> X = np.random.default_rng(1).normal(size=(4_000, 10))
    >>> _ = relevance.learn(X, (X[:, 0] > 0).astype(np.int64), np.ones(X.shape, np.bool_))
    >>> relevance.apply(np.ones((1, 10))).tolist()
    [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(self, settings: RelevanceSettings, enabled: bool = True) -> None:
        self._settings, self._enabled = settings, settings.enabled and enabled
        self._gate = kernel.Gate(settings.out, settings.back)
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._relevance = kernel.new(0, 0)

    def resize(self, nominal: Sequence[bool], classes: int) -> None:
        """Make room for more columns, of which `nominal` are categories and stay, or for classes. Never shrinks."""
        self._nominal = np.array(nominal, np.bool_)
        if not self._rests:
            self._relevance = kernel.widened(self._relevance, len(self._nominal), classes)
        elif len(self._relevance.left_out):
            self._relevance = kernel.new(0, 0)

    @property
    def _rests(self) -> bool:
        return not self._enabled or len(self._nominal) > self._settings.columns

    @property
    def left_out(self) -> Bools:
        """Which columns are left out, [F]; none of more than `columns`, [0]."""
        return self._relevance.left_out.copy()

    def apply(self, ranked: Floats) -> Floats:
        """Ranked values [B, F] with 0 in the columns that are left out; nothing changes."""
        if self._rests or not self._relevance.left_out.any():
            return ranked
        out = np.empty_like(ranked)
        kernel.apply(self._relevance, ranked, out)
        return out

    def learn(self, ranked: Floats, y: Ints, known: Bools) -> Floats:
        """Learn the rows of ranked values [B, F] and their labels y [B], in order; returns each as `apply` gave it just
        before. Only values that are `known` [B, F] are learnt."""
        if self._rests:
            return ranked
        given, labels = np.ascontiguousarray(ranked, np.float64), np.ascontiguousarray(y, np.int64)
        out = np.empty_like(given)
        kernel.learn(self._relevance, self._nominal, np.ascontiguousarray(known), given, labels, self._gate, out)
        return out

    def ask_and_learn(self, asked: Floats, ahead: Ints, ranked: Floats, y: Ints, known: Bools) -> tuple[Floats, Floats]:
        """`apply` for each of n rows `asked`, in turns with `learn` for m `ranked` ones; returns what both give.

        `ahead` [n], which never falls, is how many of the m are learnt before each question.
        """
        if self._rests:
            return asked, ranked
        told, questions = lagged.Told(np.empty(asked.shape), np.empty(ranked.shape)), turns.asked(asked, ahead)
        given, labels = np.ascontiguousarray(ranked, np.float64), np.ascontiguousarray(y, np.int64)
        seen = np.ascontiguousarray(known)
        lagged.leave_out(self._relevance, self._nominal, seen, questions, given, labels, self._gate, told)
        return told.asked, told.learnt

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        return {name: array.copy() for name, array in self._relevance._asdict().items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`."""
        relevance = kernel.Relevance(*(np.array(arrays[name]) for name in kernel.Relevance._fields))
        for name, old, new in zip(kernel.Relevance._fields, self._relevance, relevance, strict=True):
            if old.shape != new.shape or old.dtype != new.dtype:
                raise SnapshotError(f"relevance.{name} {new.dtype} {new.shape} is not {old.dtype} {old.shape}")
        self._relevance = relevance
