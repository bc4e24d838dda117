"""Moving clusters as an expert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.config.experts.moving_clusters import MovingClustersSettings
from tocsin.kernels.common.labelled import labelled
from tocsin.kernels.experts.moving_clusters import learning
from tocsin.kernels.experts.moving_clusters.density import sum_columns
from tocsin.kernels.experts.moving_clusters.state import Clusters, Model, Recent, new
from tocsin.kernels.lagged import moving_clusters as lagged
from tocsin.kernels.lagged import turns
from tocsin.models.data.batch import Batch, Bools, Floats, Ints
from tocsin.models.data.features import Standardiser
from tocsin.models.data.snapshot import with_prefix, without_prefix
from tocsin.models.experts.base import Arrays, Expert, PoolContext, SnapshotError


class MovingClustersExpert(Expert):
    """Clusters of labelled events whose centres move, on the numeric features.

    The mathematics stand in `tocsin.kernels.experts.moving_clusters`.

    Categories are left out. A value that is not known is left out of the distance, which is scaled up as if all were
    known. The class probabilities p become evidence N p; N is fitted online by the log loss of N p
    (`tocsin.kernels.decision.calibration`), up to `strength`. With more numeric features than `max_inputs`, or with
    none, the expert is silent: it learns nothing, because an event would cost too much.

    >>> import numpy as np
    >>> expert = MovingClustersExpert(MovingClustersSettings())
    >>> expert.resize(1, 2)
    >>> X, y = np.array([[0.0], [9.0], [0.1], [9.1], [0.2], [9.2]]), np.array([0, 1, 0, 1, 0, 1])
    >>> expert.learn(Batch.of(X), y, np.ones(6))
    >>> expert.evidence(Batch.of(np.array([[1.0], [8.0]]))).argmax(axis=1).tolist()
    [0, 1]
    """

    def __init__(self, settings: MovingClustersSettings, nominal: Sequence[bool] = ()) -> None:
        self.name = settings.name
        self._settings = settings
        self._nominal: Bools = np.array(nominal, np.bool_)
        self._classes = 0
        self._seen = 0
        self._columns: Ints = self._wanted()
        """The features that the model has as its columns."""
        self._model = self._new(len(self._columns))

    @classmethod
    def from_settings(cls, settings: MovingClustersSettings, pool: PoolContext) -> MovingClustersExpert:
        """See `Expert`."""
        return cls(settings, pool.nominal)

    @property
    def settings(self) -> MovingClustersSettings:
        """How many clusters there are, and what an answer is worth."""
        return self._settings

    @property
    def classes(self) -> int:
        """K"""
        return self._classes

    @property
    def columns(self) -> Ints:
        """The features that the model has as its columns; none where it is silent."""
        return self._columns.copy()

    @property
    def model(self) -> Model:
        """What it answers by, which changes as it learns."""
        return self._model

    @property
    def learnt(self) -> int:
        """Events learnt."""
        return self._seen

    def _wanted(self) -> Ints:
        """The numeric features; none where there are too many of them."""
        columns = np.flatnonzero(~self._nominal)
        return columns if len(columns) <= self._settings.max_inputs else columns[:0]

    def _new(self, columns: int) -> Model:
        return new(self._settings.clusters, columns, self._classes, Standardiser(columns).moments)

    def set_columns(self, names: Sequence[str], nominal: Sequence[bool]) -> None:
        """See `Expert`; what is known of features that stay numeric is kept."""
        self._nominal = np.array(nominal, np.bool_)
        wanted = self._wanted()
        if np.array_equal(wanted, self._columns):
            return
        if len(wanted) == 0 or len(self._columns) == 0:
            self._columns, self._seen = wanted, 0
            self._model = self._new(len(wanted))
            return
        # Column i of the new model is column places[i] of the old one; new columns stand behind the old ones.
        places = np.searchsorted(self._columns, wanted)
        places[~np.isin(wanted, self._columns)] = len(self._columns)
        self._columns, self._model = wanted, _with_columns(self._model, places)

    def resize(self, features: int, classes: int) -> None:
        """See `Expert`."""
        if features > len(self._nominal):
            self.set_columns((), [*self._nominal, *[False] * (features - len(self._nominal))])
        more = classes - self._classes
        if more > 0:
            self._classes = classes
            recent = self._model.recent
            latest = np.pad(recent.latest, (0, more), constant_values=-1)
            self._model = self._model._replace(recent=recent._replace(latest=latest))

    def evidence(self, batch: Batch) -> Floats:
        """See `Expert`; vacuous where nothing was learnt, or nothing of the event is known."""
        answers = np.zeros((len(batch), self._classes))
        if len(self._columns):
            learning.evidence(self._model, self._rows(batch), self._seen, self._settings.strength, answers)
        return answers

    def learn(self, batch: Batch, y: Ints, weight: Floats) -> None:
        """See `Expert`; an event of weight 2 moves clusters as two of weight 1 would together."""
        self._learn(batch, y, weight, np.empty((0, 0)))

    def predict_then_learn(self, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.zeros((len(batch), self._classes))
        self._learn(batch, y, weight, answers)
        return answers

    def ask_and_learn(self, asked: Batch, ahead: Ints, batch: Batch, y: Ints, weight: Floats) -> Floats:
        """See `Expert`."""
        answers = np.zeros((len(asked), self._classes))
        if len(self._columns):
            events, questions = labelled(self._rows(batch), y, weight), turns.asked(self._rows(asked), ahead)
            self._seen = lagged.ask_and_learn(
                self._model, events, self._settings.strength, self._seen, questions, answers
            )
        return answers

    def _learn(self, batch: Batch, y: Ints, weight: Floats, answers: Floats) -> None:
        if len(self._columns):
            events = labelled(self._rows(batch), y, weight)
            self._seen = learning.learn(self._model, events, self._settings.strength, self._seen, answers)

    def _rows(self, batch: Batch) -> Floats:
        X = batch.ranked_where_known
        return np.ascontiguousarray(X if len(self._columns) == X.shape[1] else X[:, self._columns], np.float64)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Expert`."""
        model = self._model
        own = {"nominal": self._nominal, "seen": np.array(self._seen), "factor": model.factor, "figures": model.figures}
        moments = {name: getattr(model.moments, name) for name in ("rows", "mean", "square")}
        arrays = {
            **own,
            **model.clusters._asdict(),
            **with_prefix("recent.", model.recent._asdict()),
            **with_prefix("moments.", moments),
        }
        return {name: array.copy() for name, array in arrays.items()}

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Expert`."""
        try:
            seen, nominal = int(arrays["seen"]), np.array(arrays["nominal"], np.bool_)
            classes = len(arrays["recent.latest"])
            fresh = type(self)(self._settings, nominal.tolist())
            fresh.resize(len(nominal), classes)
            expected = fresh._model
            clusters = Clusters(**_like(expected.clusters._asdict(), arrays))
            recent = Recent(**_like(expected.recent._asdict(), without_prefix("recent.", arrays)))
            fields = {name: getattr(expected.moments, name) for name in ("rows", "mean", "square")}
            moments = _like(fields, without_prefix("moments.", arrays))
            own = _like({"factor": expected.factor, "figures": expected.figures}, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not the arrays of an expert of moving clusters: {error}") from error
        fresh._model = Model(clusters, recent, expected.moments._replace(**moments), own["factor"], own["figures"])
        fresh._seen = seen
        self.__dict__.update(vars(fresh))


def _with_columns(model: Model, places: Ints) -> Model:
    """The model with these columns, by their places in it; a place behind its columns is a new one."""
    blank = new(len(model.clusters.label), 1, 0, Standardiser(1).moments)  # what a new column is like

    def columns(array: Floats, fresh: Floats, axis: int) -> Floats:
        both = np.concatenate([array, fresh], axis=axis)
        return np.ascontiguousarray(np.take(both, places, axis=axis))

    clusters, recent, moments = model.clusters, model.recent, model.moments
    clusters = clusters._replace(
        centre=columns(clusters.centre, blank.clusters.centre, 0),
        velocity=columns(clusters.velocity, blank.clusters.velocity, 0),
        covariance=columns(clusters.covariance, blank.clusters.covariance, 1),
    )
    recent = recent._replace(values=columns(recent.values, blank.recent.values, 1))
    moments = moments._replace(
        rows=columns(moments.rows, blank.moments.rows, 0),
        mean=columns(moments.mean, blank.moments.mean, 0),
        square=columns(moments.square, blank.moments.square, 0),
    )
    changed = Model(clusters, recent, moments, columns(model.factor, blank.factor, 0), model.figures)
    sum_columns(changed.clusters, changed.factor)
    return changed


def _like(expected: dict[str, Any], arrays: Arrays) -> dict[str, Any]:
    """Copies of the arrays of these names. Raises KeyError where one is missing, ValueError where one does not fit."""
    found = {}
    for name, array in expected.items():
        found[name] = np.array(arrays[name], array.dtype)
        if found[name].shape != array.shape:
            raise ValueError(f"{name} has shape {found[name].shape}, expected {array.shape}")
    return found
