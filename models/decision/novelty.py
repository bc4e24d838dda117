"""Novelty: whether an event is unlike all that was labelled of late.

There are two nonconformity scores. *Distance* is how far the event is from the nearest of the latest labelled events,
on standardised inputs. *Lack of support* is how little evidence the engaged experts have for any class, as in leaves
that few events reached. Both are compared with the scores that recent labelled events had at their own time: an event
is novel where at most the share `novelty` of them scored as high, by the smaller of the two p-values (Vovk, Gammerman &
Shafer 2005, ch. 2; Bates et al. 2023 for outliers). On a stream that does not change, the share of false alarms is
therefore the one that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.abstention import AbstentionSettings
from tocsin.kernels.decision import novelty as kernel
from tocsin.kernels.lagged import novelty as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.features import Standardiser
from tocsin.models.data.feedback import in_turns
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.decision.quantile import SlidingQuantile

MEMORY = 10_000.0
"""Events over which inputs are standardised."""


class Novelty:
    """Remembers the latest labelled events, and the nonconformity of each at its own time.

    >>> import numpy as np
    >>> novelty = Novelty(AbstentionSettings(novelty=0.1))
    >>> novelty.resize([False])
    >>> X = np.random.default_rng(0).normal(size=(200, 1))
    >>> _ = novelty.predict_then_learn(X, np.ones(200))
    >>> novelty.novel(novelty.nonconformity(np.array([[0.1], [9.0]]), np.ones(2))).tolist()
    [False, True]
    """

    def __init__(self, settings: AbstentionSettings) -> None:
        self._settings = settings
        self._scaler = Standardiser(0, MEMORY)
        self._nominal: Bools = np.zeros(0, np.bool_)
        self._values: Floats = np.full((0, settings.novelty_memory), np.nan)
        self._taken = 0
        self._scores = (SlidingQuantile(settings.novelty_window), SlidingQuantile(settings.novelty_window))
        self._limits: tuple[float, float] | None = None

    def resize(self, nominal: Sequence[bool]) -> None:
        """Make room for more columns, of which `nominal` are categories; nothing is known of them before."""
        self._nominal = np.array(nominal, np.bool_)
        self._scaler.resize(len(nominal))
        more = len(nominal) - len(self._values)
        if more > 0:
            self._values = np.pad(self._values, ((0, more), (0, 0)), constant_values=np.nan)

    def nonconformity(self, X: Floats, support: Floats) -> Floats:
        """[B, 2], greater is less alike: the squared distance of X [B, F], and the lack of support [B]."""
        distance = np.zeros(len(X))
        if len(self._values):
            held, rows = min(self._taken, self._values.shape[1]), np.ascontiguousarray(X)
            kernel.distances(self._values, held, rows, self._nominal, self._scaler.moments, distance)
        result: Floats = np.stack([distance, -support], axis=1)
        return result

    def novel(self, nonconformity: Floats) -> Bools:
        """[B], whether a nonconformity [B, 2] exceeds that of all but the set share of recent labelled events.

        No event is novel while too few labelled events are known to tell.
        """
        return beyond(nonconformity, np.array([self._limits_now()]))

    def _limits_now(self) -> tuple[float, float]:
        """The nonconformity beyond which an event is novel, by either score."""
        if self._limits is None:
            self._limits = (self._limit(self._scores[0]), self._limit(self._scores[1]))
        return self._limits

    def _limit(self, scores: SlidingQuantile) -> float:
        """The score that half of the share `novelty` reaches or exceeds; the other half belongs to the other score."""
        n = min(scores.count, len(scores.ring))
        rank = math.floor(0.5 * self._settings.novelty * (n + 1))
        return scores.smallest(n - rank) if rank >= 1 else math.inf

    def learn(self, X: Floats, nonconformity: Floats) -> None:
        """Remember labelled events X [B, F], in order, with the nonconformity [B, 2] of each at its own time.

        Nothing is kept of one whose nonconformity is not known (both are NaN).
        """
        self._learn(X, np.zeros(0))
        for known in nonconformity[~np.isnan(nonconformity).all(axis=1)].tolist():
            self._keep(known)

    def predict_then_learn(self, X: Floats, support: Floats) -> Floats:
        """Remember events whose labels came with them; returns `nonconformity` of each just before it was."""
        distance = np.zeros(len(X))
        self._learn(X, distance)
        result: Floats = np.stack([distance, -support], axis=1)
        for known in result.tolist():
            self._keep(known)
        return result

    def distances_in_turns(self, asked: Floats, ahead: Ints, X: Floats) -> Floats:
        """The distances [n] that `nonconformity` has for n events, in turns with remembering X [m, F].

        `ahead` [n], which never falls, is how many are remembered before each question. What their nonconformity was is
        told to `limits_in_turns`.
        """
        out = np.zeros(len(asked))
        if len(self._values):
            rows, questions = np.ascontiguousarray(X), turns.asked(asked, ahead)
            self._taken = lagged.ask_and_learn(
                self._values, self._taken, rows, self._nominal, self._scaler.moments, questions, out
            )
        return out

    def limits_in_turns(self, ahead: Ints, nonconformity: Floats) -> Floats:
        """The limits [n, 2] that `novel` goes by at n events, in turns with learning the nonconformity [m, 2] of
        others; see `distances_in_turns` and `beyond`."""
        limits: list[tuple[float, float]] = []
        known = (~(np.isnan(nonconformity[:, 0]) & np.isnan(nonconformity[:, 1]))).tolist()
        lessons = nonconformity.tolist()

        def ask(start: int, stop: int) -> None:
            limits.extend([self._limits_now()] * (stop - start))

        def learn(start: int, stop: int) -> None:
            for i in range(start, stop):
                if known[i]:
                    self._keep(lessons[i])

        in_turns(ahead, len(nonconformity), ask, learn)
        return np.array(limits).reshape(-1, 2)

    def _learn(self, X: Floats, distance: Floats) -> None:
        if len(self._values):
            rows, moments = np.ascontiguousarray(X), self._scaler.moments
            self._taken = kernel.learn(self._values, self._taken, rows, self._nominal, moments, distance)

    def _keep(self, nonconformity: Sequence[float]) -> None:
        for scores, value in zip(self._scores, nonconformity, strict=True):
            scores.add(value)
        self._limits = None

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.experts.base.Expert`."""
        return {
            "values": self._values.copy(),
            "taken": np.array(self._taken),
            "distances": self._scores[0].ring.copy(),
            "lacks": self._scores[1].ring.copy(),
            "known": np.array(self._scores[0].count),
            **with_prefix("scaler.", self._scaler.state_dict()),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over a state that `state_dict` gave."""
        self._values, self._taken = np.array(arrays["values"]), int(arrays["taken"])
        self._scaler.load_state_dict(without_prefix("scaler.", arrays))
        for scores, name in zip(self._scores, ("distances", "lacks"), strict=True):
            scores.ring, scores.count = np.array(arrays[name], np.float64), int(arrays["known"])
        self._limits = None


def beyond(nonconformity: Floats, limits: Floats) -> Bools:
    """[B], whether a nonconformity [B, 2] exceeds its limits, [B, 2] or those of all, [1, 2]."""
    above: Bools = nonconformity > limits
    return above[:, 0] | above[:, 1]


def support(evidence: Floats, engaged: Bools) -> Floats:
    """What the engaged experts have of evidence for any class, [B], from [B, E, K] and [B, E]."""
    B, E, K = evidence.shape
    if not E * K:
        return np.zeros(B)
    counted = np.where(engaged[:, :, None], evidence, 0.0).reshape(B, E * K)
    # One after the other in one order, so that an event finds the same alone and among others.
    result: Floats = np.cumsum(counted, axis=1)[:, -1]
    return result
