"""The gate: who is asked about an event first, and of which events the others are asked, too; as a part of a model.

What it computes is in `tocsin.kernels.routing.gate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tocsin.config.model import ModelSettings
from tocsin.kernels.routing import gate as kernel
from tocsin.models.data.batch import Bools, Floats, Ints
from tocsin.models.data.snapshot import Arrays, SnapshotError
from tocsin.models.routing.lifecycle import WhereAllAsked

UNASKED = -0.0
"""The evidence of an expert that was not asked. By its sign a label finds who was asked, in the answers that are kept
until it comes; no sum, maximum or comparison tells it from the zeros of an expert that does not know."""
ONE_IN = 10
"""Every expert is asked about one event in so many, drawn by the event's id."""
MEMORY = 0.998
"""What is kept of the past at each event about which all were asked."""
FEWEST = 100.0
"""So many of these events must have been counted before a front is chosen, or an expert retired."""


class AskingPlan(NamedTuple):
    """Who is asked of a batch."""

    first: Bools
    """[E], who is asked about every event."""
    front: Ints
    """Those of them whose vote tells whether the others are asked."""
    least: float
    """The margin of their vote from which on the others are not asked; above 1 they always are."""


def asked_in(answers: Floats) -> Bools:
    """Who was asked [B, E] of answers [B, E, K]; see `UNASKED`."""
    return np.logical_not(np.signbit(answers).all(axis=2))


class EngagementGate:
    """Chooses whom to ask; it learns from labels in their order, and only where `router.engage` is below 1."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self.engage = settings.router.engage
        E = len(settings.experts)
        # Those that hear others are asked last: they must be shown what all before them say.
        self._hears: Bools = np.array([one.hears for one in settings.experts], np.bool_)
        self._state = kernel.new(E, 0, np.flatnonzero(~self._hears))
        self._missed = np.zeros(E, np.bool_)
        """[E], who was not asked about some event of the lifecycle's window."""
        self._cost = np.ones(E)

    @property
    def learns(self) -> bool:
        """Whether it has a state."""
        return self.engage < 1.0

    def resize(self, features: int, classes: int) -> None:
        """Say how many columns and classes there are: costs depend on them."""
        if self.learns:
            self._state = kernel.widened(self._state, features)
        self._cost = np.array([one.cost(features, classes) for one in self._settings.experts])

    def asked(self, answers: Floats, active: Bools) -> Bools:
        """Who of the `active` [E] experts had been asked, by the answers [B, E, K]; all of them where nothing is learnt
        of that."""
        return active & asked_in(answers) if self.learns else active

    def drawn(self, ids: Sequence[str]) -> Bools:
        """The events [B] about which every expert is asked, by their ids."""
        return np.array([crc32(one.encode("utf-8", "surrogatepass")) % ONE_IN == 0 for one in ids], np.bool_)

    def plan(self, engage: float, active: Bools) -> AskingPlan | None:
        """Who of the `active` [E] is asked, so that for the share `engage` of the events the most probable class is
        that which all find; None where all must be asked.

        Who began anew is asked about every event until it is known, or the router would hardly learn to trust it.
        """
        if not self._state.counters[kernel.SEEN]:
            return None
        choice = kernel.chosen(self._state, self._cost, active, 1.0 - engage, 1.0 / ONE_IN, FEWEST)
        if choice.least > 1.0:
            return None
        front = self._state.order[: choice.length]
        first = (self._state.heard < FEWEST) & ~self._hears
        first[front] = True
        speakers = front[active[front]]
        return AskingPlan(first & active, speakers, choice.least) if len(speakers) else None

    def margins(self, X: Floats, answers: Floats, front: Ints, prior: float) -> Floats:
        """The margin [B] of the vote of a front, from X [B, F] and answers [B, E, K]; less where X is difficult."""
        out = np.empty(len(answers))
        kernel.margins(self._state, np.ascontiguousarray(X), answers, front, prior, out)
        return out

    def scaled(self, evidence: Floats, asked: Bools) -> Floats:
        """Evidence [B, E, K] of those `asked` ([B, E] or [E]), as much as all usually have where these have so much.

        An event about which few were asked has less evidence, and would else seem unlike all others by that.
        """
        usual = self._state.usual
        if not usual.any():
            return evidence
        times = usual.sum() / np.maximum((np.broadcast_to(asked, evidence.shape[:2]) * usual).sum(axis=1), 1e-9)
        result: Floats = evidence * times[:, None, None]
        return result

    def learn(
        self, X: Floats, answers: Floats, rho: Floats, labels: kernel.Labels, active: Bools, prior: float
    ) -> None:
        """Learn of B events in order: answers [B, E, K], reliabilities [B, E]. Of those that are counted, only the ones
        are about which all the `active` [E] experts were asked."""
        asked = asked_in(answers)
        self._missed |= (~asked).any(axis=0)
        labels = kernel.Labels(
            np.ascontiguousarray(labels.y, np.int64),
            np.ascontiguousarray(labels.decided, np.int64),
            labels.counted & (asked | ~active).all(axis=1),
        )
        X, answers, rho = np.ascontiguousarray(X), np.ascontiguousarray(answers), np.ascontiguousarray(rho)
        if not self._state.counters[kernel.SEEN]:  # compile what is first needed at the first front
            self.margins(X[:0], answers[:0], self._state.order, prior)
            kernel.chosen(self._state, self._cost, active, 0.0, 0.0, FEWEST)
        kernel.learn_rows(self._state, X, answers, rho, labels, kernel.Terms(active, self._cost, prior, MEMORY))

    def forget(self, expert: int) -> None:
        """Forget the means of an expert that begins anew."""
        for means in (self._state.share, self._state.trust, self._state.usual, self._state.right, self._state.heard):
            means[expert] = 0.0

    def known(self) -> WhereAllAsked | None:
        """What it knows of a window that ends now; None where all were asked about every event of it."""
        missed, self._missed = self._missed, np.zeros(len(self._missed), np.bool_)
        if not missed.any():
            return None
        accuracy, events = self._state.right.copy(), np.clip(self._state.heard, 1.0, 1.0 / (1.0 - MEMORY))
        doubt = np.sqrt(accuracy * (1.0 - accuracy) / events)
        return WhereAllAsked(missed, accuracy, np.where(events < FEWEST, np.inf, doubt))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `tocsin.models.data.snapshot.Stateful`."""
        state = {name: array.copy() for name, array in self._state._asdict().items()}
        return state | {"missed": self._missed.copy()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `tocsin.models.data.snapshot.Stateful`. Raises SnapshotError where arrays do not fit."""
        pairs = [(name, array, np.array(arrays[name])) for name, array in self._state._asdict().items()]
        for name, old, found in [*pairs, ("missed", self._missed, np.array(arrays["missed"]))]:
            if old.shape != found.shape or old.dtype != found.dtype:
                raise SnapshotError(f"gate: {name} {found.dtype} {found.shape} is not {old.dtype} {old.shape}")
        self._state = kernel.GateState(*(found for _, _, found in pairs))
        self._missed = np.array(arrays["missed"])
