"""DriftMoE: a pool of experts of different kinds and a router that knows, for each event, whom to trust."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike
from river import base

from tocsin.config.presets.driftmoe import tocsin
from tocsin.models.classifier import Classifier
from tocsin.models.data.batch import Batch, Floats, Ints
from tocsin.models.data.features import category_code
from tocsin.models.data.labels import Label, Labels
from tocsin.models.routing.published import Published


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


class Pool:
    """The preset "tocsin": the service's own classifier."""

    def __init__(self, variant: Literal["data", "task"], seed: int) -> None:
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


def check_weights(weights: Floats) -> None:
    """Raises ValueError, before anything is learnt, where a weight is negative or no number."""
    if not bool(np.all((weights >= 0.0) & np.isfinite(weights))):
        raise ValueError("w: a weight is negative or not finite")


class DriftMoE(base.Classifier):
    """A mixture of experts that follows drift: nearest neighbours, linear models, trees, forests, persistence.

    Features may come as dicts, found as they come, or as arrays. A number or boolean is a number, a string a
    category; None and NaN are not known. Labels may be of any type that can be hashed.

    Parameters
    ----------
    preset
        "tocsin": the pool named above, with reliabilities learnt through Dempster's rule. "paper": DriftMoE as
        published (12 Hoeffding trees, an MLP on the multi-hot mask, a step each 256 events), with its published
        defaults.
    variant
        "data": every tree tells all classes apart. "task": there is one tree a class, which tells it from the rest
        and takes part in the decision (in the published code it does not).
    seed
        Of every random draw.

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

    def __init__(
        self,
        preset: Literal["tocsin", "paper"] = "tocsin",
        variant: Literal["data", "task"] = "data",
        seed: int = 0,
    ) -> None:
        if preset not in ("tocsin", "paper"):
            raise ValueError(f"preset {preset!r} is none of tocsin, paper")
        if variant not in ("data", "task"):
            raise ValueError(f"variant {variant!r} is none of data, task")
        self.preset = preset
        self.variant = variant
        self.seed = seed
        self._engine: Engine = Pool(variant, seed) if preset == "tocsin" else Published(variant, seed)
        self._columns: dict[str, int] = {}
        self._nominal: list[bool] = []
        self._labels = Labels()

    @property
    def _multiclass(self) -> bool:
        return True

    @property
    def engine(self) -> Engine:
        """What the preset is made of."""
        return self._engine

    @property
    def classes(self) -> list[Label]:
        """Labels seen, sorted: the columns of `predict_proba_many`."""
        return self._labels.ordered

    # --- columns and labels

    def _widen(self) -> None:
        self._engine.widen(list(self._columns), self._nominal, len(self._labels))

    def _add_columns(self, names: Mapping[str, bool]) -> None:
        for name, nominal in names.items():
            self._columns[name] = len(self._columns)
            self._nominal.append(nominal)
        self._widen()

    def _add_label(self, label: Label) -> int:
        number = self._labels.add(label)
        self._widen()
        return number

    def _row(self, x: Mapping[Hashable, Any], learning: bool) -> Floats:
        """An event as a row [1, F]."""
        known = {str(name): value for name, value in x.items() if value is not None and value == value}
        if learning:
            # Sorted, so that the order in which a dictionary was filled leaves no trace.
            new = {name: isinstance(known[name], str) for name in sorted(known) if name not in self._columns}
            if new:
                self._add_columns(new)
        row = np.full((1, len(self._columns)), np.nan)
        for name, value in known.items():
            column = self._columns.get(name)
            if column is not None:
                nominal = self._nominal[column] or isinstance(value, str)
                row[0, column] = float(category_code(str(value))) if nominal else float(value)
        return row

    def _check(self, X: ArrayLike, learning: bool) -> Floats:
        rows = np.ascontiguousarray(X, np.float64)
        if rows.ndim != 2:
            raise ValueError(f"X {rows.shape} is not [B, F]")
        if not self._columns and learning:
            self._add_columns({str(f): False for f in range(rows.shape[1])})
        if self._columns and rows.shape[1] != len(self._columns):
            raise ValueError(f"X {rows.shape} is not [B, {len(self._columns)}]")
        return rows

    # --- river's face

    def learn_one(self, x: dict[Hashable, Any], y: Label, w: float = 1.0) -> None:
        """Learn a labelled event."""
        check_weights(np.array([float(w)]))
        row = self._row(x, learning=True)
        number = self._labels.number(y)
        if number < 0:
            number = self._add_label(y.item() if isinstance(y, np.generic) else y)
        self._engine.predict_then_learn(row, np.array([number], np.int64), np.array([float(w)]))

    def predict_proba_one(self, x: dict[Hashable, Any], **kwargs: Any) -> dict[Label, float]:
        """Probabilities of the labels seen."""
        if not self._labels:
            return {}
        p = self._engine.predict(self._row(x, learning=False))[0].tolist()
        return {self._labels.names[i]: p[i] for i in self._labels.order}

    # --- arrays

    def learn_many(self, X: ArrayLike, y: ArrayLike, w: ArrayLike | None = None) -> None:
        """Learn B events in order: X float64 [B, F], NaN for what is not known; y [B] labels; w [B] weights."""
        self.predict_then_learn_many(X, y, w)

    def predict_then_learn_many(self, X: ArrayLike, y: ArrayLike, w: ArrayLike | None = None) -> Floats:
        """Learn B events in order, and say what was predicted just before each was learnt: [B, K], as `classes`.

        It costs hardly more than `learn_many`, for the router learns from just those predictions.
        """
        rows, labels = self._check(X, learning=True), np.asarray(y)
        if labels.shape != rows.shape[:1]:
            raise ValueError(f"y {labels.shape} is not [{len(rows)}]")
        weights = np.ones(len(rows)) if w is None else np.asarray(w, np.float64).reshape(len(rows))
        check_weights(weights)
        runs = self._labels.runs(labels, self._add_label)
        parts = [(run, self._engine.predict_then_learn(rows[run], k, weights[run])) for run, k in runs]
        out = np.zeros((len(rows), len(self._labels)))
        for run, p in parts:
            out[run, : p.shape[1]] = p
        return out[:, self._labels.order]

    def predict_proba_many(self, X: ArrayLike) -> Floats:
        """Probabilities [B, K], columns as `classes`."""
        rows = self._check(X, learning=False)
        if not self._labels:
            return np.zeros((len(rows), 0))
        return self._engine.predict(rows)[:, self._labels.order]
