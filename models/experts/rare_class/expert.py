"""The expert on rare classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.rare_class import RareClassSettings
from tocsin.kernels.common.labelled import labelled
from tocsin.kernels.experts.rare_class import learning, state
from tocsin.kernels.inputs.target_statistics import rated
from tocsin.kernels.lagged import rare_class as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError
from tocsin.models.experts.rates import numbers_and_rates

PARTS = ("shares", "common", "examples", "heads", "vote")


class RareClassExpert(Expert):
    """What the labels of rare classes say, by Gaussians and by a vote on log likelihood ratios.

    The mathematics stand in `tocsin.kernels.experts.rare_class`. `tocsin.models.decision.rare_reading` makes what it
    says of a rare class the belief of the model. It sees numbers as they are, with guesses for what is not known, and
    categories by their rates. With more of them than `max_inputs`, or very many classes, it has the vote alone.

    >>> rng = np.random.default_rng(1)
    >>> y = (rng.random(4_000) < 0.02).astype(np.int64)
    >>> X = rng.normal(size=(4_000, 2)) + 3.0 * y[:, None]
    >>> expert = RareClassExpert(RareClassSettings(), [False, False], heard=0)
    >>> expert.resize(2, 2)
    >>> expert.learn(Batch.of(X), y, np.ones(4_000))
    >>> low, high = expert.evidence(Batch.of(np.array([[0.0, 0.0], [4.0, 4.0]])))
    >>> bool(low[1] < 0.01 * low.sum()), bool(high[1] > 0.5 * high.sum())
    (True, True)
    """

    hears = True

    def __init__(
        self, settings: RareClassSettings, nominal: Sequence[bool] = (), heard: int = 0, most_rated: int = 0
    ) -> None:
        """`heard` experts stand before it; `most_rated` is how many classes' rates stand for a category at the most."""
        self.name = settings.name
        self._settings, self._heard, self._most_rated = settings, heard, most_rated
        self._nominal: Bools = np.array(nominal, np.bool_)
        self._classes = 0
        self._model = state.new(self._inputs(), 0, heard)

    @classmethod
    def from_settings(cls, settings: RareClassSettings, pool: PoolContext) -> RareClassExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal, pool.before, pool.rated_classes)

    @property
    def settings(self) -> RareClassSettings:
        """When a class is rare, and how its labels are learnt."""
        return self._settings

    @property
    def nominal(self) -> Bools:
        """Which features are categories, [F]."""
        return self._nominal.copy()

    @property
    def classes(self) -> int:
        """K"""
        return self._classes

    @property
    def most_rated(self) -> int:
        """The most classes whose rates stand for a category; 0 where there are no rates."""
        return self._most_rated

    @property
    def heard(self) -> int:
        """How many experts stand before it."""
        return self._heard

    @property
    def model(self) -> state.Model:
        """What it answers by, which changes as it learns."""
        return self._model

    @property
    def rare(self) -> Bools:
        """Which classes are rare, [K]."""
        return self._model.shares.rare.copy()

    def _inputs(self) -> int:
        """How many inputs the Gaussians have; 0 where there would be too many."""
        rates = len(rated(self._classes, self._most_rated)) if self._most_rated else 0
        inputs = int((~self._nominal).sum()) + rates * int(self._nominal.sum())
        own = self._classes * inputs**2
        return inputs if inputs <= self._settings.max_inputs and own <= self._settings.max_own else 0

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`; where there are other inputs, the Gaussians begin anew."""
        self._nominal = np.array(nominal, np.bool_)
        self._arrange(self._classes)

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        more = features - len(self._nominal)
        if more > 0:
            self._nominal = np.append(self._nominal, np.zeros(more, np.bool_))
        self._arrange(max(classes, self._classes))

    def _arrange(self, classes: int) -> None:
        """Make room for the columns and for so many classes."""
        more, old = classes - self._classes, self._model
        self._classes = classes
        inputs = self._inputs()
        if not more and inputs == old.common.mean.shape[1]:
            return
        fresh = state.new(inputs, classes, self._heard)
        same = inputs == old.common.mean.shape[1]
        kept = {"shares", "vote", *(("common", "examples", "heads") if same else ())}
        for part in kept:
            for old_array, array in zip(getattr(old, part), getattr(fresh, part), strict=True):
                array[tuple(slice(0, size) for size in old_array.shape)] = old_array
        self._model = fresh

    def _rates(self) -> state.Rates:
        own = self._settings
        return state.Rates(own.share, own.memory, own.eta, own.strength)

    def _rows(self, batch: Batch) -> Floats:
        """The inputs [B, D] of B events."""
        if not self._model.common.mean.shape[1]:
            return np.zeros((len(batch), 0))
        numbers = batch.filled[:, ~self._nominal]
        if not (self._most_rated and self._nominal.any()):
            return np.ascontiguousarray(numbers, np.float64)
        _, rates = numbers_and_rates(batch, self._nominal, self._classes, self._most_rated)
        return np.concatenate([numbers, rates], axis=1)

    def _said(self, batch: Batch) -> Floats:
        """What the experts before it said of B events, [B, E, K]."""
        if batch.said is None:
            return np.zeros((len(batch), self._heard, self._classes))
        return np.ascontiguousarray(batch.said, np.float64)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`; vacuous where no class is rare."""
        out = np.zeros((len(batch), self._classes))
        if self._model.shares.rare.any():
            learning.evidence(self._model, self._rows(batch), self._said(batch), self._rates(), out)
        return out

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`; an event counts once, whatever its weight."""
        self._learn(batch, y, weight, np.empty((0, 0)))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.zeros((len(batch), self._classes))
        self._learn(batch, y, weight, answers)
        return answers

    def _learn(self, batch: Batch, y: Ints, weight: Floats, answers: Floats) -> None:
        events = labelled(self._rows(batch), y, weight)
        learning.learn(self._model, events, self._said(batch), self._rates(), answers)

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        out = np.zeros((len(asked), self._classes))
        events, questions = labelled(self._rows(batch), y, weight), turns.asked(self._rows(asked), ahead)
        heard = lagged.Heard(self._said(asked), self._said(batch))
        lagged.ask_and_learn(self._model, events, heard, self._rates(), questions, out)
        return out

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        arrays: dict[str, NDArray[Any]] = {"nominal": self._nominal.copy()}
        for part in PARTS:
            for name, array in getattr(self._model, part)._asdict().items():
                arrays[f"{part}.{name}"] = array.copy()
        return arrays

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        try:
            nominal, classes = np.array(arrays["nominal"], np.bool_), len(arrays["shares.counts"])
            fresh = type(self)(self._settings, nominal.tolist(), self._heard, self._most_rated)
            fresh.resize(len(nominal), classes)
            for part in PARTS:
                for name, array in getattr(fresh._model, part)._asdict().items():
                    found = np.array(arrays[f"{part}.{name}"], array.dtype)
                    if found.shape != array.shape:
                        raise ValueError(f"{part}.{name} {found.shape} is not {array.shape}")
                    array[...] = found
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not the arrays of an expert on rare classes: {error}") from error
        self.__dict__.update(vars(fresh))
