"""Nearest neighbours as an expert: the nearest of the latest labelled events vote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.neighbours import NeighboursSettings
from tocsin.kernels.common import window
from tocsin.kernels.common.labelled import Labelled, labelled
from tocsin.kernels.common.moments import Moments
from tocsin.kernels.experts import neighbours
from tocsin.kernels.experts.neighbours import nearest
from tocsin.kernels.lagged import neighbours as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import (
    Batch,
    Bools,
    Floats,
    Ints,
)
from tocsin.models.data.features import Standardiser
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError
from tocsin.models.experts.evidence import proportional

FEW = 8
"""So few events are asked about in one call of one kernel, which takes less time for them."""
START = 1.0
"""Pseudo-counts of an answer before any has been checked."""


class LatestEvents(NamedTuple):
    """The labelled events that vote, oldest first."""

    values: Floats
    """[F, n], a view; NaN is not known."""
    labels: Ints
    """[n], a view."""
    weights: Floats
    """[n], a view."""
    learnt: int
    """How many events were learnt so far, of which these are the latest."""
    source: object
    """What keeps them. While it is the same one, the events are those of before and others behind them."""


class NeighboursExpert(Expert):
    """k nearest neighbours among the last `window` labelled events, weighted by one over the distance.

    The window holds raw values, and distances are taken in the standard deviations of the stream at the time of the
    question, so that a drifting scale is followed. (The alternative is to standardise events as they come. Against it,
    on 10,000 events of fast RBF, the accuracy is within 0.2 points; with scales that grow tenfold every 2,500 events it
    is -0.6 at window 500 and +1.5 at 2,000; with levels that jump every 1,000 it is +0.3 and +6.5.) Numbers that are
    not known of the event asked about are left out; those that a remembered event lacks are as the nearest of its own
    class have them (`tocsin.kernels.experts.own_class`). The shares p of an answer become evidence N p; N is fitted
    online by the log loss of N p (`tocsin.kernels.decision.calibration`), up to `strength`.

    >>> import numpy as np
    >>> expert = NeighboursExpert(NeighboursSettings(k=1))
    >>> expert.resize(1, 2)
    >>> expert.learn(Batch.of(np.array([[0.0], [9.0]])), np.array([0, 1]), np.ones(2))
    >>> (expert.evidence(Batch.of(np.array([[1.0], [8.0]]))) > 0).tolist()
    [[True, False], [False, True]]
    """

    def __init__(self, settings: NeighboursSettings, nominal: Sequence[bool] = ()) -> None:
        self.name = settings.name
        self._settings = settings
        self._nominal: Bools = np.array(nominal, np.bool_)
        self._scaler = Standardiser(len(nominal))
        self._classes = 0
        # The buffer is twice as long as the window: events are appended, and moved to the front when its end is
        # reached.
        capacity = 2 * settings.window
        self._room = np.full((len(nominal), capacity), np.nan)
        """The remembered values, with rows to spare, so that they are not copied for each new column."""
        self._labels = np.zeros(capacity, np.int64)
        self._weights = np.zeros(capacity)
        self._stop = 0
        self._strength = START
        self._seen = 0

    @classmethod
    def from_settings(cls, settings: NeighboursSettings, pool: PoolContext) -> NeighboursExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal)

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`."""
        self._nominal = np.array(nominal, np.bool_)
        self._widen(len(nominal))

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`; the remembered events have NaN in a new column."""
        more = features - len(self._nominal)
        if more > 0:
            self.set_columns((), [*self._nominal, *[False] * more])
        self._classes = max(self._classes, classes)

    def _widen(self, columns: int) -> None:
        self._scaler.resize(columns)
        more = columns - len(self._room)
        if more > 0:
            more = max(more, len(self._room) // 2)
            self._room = np.pad(self._room, ((0, more), (0, 0)), constant_values=np.nan)

    @property
    def _values(self) -> Floats:
        """The remembered values [F, capacity], a view."""
        values: Floats = self._room[: len(self._nominal)]
        return values

    @property
    def settings(self) -> NeighboursSettings:
        """How many events vote, and how."""
        return self._settings

    @property
    def classes(self) -> int:
        """K"""
        return self._classes

    @property
    def nominal(self) -> Bools:
        """Which columns are categories, [F]."""
        return self._nominal.copy()

    @property
    def factors(self) -> Floats:
        """What differences of each column are multiplied by now, [F]; see `tocsin.kernels.experts.neighbours`."""
        return window.factors(self._nominal, self._scaler.count, self._scaler.square)

    @property
    def latest(self) -> LatestEvents:
        """The events that vote now."""
        held = slice(max(0, self._stop - self._settings.window), self._stop)
        values = self._values[:, held]
        return LatestEvents(values, self._labels[held], self._weights[held], self._seen, self._room)

    @property
    def strength(self) -> float:
        """The pseudo-counts that one answer is worth now."""
        return min(self._strength, self._settings.strength)

    def votes(self, X: Floats) -> Floats:
        """Class shares [B, K] of the nearest events to X [B, F]; rows of zeros while nothing is remembered."""
        size = self._settings.window
        span = (max(0, self._stop - size), self._stop)
        found = nearest(self._values, X, self.factors, self._nominal, [size], self._settings.k, span)
        return window.vote(found, self._window(), self._stop, self._classes)

    def _window(self) -> window.Window:
        return window.Window(self._values, self._labels, self._weights, self._nominal)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`."""
        if len(batch) <= FEW and neighbours.backend() == "numba":
            none = np.zeros(len(batch), np.int64)
            return self._asked(batch, none, batch.rows(0, 0), none[:0], np.zeros(0))[1]
        return proportional(self.votes(batch.ranked_where_known), self.strength)

    def warm_up(self, batch: Batch) -> None:
        """See `Expert`; many events are asked about by other kernels than few."""
        self.votes(batch.ranked_where_known)

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`; an event's weight is that of its vote."""
        self._learn(batch, y, weight, np.empty((0, 0)))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.empty((len(batch), self._classes))
        self._learn(batch, y, weight, answers)
        return answers

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        (self._stop, self._strength, self._seen), answers = self._asked(asked, ahead, batch, y, weight)
        return answers

    def _asked(
        self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats
    ) -> tuple[tuple[int, float, int], Floats]:
        """A lagged pass: the progress after it, and the evidence [n, K]."""
        votes, strengths = np.empty((len(asked), self._classes)), np.empty(len(asked))
        progress = lagged.ask_and_learn(
            *self._taught(batch, y, weight), turns.asked(asked.ranked_where_known, ahead), votes, strengths
        )
        return progress, proportional(votes, np.minimum(strengths, self._settings.strength))

    def _learn(self, batch: Batch, y: Ints, weight: Floats, answers: Floats) -> None:
        self._stop, self._strength, self._seen = window.learn(*self._taught(batch, y, weight), answers)

    def _taught(
        self, batch: Batch, y: Ints, weight: Floats
    ) -> tuple[window.Window, Moments, Labelled, window.Voting, window.Progress]:
        """What the kernels take to learn B events."""
        settings = self._settings
        voting = window.Voting(settings.window, settings.k, self._classes, settings.strength)
        progress = window.Progress(self._stop, self._strength, self._seen)
        events = labelled(batch.ranked_where_known, y, weight)
        return self._window(), self._scaler.moments, events, voting, progress

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`: the window oldest event first, wherever it lies in the buffer."""
        held = slice(max(0, self._stop - self._settings.window), self._stop)
        return {
            "values": self._values[:, held].copy(),
            "labels": self._labels[held].copy(),
            "weights": self._weights[held].copy(),
            "nominal": self._nominal.copy(),
            "strength": np.array(self._strength),
            "seen": np.array(self._seen),
            **with_prefix("scaler.", self._scaler.state_dict()),
        }

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        try:
            values, labels, weights = (np.array(arrays[name]) for name in ("values", "labels", "weights"))
            nominal, strength, seen = np.array(arrays["nominal"]), float(arrays["strength"]), int(arrays["seen"])
            scaler = Standardiser(memory=self._scaler.memory)
            scaler.load_state_dict(without_prefix("scaler.", arrays))
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not the arrays of a nearest-neighbour expert: {error}") from error
        held = len(labels)
        shapes = {values.shape, (len(scaler.count), held), (len(nominal), len(weights))}
        if len(shapes) > 1 or held > self._settings.window:
            raise SnapshotError(f"a window of {held} events does not fit one of {self._settings.window}, or itself")
        fresh = type(self)(self._settings, nominal.tolist())
        fresh._values[:, :held], fresh._labels[:held], fresh._weights[:held] = values, labels, weights
        fresh._stop, fresh._strength, fresh._seen, fresh._scaler = held, strength, seen, scaler
        fresh._classes = max(self._classes, int(labels.max(initial=-1)) + 1)
        self.__dict__.update(vars(fresh))
