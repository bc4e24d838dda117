"""What every model that users name can do: river's methods for one event and for many, saving, loading and copying.

A model inherits `Face`, which takes many events as pandas' DataFrame and Series or as arrays, and gives its answers
in the same form. The model itself answers `_rows`, `_learn_rows`, `_probabilities` and `_labels_in_order`.
"""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from river import base

from tocsin.models.data import snapshot
from tocsin.models.data.batch import Floats, Ints
from tocsin.models.data.frames import Table, as_frame, as_series, is_frame, is_series
from tocsin.models.data.labels import Label, class_array, event_labels
from tocsin.models.data.snapshot import Arrays, SnapshotError
from tocsin.models.data.values import read_table

MOST_WEIGHT = 1e6
"""The most that an event may weigh. Sums of such weights, and their squares, stay far from the largest float."""
DOES_NOT_FIT = (KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError)
"""What a model raises when it takes over arrays or parameters that are not its own."""
WARM_UP_TEXT = "warm up, 1 £"
"""A text with ASCII and other characters, for which there are kernels of their own."""


class Face(base.MiniBatchClassifier):
    """A classifier with river's methods, on dictionaries, frames and arrays."""

    _target: Hashable = None
    """The name of the Series of labels that was learnt last, which `predict_many` gives its own."""

    # What each model answers

    @abstractmethod
    def _rows(self, X: Any) -> Any:
        """B events of a frame or an array in the form in which the model reads them; it has a length."""

    @abstractmethod
    def _learn_rows(self, rows: Any, y: NDArray[Any], w: Floats | None) -> None:
        """Learn B events in order: what `_rows` gave, their labels [B] and weights [B], None for 1."""

    @abstractmethod
    def _probabilities(self, rows: Any) -> Floats:
        """The probabilities [B, K] of the classes for what `_rows` gave."""

    @abstractmethod
    def _labels_in_order(self) -> list[Label]:
        """The labels that the K columns of `_probabilities` stand for, as the caller writes them."""

    @abstractmethod
    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays of plain dtypes. Raises SnapshotError where it does not fit such arrays."""

    @abstractmethod
    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave to a model with the same parameters. Raises SnapshotError."""

    def _choices(self, rows: Any) -> Ints:
        """The column [B] of the class that is predicted for each event; -1 where no class is known."""
        p = self._probabilities(rows)
        return p.argmax(axis=1) if p.shape[1] else np.full(len(p), -1, np.int64)

    # Many events

    def learn_many(self, X: Any, y: Any, w: ArrayLike | None = None) -> None:
        """Learn B events in order, as `learn_one` would learn one after the other.

        Parameters
        ----------
        X
            A DataFrame whose columns are features by name, or B dictionaries, or an array with named fields, or an
            array float64 [B, F], NaN for what is not known.
        y
            The labels of the events, a Series or an array [B].
        w
            The weights of the events, float64 [B], each from 0 to `MOST_WEIGHT`. None: 1 for all.

        Raises ValueError, before anything is learnt, where these do not fit each other, a label is missing, a weight
        is out of its range, or a value does not fit its feature.
        """
        rows = self._rows(X)
        self._learn_rows(rows, checked_labels(y, len(rows)), None if w is None else checked_weights(w, len(rows)))
        if is_series(y):
            self._target = y.name

    def predict_proba_many(self, X: Any) -> Any:
        """The probabilities of the classes for B events.

        For a DataFrame: a DataFrame with its index, whose columns are the labels. For an array: float64 [B, K], whose
        columns are as `classes`. Before the first label there are no columns.
        """
        p = self._probabilities(self._rows(X))
        return as_frame(p, X, self._labels_in_order()) if _has_index(X) else p

    def predict_many(self, X: Any) -> Any:
        """The label predicted for each of B events; None before the first label.

        For a DataFrame: a Series with its index, named as the labels were that have been learnt. Else an array [B].
        """
        choices = self._choices(self._rows(X))
        labels = self._labels_in_order()
        values = class_array(labels)[choices] if labels else np.full(len(choices), None, object)
        return as_series(values, X, self._target) if _has_index(X) else values

    # What river asks of a model

    @property
    def _multiclass(self) -> bool:
        return True

    def _parameters(self) -> dict[str, Any]:
        """The parameters of the constructor by name, with which another model like this one can be made."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def _get_params(self) -> dict[str, Any]:
        # river's `clone` makes anew what is given as a class and its parameters, and copies the rest.
        parameters = self._parameters().items()
        return {n: (type(v), v._get_params()) if isinstance(v, base.Base) else v for n, v in parameters}

    def __repr__(self) -> str:
        parameters = ", ".join(f"{name}={_quoted(value)}" for name, value in self._parameters().items())
        return f"{type(self).__name__}({parameters})"

    def __copy__(self) -> Self:
        # A copy that shared its arrays with the original would learn whenever the original learns.
        return copy.deepcopy(self)

    # Snapshots

    def save(self, directory: Path | str) -> None:
        """Write the model into a folder, as arrays and a manifest; what stood there is replaced.

        Raises SnapshotError for labels, feature names or parameters other than booleans, numbers and text.
        """
        snapshot.write(Path(directory), *self.to_snapshot())

    @classmethod
    def load(cls, directory: Path | str) -> Self:
        """The model that `save` wrote. Raises SnapshotError where it is damaged or a model of another class."""
        manifest, arrays = snapshot.read(Path(directory))
        if manifest.get("class") != cls.__name__:
            raise SnapshotError(f"{directory} holds a {manifest.get('class')}, not a {cls.__name__}")
        try:
            model = cls._of_parameters(snapshot.parameters(manifest["parameters"]))
            model.restore(manifest, arrays)
        except DOES_NOT_FIT as error:
            raise SnapshotError(f"the snapshot in {directory} does not fit: {error}") from error
        return model

    def _manifest(self) -> dict[str, Any]:
        target = self._target if isinstance(self._target, str | int) else None
        return {
            "class": type(self).__name__,
            "parameters": self._plain_parameters(),
            "target": target,
        }

    def _plain_parameters(self) -> dict[str, Any]:
        """The constructor's parameters as JSON can hold them. Raises SnapshotError where it cannot."""
        return snapshot.plain_parameters(self._parameters())

    @classmethod
    def _of_parameters(cls, parameters: dict[str, Any]) -> Self:
        """A model with the parameters that `_plain_parameters` gave, which has learnt nothing."""
        return cls(**parameters)

    def to_snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """The manifest and the arrays that `save` writes and `restore` takes over. Raises SnapshotError."""
        return self._manifest(), self.state_dict()

    def restore(self, manifest: Mapping[str, Any], arrays: Arrays) -> None:
        """Take over what `to_snapshot` gave to a model with the same parameters. Raises SnapshotError."""
        self._target = manifest.get("target")
        self.load_state_dict(arrays)


def _has_index(X: object) -> bool:
    return is_frame(X) or is_series(X)


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) and value.isprintable() and '"' not in value else repr(value)


def checked_labels(y: Any, rows: int) -> NDArray[Any]:
    """The labels [B] of B events. Raises ValueError where their number differs or one is missing."""
    labels = event_labels(y)
    if labels.shape != (rows,):
        raise ValueError(f"y: has shape {labels.shape}, which is not [B] = ({rows},)")
    return labels


def checked_weights(w: ArrayLike, rows: int) -> Floats:
    """The weights of B events as float64 [B]. Every model asks this before it learns anything.

    Raises ValueError, which names the row, where one is negative, not finite or above `MOST_WEIGHT`.
    """
    try:
        weights = np.asarray(w, np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise ValueError("w: a weight is no number") from None
    if len(weights) != rows:
        raise ValueError(f"w: has shape {np.shape(w)}, which is not [B] = ({rows},)")
    wrong = np.flatnonzero(~((weights >= 0.0) & (weights <= MOST_WEIGHT)))
    if wrong.size:
        found = float(weights[wrong[0]])
        what = f"above {MOST_WEIGHT:,.0f}" if MOST_WEIGHT < found < np.inf else "negative or not finite"
        raise ValueError(f"w: a weight is {what}, in row {wrong[0]}: {found}")
    return weights


def feature_rows(X: Any) -> Table | Floats:
    """Events of named or numbered features: a `Table` of a DataFrame or of records, else float64 [B, F].

    Raises ValueError where X is neither, or where a value of an array is no number, which the error names.
    """
    if is_frame(X):
        return Table.of(X)
    if isinstance(X, np.ndarray) and X.dtype.names is not None and X.ndim == 1:
        return Table.of_fields(X)
    if isinstance(X, list | tuple) and X and all(isinstance(x, Mapping) for x in X):
        return Table.of_records(X)
    return _numbered(X)


def _numbered(X: Any) -> Floats:
    """An array of numbers as float64 [B, F]. Raises ValueError, which names the feature by its number."""
    given = np.ma.filled(X.astype(np.float64), np.nan) if np.ma.isMaskedArray(X) else np.asarray(X)
    if given.ndim != 2:
        raise ValueError(f"X {given.shape} is not [B, F]")
    if given.dtype.kind in "biuf":
        rows = np.ascontiguousarray(given, np.float64)
        if not np.isinf(rows).any():
            return rows
    columns = [np.fromiter(column, object, len(column)) for column in given.T]
    table = read_table(Table(range(len(columns)), columns, len(given)), lambda name: False, learning=True)
    return np.stack(table.columns, axis=1) if columns else np.zeros(given.shape)


def joined(pieces: Iterable[tuple[slice, Floats]], rows: int, order: list[int]) -> Floats:
    """Predictions of pieces of B events, each [b, k] with the k classes known by then, as one [B, K].

    `order` are the columns of the pieces in the order of the result; a class that came later has probability 0.
    """
    out = np.zeros((rows, len(order)))
    for piece, p in pieces:
        out[piece, : p.shape[1]] = p
    return out[:, order]
