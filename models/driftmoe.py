"""DriftMoE: a pool of experts of different kinds and a router that knows, for each event, whom to trust."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Literal, Protocol

import numpy as np
import orjson
from numpy.typing import ArrayLike, NDArray

from tocsin.config.presets.driftmoe import tocsin
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.columns import Columns
from tocsin.models.data.frames import Table, as_frame, is_frame
from tocsin.models.data.labels import Label, Labels, plain_label
from tocsin.models.data.snapshot import Arrays, SnapshotError, plain_array, with_prefix, without_prefix
from tocsin.models.face import DOES_NOT_FIT, Face, checked_labels, checked_weights, feature_rows, joined

Variant = Literal["data", "task"]


class Engine(Protocol):
    """What a preset is made of, on arrays alone."""

    def widen(self, names: list[str], nominal: list[bool], classes: int) -> None:
        """Make room for more columns or classes. Never shrinks."""
        ...

    def predict(self, X: Floats) -> Floats:
        """Class probabilities [B, K]; nothing changes."""
        ...

    def predict_then_learn(self, X: Floats, y: Ints, weight: Floats) -> Floats:
        """Class probabilities [B, K] of each event just before it is learnt, in order."""
        ...

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays of plain dtypes."""
        ...

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave to an engine with the same columns and classes."""
        ...


class Pool:
    """The preset "tocsin": the service's own classifier."""

    def __init__(self, variant: Variant, seed: int) -> None:
        self.classifier = Classifier(tocsin(variant, seed))

    def widen(self, names: list[str], nominal: list[bool], classes: int) -> None:
        """See `Engine`."""
        self.classifier.widen(names, nominal, [str(k) for k in range(classes)])

    def predict(self, X: Floats) -> Floats:
        """See `Engine`."""
        return self.classifier.score(Batch.of(X)).betp

    def predict_then_learn(self, X: Floats, y: Ints, weight: Floats) -> Floats:
        """See `Engine`."""
        return self.classifier.learn_at_once(Batch.of(X), y, weight)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See `Engine`. The classifier's manifest is JSON in bytes."""
        manifest, arrays = self.classifier.to_snapshot()
        return {"manifest": np.frombuffer(orjson.dumps(manifest), np.uint8)} | with_prefix("classifier/", arrays)

    def load_state_dict(self, arrays: Arrays) -> None:
        """See `Engine`."""
        manifest = orjson.loads(arrays["manifest"].tobytes())
        self.classifier.restore(manifest, without_prefix("classifier/", arrays))


def new_engine(preset: str, variant: Variant, seed: int) -> Engine:
    """What the preset is made of. Raises ValueError for an unknown one, ModuleNotFoundError where torch is missing."""
    if preset == "tocsin":
        return Pool(variant, seed)
    if preset != "paper":
        raise ValueError(f"preset {preset!r} is none of tocsin, paper")
    try:
        from tocsin.models.routing.published import Published
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        message = "the preset 'paper' needs torch, which is not installed: pip install 'tocsin[gpu]'"
        raise ModuleNotFoundError(message, name="torch") from error
    return Published(variant, seed)


class DriftMoE(Face):
    """A mixture of experts that follows drift: nearest neighbours, linear models, trees, forests, persistence.

    Events may come as dictionaries, as DataFrames or as arrays. New features and labels may come at any time. A number
    or a boolean is a number, a string is a category; once a feature is a number, a string is read as one. None and NaN
    stand for values that are missing. Labels may be of any type that can be hashed: 1, 1.0, True and "1" are one
    label, and the answer is the one that was given first.

    Parameters
    ----------
    preset
        "tocsin": the pool named above, with reliabilities learnt through Dempster's rule. "paper": DriftMoE as
        published (12 Hoeffding trees, an MLP on the multi-hot mask, a step each 256 events), with its published
        defaults. It needs torch: `pip install 'tocsin[gpu]'`.
    variant
        "data": every tree tells all classes apart. "task": there is one tree for each class, which tells it from the
        rest and takes part in the decision (in the published code it does not).
    seed
        The seed of every random draw.

    References
    ----------
    DriftMoE: arXiv 2507.18464.

    Examples
    --------
    >>> from river.datasets import synth
    >>> model, right = DriftMoE(), 0
    >>> for x, y in synth.SEA(seed=7).take(500):
    ...     right += model.predict_one(x) == y
    ...     model.learn_one(x, y)
    >>> right > 430
    True
    """

    def __init__(self, preset: Literal["tocsin", "paper"] = "tocsin", variant: Variant = "data", seed: int = 0) -> None:
        if variant not in ("data", "task"):
            raise ValueError(f"variant {variant!r} is none of data, task")
        self.preset = preset
        self.variant: Variant = variant
        self.seed = seed
        self._engine = new_engine(preset, variant, seed)
        self._columns = Columns([], [], fixed=False, reads_text=False)
        self._labels = Labels()

    @property
    def engine(self) -> Engine:
        """What the preset is made of."""
        return self._engine

    @property
    def classes(self) -> list[Label]:
        """Labels seen, sorted: the columns of `predict_proba_many`."""
        return self._labels.ordered

    def _labels_in_order(self) -> list[Label]:
        return self.classes

    # Columns and labels

    def _discover(self, x: Mapping[Hashable, Any]) -> None:
        if found := self._columns.discover(x):
            self._set_columns(*found)

    def _set_columns(self, names: list[str], nominal: list[bool]) -> None:
        self._columns.extend(names, nominal)
        self._widen()

    def _add_label(self, label: Label) -> int:
        number = self._labels.add(label)
        self._widen()
        return number

    def _widen(self) -> None:
        self._engine.widen(self._columns.names, self._columns.nominal, len(self._labels))

    # One event

    def learn_one(self, x: dict[Hashable, Any], y: Label, w: float = 1.0) -> None:
        """Learn a labelled event.

        Raises ValueError, before anything is learnt, for a label that is missing, a weight that is negative, not finite
        or above a million, or a value that does not fit its feature.
        """
        weight, label = checked_weights([w], 1), plain_label(y)
        self._columns.check(x)
        self._discover(x)
        number = self._labels.number(label)
        if number < 0:
            number = self._add_label(label)
        self._engine.predict_then_learn(self._columns.batch(x).X, np.array([number], np.int64), weight)

    def predict_proba_one(self, x: dict[Hashable, Any], **kwargs: Any) -> dict[Label, float]:
        """The probabilities of the labels seen."""
        if not self._labels:
            return {}
        p = self._engine.predict(self._columns.batch(x).X)[0].tolist()
        return {self._labels.names[i]: p[i] for i in self._labels.order}

    # Many events

    def predict_then_learn_many(self, X: Any, y: Any, w: ArrayLike | None = None) -> Any:
        """Learn B events in order, and return what was predicted just before each was learnt.

        The arguments and the form of the result are those of `learn_many` and `predict_proba_many`. It costs hardly
        more than `learn_many`, because the router learns from just those predictions.
        """
        rows = self._rows(X)
        p = self._learn(rows, checked_labels(y, len(rows)), None if w is None else checked_weights(w, len(rows)))
        return as_frame(p, X, self.classes) if is_frame(X) else p

    def _rows(self, X: Any) -> Table | Floats:
        return feature_rows(X)

    def _learn_rows(self, rows: Table | Floats, y: NDArray[Any], w: Floats | None) -> None:
        self._learn(rows, y, w)

    def _learn(self, rows: Table | Floats, y: NDArray[Any], w: Floats | None) -> Floats:
        """Learn B events; returns the probabilities [B, K] just before each."""
        weights = np.ones(len(rows)) if w is None else w
        if isinstance(rows, Table):
            rows = self._columns.read(rows, learning=True)
        parts: list[tuple[slice, Floats]] = []
        for start, X in self._pieces(rows):
            for run, numbers in self._labels.runs(y[start : start + len(X)], self._add_label):
                here = slice(start + run.start, start + run.stop)
                parts.append((here, self._engine.predict_then_learn(X[run], numbers, weights[here])))
        return joined(parts, len(rows), self._labels.order)

    def _pieces(self, rows: Table | Floats) -> Iterator[tuple[int, Floats]]:
        """B events cut where new columns come: the first row of each piece, and its X [b, F]."""
        if isinstance(rows, Table):
            for piece, table in rows.pieces(self._columns.starts(rows), self._discover):
                yield piece.start, self._columns.batch_of(table).X
            return
        if not self._columns.names:
            features = rows.shape[1]
            self._set_columns([str(f) for f in range(features)], [False] * features)
        yield 0, self._checked(rows)

    def _checked(self, X: Floats) -> Floats:
        if X.shape[1] != len(self._columns.names):
            raise ValueError(f"X {X.shape} is not [B, {len(self._columns.names)}]")
        return X

    def _probabilities(self, rows: Table | Floats) -> Floats:
        if not self._labels:
            return np.zeros((len(rows), 0))
        if isinstance(rows, Table):
            X = self._columns.batch_of(self._columns.read(rows, learning=False)).X
        else:
            # A model that has met no feature leaves all of them out.
            X = self._checked(rows if self._columns.names else rows[:, :0])
        return self._engine.predict(X)[:, self._labels.order]

    # Snapshots

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The whole state as arrays. Raises SnapshotError where labels are not all booleans, numbers or text."""
        return {
            "labels": plain_array(self._labels.names, "labels"),
            "columns": plain_array(self._columns.names, "feature names"),
            "nominal": np.array(self._columns.nominal, np.bool_),
        } | with_prefix("engine/", self._engine.state_dict())

    def load_state_dict(self, arrays: Arrays) -> None:
        """Take over a state that `state_dict` gave to a model of the same parameters. Raises SnapshotError."""
        engine = new_engine(self.preset, self.variant, self.seed)
        try:
            names, nominal = arrays["columns"].tolist(), arrays["nominal"].tolist()
            labels = Labels(arrays["labels"].tolist())
            if names or labels:
                engine.widen(names, nominal, len(labels))
            engine.load_state_dict(without_prefix("engine/", arrays))
        except DOES_NOT_FIT as error:
            raise SnapshotError(f"these are not the arrays of this DriftMoE: {error}") from error
        self._engine, self._labels = engine, labels
        self._columns = Columns(names, nominal, fixed=False, reads_text=False)
