"""Gradient boosting as an expert: trained anew on a window of the latest labelled events, at fixed numbers of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.boosted import BoostedSettings
from tocsin.kernels.decision.calibration import fitted
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.data.inputs import label_history_and_features
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError
from tocsin.models.experts.boosted.trained import Boosted, Examples, Training, begin, lightgbm
from tocsin.models.experts.evidence import proportional

START = 1.0
"""Pseudo-counts of an answer before any has been checked."""
EVERY = 8
"""The strength is fitted at one event in so many, counted from the first model on."""


class BoostedExpert(Expert):
    """LightGBM on the last `window` labelled events, trained anew whenever `every` more were learnt.

    The window that ends at labelled event n trains a model in a thread, and that model answers once `lag` more were
    learnt. Where the thread is not done by then, learning waits for it: so nothing depends on how fast it is. Class
    probabilities p become evidence N p; N is fitted online by the log loss of N p
    (`tocsin.kernels.decision.calibration`), up to `strength`.
    """

    def __init__(self, settings: BoostedSettings, nominal: Sequence[bool] = ()) -> None:
        self.name = settings.name
        self._settings = settings
        self._nominal: Bools = np.array([True] * settings.history + list(nominal), np.bool_)
        self._classes = 0
        # A ring: the place of labelled event n is n modulo the window.
        self._values = np.full((settings.window, len(self._nominal)), np.nan)
        self._labels = np.zeros(settings.window, np.int64)
        self._weights = np.zeros(settings.window)
        self._learnt = 0
        self._model: Boosted | None = None
        self._training: Training | None = None
        self._strength = START
        self._seen = 0

    @classmethod
    def from_settings(cls, settings: BoostedSettings, pool: PoolContext) -> BoostedExpert:
        """See `Expert`."""
        try:
            lightgbm()
        except ImportError as error:
            install = "install it by `pip install 'tocsin[boosting]'`"
            raise ValueError(f"experts.{settings.name}.kind: boosted needs LightGBM: {install} ({error})") from None
        return cls(settings, pool.nominal)

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`; the events of the window have NaN in a new column."""
        more = self._settings.history + len(nominal) - self._values.shape[1]
        if more > 0:
            self._values = np.pad(self._values, ((0, 0), (0, more)), constant_values=np.nan)
        self._nominal = np.array([True] * self._settings.history + list(nominal), np.bool_)

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        more = self._settings.history + features - len(self._nominal)
        if more > 0:
            self.set_columns((), [*self._nominal[self._settings.history :].tolist(), *[False] * more])
        self._classes = max(self._classes, classes)

    @property
    def strength(self) -> float:
        """The pseudo-counts that one answer is worth now."""
        return min(self._strength, self._settings.strength)

    def probabilities(self, batch: Batch) -> Floats:
        """Class probabilities [B, K]; rows of zeros before the first model."""
        return self._probabilities(label_history_and_features(batch, self._settings.history))

    def _probabilities(self, X: Floats) -> Floats:
        if self._model is None:
            return np.zeros((len(X), self._classes))
        return self._model.probabilities(X, self._classes)

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`; vacuous before the first model."""
        return proportional(self.probabilities(batch), self.strength)

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`."""
        self._learn(batch, y, weight, None)

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.zeros((len(batch), self._classes))
        self._learn(batch, y, weight, answers)
        return answers

    def _learn(self, batch: Batch, y: Ints, weight: Floats, answers: Floats | None) -> None:
        X = label_history_and_features(batch, self._settings.history)
        for piece in self._pieces(len(batch)):
            self._check(X[piece], y[piece], weight[piece], None if answers is None else answers[piece])
            self._remember(X[piece], y[piece], weight[piece])
            self._train()

    def _pieces(self, rows: int) -> Iterator[slice]:
        """B events cut where a training begins, and where the model that it gave is taken."""
        start = 0
        while start < rows:
            left = self._settings.every - self._learnt % self._settings.every
            if self._training is not None:
                left = min(left, self._training.at + self._settings.lag - self._learnt)
            yield slice(start, min(start + left, rows))
            start += left

    def _check(self, X: Floats, y: Ints, weight: Floats, answers: Floats | None) -> None:
        """Fit the strength by how the model fares on events that it was not trained on; fill in the `answers`."""
        if self._model is None:
            return
        checked = np.arange(-self._seen % EVERY, len(y), EVERY)
        p = self._probabilities(X if answers is not None else X[checked])
        start = 0
        for n, i in enumerate(checked.tolist()):
            if answers is not None:
                answers[start : i + 1] = proportional(p[start : i + 1], self.strength)
                start = i + 1
            mine = float(p[i if answers is not None else n, y[i]])
            tries = (self._seen + i) // EVERY
            self._strength = fitted(
                self._strength, mine, self._classes, float(weight[i]), tries, self._settings.strength
            )
        if answers is not None:
            answers[start:] = proportional(p[start:], self.strength)
        self._seen += len(y)

    def _remember(self, X: Floats, y: Ints, weight: Floats) -> None:
        """Put events into the window, the last of them where there are more than it holds."""
        size = self._settings.window
        kept = slice(max(len(y) - size, 0), len(y))
        places = (self._learnt + np.arange(len(y))[kept]) % size
        self._values[places], self._labels[places], self._weights[places] = X[kept], y[kept], weight[kept]
        self._learnt += len(y)

    def _train(self) -> None:
        """Take the model that is due, and begin to train the next one."""
        if self._training is not None and self._learnt == self._training.at + self._settings.lag:
            self._take()
        if self._learnt % self._settings.every == 0:
            self._training = begin(self._examples(), self._settings, self._learnt)
            if not self._settings.lag:
                self._take()

    def _take(self) -> None:
        assert self._training is not None
        self._model, self._training = self._training.result(), None

    def _examples(self) -> Examples:
        """The window, oldest event first, as arrays of its own."""
        places = np.arange(max(self._learnt - self._settings.window, 0), self._learnt) % self._settings.window
        return Examples(self._values[places], self._labels[places], self._weights[places], self._nominal.copy())

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`: the window, and the models as text. It waits for a model that is being trained."""
        state: dict[str, NDArray[Any]] = dict(self._examples()._asdict())
        for name in ("learnt", "strength", "seen"):
            state[name] = np.array(getattr(self, f"_{name}"))
        if self._model is not None:
            state |= with_prefix("model.", self._model.state_dict())
        if self._training is not None:
            state |= with_prefix("training.", self._training.result().state_dict())
            state["trained_at"] = np.array(self._training.at)
        return state

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        try:
            held = Examples(*(np.array(arrays[name]) for name in Examples._fields))
            learnt, seen, strength = int(arrays["learnt"]), int(arrays["seen"]), float(arrays["strength"])
            model = Boosted.restored(without_prefix("model.", arrays)) if "model.text" in arrays else None
            training = None
            if "trained_at" in arrays:
                found = Boosted.restored(without_prefix("training.", arrays))
                training = Training(found, int(arrays["trained_at"]))
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not the arrays of a boosted expert: {error}") from error
        rows, history = min(learnt, self._settings.window), self._settings.history
        shapes = {held.X.shape, (len(held.y), len(held.nominal)), (len(held.weight), len(held.nominal))}
        if shapes != {(rows, len(held.nominal))} or len(held.nominal) < history:
            raise SnapshotError(f"a window of {held.X.shape} does not fit {learnt} events, or itself")
        fresh = type(self)(self._settings, held.nominal[history:].tolist())
        fresh._learnt = learnt - rows
        fresh._remember(held.X, held.y, held.weight)
        fresh._model, fresh._training, fresh._strength, fresh._seen = model, training, strength, seen
        fresh._classes = max(self._classes, int(held.y.max(initial=-1)) + 1)
        self.__dict__.update(vars(fresh))
